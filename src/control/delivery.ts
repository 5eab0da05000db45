import { Pace } from "../lib/pace.ts";
import type { Change } from "../schema/kinds.ts";
import type { Applied } from "../store/store.ts";

/** Time from one delivery to the next while changes follow each other and workers are busy. */
const SPACING_MS = 15;

/** What is delivered at once: one step, or several that followed each other closely, with each resource once. */
export interface Parcel extends Applied {
  /** Whether something was loaded; otherwise only the source's revision has grown. */
  readonly loaded: boolean;
  /** Unix milliseconds at which the first and the last of the changes were accepted. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Gathers what the store accepted on its way to the workers and the supervisor. A step goes
 * at once, with what else the same turn brings. While workers are busy, of steps that follow
 * each other closely what came within `SPACING_MS` goes together: threads that are woken for
 * every one of hundreds of changes a second take the time for it from requests.
 */
export class Delivery {
  readonly #deliver: (parcel: Parcel) => void;
  readonly #areWorkersBusy: () => boolean;
  #gathered: Omit<Parcel, "changes"> | null = null;
  /** Of each step that was gathered. */
  readonly #steps: (readonly Change[])[] = [];
  readonly #pace = new Pace(SPACING_MS);
  #timer: NodeJS.Timeout | null = null;

  constructor(deliver: (parcel: Parcel) => void, areWorkersBusy: () => boolean) {
    this.#deliver = deliver;
    this.#areWorkersBusy = areWorkersBusy;
  }

  /** Takes a step; `loaded` as in `Parcel`, `now` is Unix milliseconds. */
  add({ fromRevision, revision, hash, changes, rejected }: Applied, loaded: boolean, now: number): void {
    if (changes.length > 0) this.#steps.push(changes);
    const before = this.#gathered;
    this.#gathered = {
      fromRevision: before?.fromRevision ?? fromRevision,
      revision,
      hash,
      rejected,
      loaded: loaded || before?.loaded === true,
      firstAt: before?.firstAt ?? now,
      lastAt: now,
    };
    const wait = this.#areWorkersBusy() ? this.#pace.arrived(performance.now()) : 0;
    if (before !== null) return;
    // Not before the caller is through: one transaction may have made several steps.
    if (wait === 0) queueMicrotask(() => this.flush());
    else this.#timer = setTimeout(() => this.flush(), wait);
  }

  /** Delivers what was gathered, now. */
  flush(): void {
    const gathered = this.#gathered;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (gathered === null) return;
    this.#gathered = null;
    const changes = merged(this.#steps.splice(0));
    this.#pace.done(performance.now());
    this.#deliver({ ...gathered, changes });
  }
}

/** What several steps change, each resource once, as it is at the end. */
function merged(steps: readonly (readonly Change[])[]): readonly Change[] {
  const [first = []] = steps;
  // A step has each resource once; the one of a first load may have tens of thousands.
  if (steps.length < 2) return first;
  return [...new Map(steps.flat().map((change) => [`${change.kind}/${change.id}`, change])).values()];
}
