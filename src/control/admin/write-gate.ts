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
  #waiting: (() => void)[] = [];

  /** `null`: the write may go on now; otherwise resolves when it may. */
  enter(): Promise<void> | null {
    const wait = this.#pace.arrived(performance.now());
    if (wait === 0 && this.#waiting.length === 0) {
      // What comes in the same turn of the loop goes on with it.
      setImmediate(() => this.#passed());
      return null;
    }
    if (this.#waiting.length === 0) setTimeout(() => this.#open(), wait);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #open(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
    this.#passed();
  }

  #passed(): void {
    this.#pace.done(performance.now());
  }
}
