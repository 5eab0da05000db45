import { areOthersBusy, rest } from "../../lib/give-way.ts";
import { Pace } from "../../lib/pace.ts";

/** Time from one group of writes to the next while they come from several sides. */
const SPACING_MS = 25;
/** For how many groups it is taken for granted that writes come by themselves, once one has shown it. */
const GRANTED = 20;

/**
 * Lets writes of the Admin API in. A write after a pause goes on at once, and every one while
 * workers are not busy. Of hundreds a second that come by themselves, those of `SPACING_MS`
 * go on together, so that they share a transaction, an fsync, a delivery to the workers, and
 * caches that are warm: one write by itself takes three times the CPU of one that follows
 * another, and takes it from requests. Who writes, waits for the answer and writes again does
 * not wait (see `Pace`).
 *
 * This thread rests from one group to the next and reads then what has come: to wake up for
 * each request by itself takes a third of what it takes to answer it.
 */
export class WriteGate {
  readonly #pace = new Pace(SPACING_MS);
  /** The group that is gathered, which goes on together; `null`: none has begun. */
  #group: (() => void)[] | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Groups that are still to come before it is looked again how writes come. */
  #granted = 0;
  /** Writes that have gone on since this thread rested, and how many of them were not answered yet. */
  #admitted = 0;
  #inside = 0;

  /** `null`: the write may go on now; otherwise resolves when it may. Who goes on has to leave. */
  enter(): Promise<void> | null {
    const wait = this.#wait(performance.now());
    const group = (this.#group ??= this.#begin(wait));
    if (wait > 0) return new Promise((resolve) => group.push(resolve));
    this.#admit();
    return null;
  }

  #wait(now: number): number {
    if (!areOthersBusy()) {
      this.#granted = 0;
      return 0;
    }
    return this.#granted > 0 ? this.#pace.remaining(now) : this.#pace.arrived(now);
  }

  /** A write that went on has been answered. */
  leave(): void {
    this.#inside--;
    if (this.#inside > 0) return;
    const several = this.#admitted > 1;
    this.#admitted = 0;
    if (this.#granted === 0) return;
    this.#granted = several ? this.#granted - 1 : 0;
    if (several && rest(this.#pace.remaining(performance.now()))) this.#gather();
  }

  /** After a rest: has all that came meanwhile go on together. */
  #gather(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#group ??= [];
    // The loop reads its sockets between the two.
    setImmediate(() => setImmediate(() => this.#end()));
  }

  /** What need not wait goes on with all that comes in the same turn of the loop. */
  #begin(wait: number): (() => void)[] {
    if (wait === 0) setImmediate(() => this.#end());
    else this.#timer = setTimeout(() => this.#end(), wait);
    return [];
  }

  #end(): void {
    this.#timer = null;
    for (const goOn of this.#group ?? []) {
      this.#admit();
      goOn();
    }
    this.#group = null;
    if (this.#pace.done(performance.now())) this.#granted = GRANTED;
  }

  #admit(): void {
    this.#inside++;
    this.#admitted++;
  }
}
