import { Pace } from "../../lib/pace.ts";

/** Time from one group of writes to the next while they come from several sides. */
const SPACING_MS = 25;

/**
 * Lets writes of the Admin API in. A write after a pause goes on at once. Of hundreds a
 * second that come by themselves, those of `SPACING_MS` go on together, so that they share
 * a transaction, an fsync, a delivery to the workers, and caches that are warm: one write
 * by itself takes three times the CPU of one that follows another, and takes it from
 * requests. Who writes, waits for the answer and writes again does not wait (see `Pace`).
 */
export class WriteGate {
  readonly #pace = new Pace(SPACING_MS);
  /** The group that is gathered, which goes on together; `null`: none has begun. */
  #group: (() => void)[] | null = null;

  /** `null`: the write may go on now; otherwise resolves when it may. */
  enter(): Promise<void> | null {
    const wait = this.#pace.arrived(performance.now());
    const group = (this.#group ??= this.#begin(wait));
    return wait === 0 ? null : new Promise((resolve) => group.push(resolve));
  }

  /** What need not wait goes on with all that comes in the same turn of the loop. */
  #begin(wait: number): (() => void)[] {
    if (wait === 0) setImmediate(() => this.#end());
    else setTimeout(() => this.#end(), wait);
    return [];
  }

  #end(): void {
    for (const goOn of this.#group ?? []) goOn();
    this.#group = null;
    this.#pace.done(performance.now());
  }
}
