import type { GoLast } from "./thread-priority.ts";

/** Where rests take longer than that on average, they are waits for the core: there are more threads than cores. */
export const CROWDED_MS = 2;
/** Where they take less than that, the core has room for everybody. */
const ROOMY_MS = 0.5;
/** How many rests in a row have to show it: work that begins may find every core taken. */
const ROOMY_RESTS = 10;
/** How long a thread stays last without work. */
const IDLE_MS = 250;
/** How long a thread that had to come back does not try again. */
const CROWDED_FOR_MS = 2_000;

/**
 * Decides where a thread that works and rests in turns stands among those that wait for a core.
 * At the end of the queue it is interrupted at once by whoever wakes up beside it, and so delays
 * nobody; but where every core is taken it gets next to nothing there. So it goes last while
 * rests are short, and comes back when they get long or the work is done.
 */
export class PlaceInQueue {
  readonly #goLast: GoLast;
  #isLast = false;
  #roomy = 0;
  #mayGoAt = -Infinity;
  /** Whether there was work since the timer looked. */
  #rested = false;

  constructor(goLast: GoLast) {
    this.#goLast = goLast;
  }

  /** After each rest: how long they take on average, and what the clock says now, in milliseconds. */
  rested(usual: number, now: number): void {
    this.#rested = true;
    if (this.#isLast) {
      if (usual <= CROWDED_MS) return;
      this.#mayGoAt = now + CROWDED_FOR_MS;
      this.#move(false);
      return;
    }
    this.#roomy = usual < ROOMY_MS ? this.#roomy + 1 : 0;
    if (this.#roomy < ROOMY_RESTS || now < this.#mayGoAt) return;
    this.#move(true);
    this.#watch();
  }

  #move(last: boolean): void {
    this.#roomy = 0;
    this.#isLast = last;
    this.#goLast(last);
  }

  #watch(): void {
    this.#rested = false;
    const look = (): void => {
      if (!this.#isLast) return;
      if (this.#rested) this.#watch();
      else this.#move(false);
    };
    setTimeout(look, IDLE_MS).unref();
  }
}
