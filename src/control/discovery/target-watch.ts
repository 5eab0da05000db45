import type { Target, TargetEntry } from "../../upstream/targets.ts";

/** What one key stands for, for so long; or why that cannot be found out now. */
export type Lookup =
  | { readonly targets: readonly Target[]; readonly ttlMs: number }
  | {
      readonly failure: string;
      /** The source has answered: it knows nobody now. */
      readonly answered?: true;
      /** It is certain that it stands for nobody: what it stood for last must not be used any more. */
      readonly gone?: true;
      /** What it stands for where nothing was known of it before. */
      readonly otherwise?: readonly Target[];
    };

export interface TargetWatchParts {
  /** Finds out what a key stands for; never rejects. */
  readonly look: (key: string) => Promise<Lookup>;
  /** The key stands for something else now; nothing, where it was looked up for the first time and in vain. */
  readonly changed: (key: string, targets: readonly Target[]) => void;
  /** A key has been looked up: the first time whatever came of it, later where the source has answered. */
  readonly looked?: (key: string) => void;
  readonly log: { warn(message: string): void; notice(message: string): void };
}

/** Pauses after failures, in milliseconds: the last one again and again. */
const RETRY_MS = [1_000, 1_000, 2_000, 5_000] as const;
/** Keys of one type that are looked up at the same time: a source that hangs holds up no other. */
const MAX_LOOKUPS = 64;

/**
 * Keeps what keys stand for up to date: each is looked up again when its time is over. A
 * key that cannot be looked up, or stands for nothing any more, keeps what it stood for
 * last, so that traffic goes on; unless that is certain to be gone.
 */
export class TargetWatch {
  readonly #parts: TargetWatchParts;
  readonly #entries = new Map<string, Entry>();
  /** The keys with a port, by what stands before it. */
  readonly #ports = new Map<string, Set<Entry>>();
  /** By type: what stands before the slash. */
  readonly #types = new Map<string, TypeState>();
  /** Keys of which nothing is known yet. */
  #unknown = 0;
  /** What keys stood for that are still to be added. */
  #expected: ReadonlyMap<string, readonly Target[]> = new Map();

  constructor(parts: TargetWatchParts) {
    this.#parts = parts;
  }

  /** What the key stands for; `undefined`: not known yet. */
  get(key: string): readonly Target[] | undefined {
    return this.#entries.get(key)?.targets;
  }

  /** Whether something is known of every key. */
  get isComplete(): boolean {
    return this.#unknown === 0;
  }

  /** Whether the key is watched. */
  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Whether the key has been looked up, if only in vain. */
  isLooked(key: string): boolean {
    return this.#entries.get(key)?.looked === true;
  }

  /** Everything that is known. */
  *known(): Iterable<readonly [key: string, targets: readonly Target[]]> {
    for (const { key, targets } of this.#entries.values()) if (targets !== undefined) yield [key, targets];
  }

  /** Everything that `changed` has told of: what was looked up in vain, too. */
  *told(): Iterable<readonly [key: string, targets: readonly Target[]]> {
    for (const { key, targets, looked } of this.#entries.values()) {
      if (looked || targets !== undefined) yield [key, targets ?? []];
    }
  }

  /** Whether keys of a type are watched. */
  isAsked(type: string): boolean {
    return (this.#types.get(type)?.watched ?? 0) > 0;
  }

  /** Whether all keys of a type have been looked up, and the source has answered for one of them at least; true without any. */
  isReady(type: string): boolean {
    const { watched, looked, known } = this.#typeOf(type);
    return watched === 0 || (looked === watched && known > 0);
  }

  #typeOf(name: string): TypeState {
    let type = this.#types.get(name);
    if (type === undefined) {
      type = { watched: 0, looked: 0, known: 0, running: 0, waiting: [] };
      this.#types.set(name, type);
    }
    return type;
  }

  /** Keys that are added from now on stand for this until they have been looked up; replaces what was expected before. */
  expect(entries: readonly TargetEntry[]): void {
    this.#expected = new Map(
      entries.filter((entry): entry is readonly [string, readonly Target[]] => (entry[1]?.length ?? 0) > 0),
    );
  }

