/** Time from one commit to the next while writes come from several sides. */
const SPACING_MS = 15;
/** For how long nobody is made to wait after that was in vain. */
const IN_VAIN_MS = 500;

/**
 * Says how long a write waits for others to share its transaction with. A write after a
 * pause does not wait. Of writers that do not wait for each other, what comes within
 * `SPACING_MS` of the last commit is gathered: with hundreds of writes a second a commit for
 * each, with its fsync and its round through all threads, would take the time from requests.
 * Writers that write again as soon as they are answered would only be slowed down by that;
 * they show in that nobody joins any more once they have, and from then on writes do not
 * wait for a while.
 *
 * Times are milliseconds of one monotonic clock.
 */
export class CommitPace {
  #committedAt = -Infinity;
  #inVainUntil = -Infinity;
  /** When the first write since the last commit came, and how long it was told to wait. */
  #first: { readonly at: number; readonly wait: number } | null = null;
  #lastAt = 0;

  /** A write has come; how long the first since the last commit waits. */
  arrived(now: number): number {
    this.#lastAt = now;
    if (this.#first === null) {
      const wait = now < this.#inVainUntil ? 0 : Math.max(0, this.#committedAt + SPACING_MS - now);
      this.#first = { at: now, wait };
    }
    return this.#first.wait;
  }

  /** What has arrived is committed, and answered now. */
  committed(now: number): void {
    const { at, wait } = this.#first ?? { at: now, wait: 0 };
    const joinedLate = this.#lastAt - at > wait / 4;
    if (wait > 0 && !joinedLate) this.#inVainUntil = now + IN_VAIN_MS;
    this.#first = null;
    this.#committedAt = now;
  }
}
