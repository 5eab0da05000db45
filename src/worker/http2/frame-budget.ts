/**
 * How many frames of a kind a client may send that cost it next to nothing: so many at
 * once, and after that so many a second. PING and SETTINGS must be answered, and a flood of
 * them is work without a request.
 */
export class FrameBudget {
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#left = burst;
    this.#at = now;
  }

  /** Counts one frame at `now` (milliseconds); false: that was one too many. */
  take(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