  /** Begins to look up a key that is not watched yet. */
  add(key: string): void {
    if (this.#entries.has(key)) return;
    const targets = this.#expected.get(key);
    const type = this.#typeOf(key.slice(0, key.indexOf("/")));
    const entry: Entry = {
      key,
      type,
      targets,
      timer: null,
      failures: 0,
      looked: false,
      known: false,
      again: false,
      closed: false,
    };
    this.#entries.set(key, entry);
    const service = beforePort(key);
    if (service !== null) {
      const ports = this.#ports.get(service);
      if (ports === undefined) this.#ports.set(service, new Set([entry]));
      else ports.add(entry);
    }
    type.watched++;
    if (targets === undefined) this.#unknown++;
    else setKnown(entry, true);
    this.#look(entry);
  }

  /** Looks up at once every key that begins so and goes on with `:` and a port, or is just that. */
  again(start: string): void {
    const itself = this.#entries.get(start);
    for (const entry of [...(itself === undefined ? [] : [itself]), ...(this.#ports.get(start) ?? [])]) {
      if (entry.timer === null) entry.again = true;
      else {
        clearTimeout(entry.timer);
        entry.timer = null;
        this.#look(entry);
      }
    }
  }

  /** Forgets a key. */
  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const service = beforePort(key);
    const ports = service === null ? undefined : this.#ports.get(service);
    ports?.delete(entry);
    if (service !== null && ports?.size === 0) this.#ports.delete(service);
    entry.type.watched--;
    if (entry.looked) entry.type.looked--;
    setKnown(entry, false);
    if (entry.targets === undefined) this.#unknown--;
    end(entry);
  }

  close(): void {
    for (const entry of this.#entries.values()) end(entry);
    this.#entries.clear();
    this.#ports.clear();
    this.#types.clear();
  }

  #look(entry: Entry): void {
    const { type } = entry;
    if (type.running >= MAX_LOOKUPS) {
      type.waiting.push(entry);
      return;
    }
    type.running++;
    void this.#parts.look(entry.key).then((lookup) => {
      type.running--;
      if (!entry.closed) this.#take(entry, lookup);
      let next = type.waiting.shift();
      while (next?.closed === true) next = type.waiting.shift();
      if (next !== undefined) this.#look(next);
    });
  }

  #set(entry: Entry, targets: readonly Target[]): void {
    if (entry.targets === undefined) this.#unknown--;
    entry.targets = targets;
    this.#parts.changed(entry.key, targets);
  }

  #take(entry: Entry, lookup: Lookup): void {
    const { log } = this.#parts;
    const first = !entry.looked;
    if (first) entry.type.looked++;
    entry.looked = true;
    let pauseMs: number;
    if ("failure" in lookup) {
      pauseMs = RETRY_MS[Math.min(entry.failures, RETRY_MS.length - 1)]!;
      const known = entry.targets !== undefined && entry.targets.length > 0;
      const gone = lookup.gone === true && known;
      if (entry.failures++ === 0 || gone) {
        const rest = known && !gone ? "; what it stood for last stays" : "";
        log.warn(`${entry.key} cannot be resolved: ${lookup.failure}${rest}`);
      }
      if (gone) this.#set(entry, []);
      else if (entry.targets === undefined && lookup.otherwise !== undefined) this.#set(entry, lookup.otherwise);
      // Who waits for the first word of it need not wait any longer.
      else if (entry.targets === undefined && first) this.#parts.changed(entry.key, []);
    } else {
      pauseMs = lookup.ttlMs;
      if (entry.failures > 0) log.notice(`${entry.key} can be resolved again`);
      entry.failures = 0;
      if (JSON.stringify(entry.targets) !== JSON.stringify(lookup.targets)) this.#set(entry, lookup.targets);
    }
    const hasAnswered = "targets" in lookup || lookup.answered === true || lookup.gone === true;
    setKnown(entry, hasAnswered || entry.targets !== undefined);
    if (first || hasAnswered) this.#parts.looked?.(entry.key);
    const dueMs = entry.again ? 0 : pauseMs;
    entry.again = false;
    entry.timer = setTimeout(() => {
      entry.timer = null;
      this.#look(entry);
    }, dueMs);
    entry.timer.unref();
  }
}

/** The keys of one type. */
interface TypeState {
  watched: number;
  /** Those that have been looked up. */
  looked: number;
  /** Those of which something is known, if only that there is nobody. */
  known: number;
  running: number;
  readonly waiting: Entry[];
}

interface Entry {
  readonly key: string;
  readonly type: TypeState;
  targets: readonly Target[] | undefined;
  timer: NodeJS.Timeout | null;
  /** Failed lookups in a row. */
  failures: number;
  looked: boolean;
  /** Something is known of it, if only, by the last lookup, that there is nobody. */
  known: boolean;
  /** What it stands for has changed while it was being looked up. */
  again: boolean;
  closed: boolean;
}

function setKnown(entry: Entry, known: boolean): void {
  if (known !== entry.known) entry.type.known += known ? 1 : -1;
  entry.known = known;
}

/** What stands before the port in a key; `null`: it has none. */
function beforePort(key: string): string | null {
  const colon = key.indexOf(":", key.lastIndexOf("/"));
  return colon < 0 ? null : key.slice(0, colon);
}

function end(entry: Entry): void {
  entry.closed = true;
  if (entry.timer !== null) clearTimeout(entry.timer);
}
