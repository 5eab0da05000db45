/** For how long nothing waits after that was in vain: at first, and at most, where it is so again and again. */
const IN_VAIN_MS = 500;
const IN_VAIN_LIMIT_MS = 8_000;

/**
 * Says how long something waits for others that can be dealt with together. What comes after
 * a pause does not wait. Of those that come by themselves, what comes within the spacing of
 * the last time is gathered. Those who send the next one as soon as the last is done would
 * only be slowed down by that; they show in that nobody joins any more once they have, and
 * from then on nothing waits for a while.
 *
 * Times are milliseconds of one monotonic clock.
 */
export class Pace {
  readonly #spacingMs: number;
  #doneAt = -Infinity;
  #inVainUntil = -Infinity;
  #inVainMs = IN_VAIN_MS;
  /** When the first one since the last time came, and how long it was told to wait. */
  #first: { readonly at: number; readonly wait: number } | null = null;
  #lastAt = 0;

  /** @param spacingMs time from one time to the next. */
  constructor(spacingMs: number) {
    this.#spacingMs = spacingMs;
  }

  /** One has come; how long the first since the last time waits. */
  arrived(now: number): number {
    this.#lastAt = now;
    if (this.#first === null) {
      const wait = now < this.#inVainUntil ? 0 : this.remaining(now);
      this.#first = { at: now, wait };
    }
    return this.#first.wait;
  }

  /** What is left of the spacing since the last time. */
  remaining(now: number): number {
    return Math.max(0, this.#doneAt + this.#spacingMs - now);
  }

  /** What has arrived is dealt with now. True: it waited, and somebody joined late, as those do who come by themselves. */
  done(now: number): boolean {
    const { at, wait } = this.#first ?? { at: now, wait: 0 };
    const joinedLate = wait > 0 && this.#lastAt - at > wait / 4;
    if (wait > 0) this.#learn(joinedLate, now);
    this.#first = null;
    this.#doneAt = now;
    return joinedLate;
  }

  /** From a wait that is over: whether somebody joined late. */
  #learn(joinedLate: boolean, now: number): void {
    if (joinedLate) this.#inVainMs = IN_VAIN_MS;
    else {
      this.#inVainUntil = now + this.#inVainMs;
      this.#inVainMs = Math.min(this.#inVainMs * 2, IN_VAIN_LIMIT_MS);
    }
  }
}
