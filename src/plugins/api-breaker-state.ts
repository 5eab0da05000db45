/**
 * What api-breaker knows of a host and path, in one number, so that all workers count in
 * it exactly: the second in which the last break began, how many breaks there were, and
 * failures and successes since. 0: nothing is known.
 *
 * Failures that arrive during a break were sent before it and say nothing new: they
 * neither count nor make the break longer.
 */
export class BreakerStates {
  readonly #failures: number;
  readonly #successes: number;
  readonly #longest: number;

  /** Throws where the counts do not fit. */
  constructor(failures: number, successes: number, longest: number) {
    if (failures * successes > MOST_COUNTS) {
      throw new Error(`unhealthy.failures times healthy.successes is more than ${MOST_COUNTS}`);
    }
    this.#failures = failures;
    this.#successes = successes;
    this.#longest = longest;
  }

  /** A break lasts for whole seconds: until the second after its last one. */
  isBroken(state: number, second: number): boolean {
    if (state === 0) return false;
    const rest = Math.trunc(state / (this.#failures * this.#successes));
    const breaks = rest % BREAKS;
    return breaks > 0 && second <= Math.trunc(rest / BREAKS) + Math.min(2 ** breaks, this.#longest);
  }

  /** The state after a failure; -1: unchanged. */
  afterFailure(state: number, second: number): number {
    if (this.isBroken(state, second)) return -1;
    const { began, breaks, failures } = this.#parts(state);
    if (failures + 1 < this.#failures) return this.#pack(began, breaks, failures + 1, 0);
    return this.#pack(second, Math.min(breaks + 1, BREAKS - 1), 0, 0);
  }

  /** The state after a success; -1: unchanged. */
  afterSuccess(state: number, second: number): number {
    if (state === 0 || this.isBroken(state, second)) return -1;
    const { began, breaks, failures, successes } = this.#parts(state);
    return successes + 1 < this.#successes ? this.#pack(began, breaks, failures, successes + 1) : 0;
  }

  #parts(state: number): { began: number; breaks: number; failures: number; successes: number } {
    const successes = state % this.#successes;
    let rest = Math.trunc(state / this.#successes);
    const failures = rest % this.#failures;
    rest = Math.trunc(rest / this.#failures);
    return { began: Math.trunc(rest / BREAKS), breaks: rest % BREAKS, failures, successes };
  }

  #pack(began: number, breaks: number, failures: number, successes: number): number {
    return ((began * BREAKS + breaks) * this.#failures + failures) * this.#successes + successes;
  }
}

/** Numbers of breaks that are told apart: 2^31 seconds are enough. */
const BREAKS = 32;
/** With 29 bits of seconds (17 years) and 5 of breaks that makes 53. */
const MOST_COUNTS = 2 ** 19;
