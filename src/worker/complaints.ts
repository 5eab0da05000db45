import type { TimerWheel } from "../lib/timer-wheel.ts";

/** Time between two lines of one kind. */
const REPEAT_MS = 1_000;

/**
 * What peers do wrong, in the error log: at most one line a second of each kind,
 * so that a flood of bad peers does not become a flood of lines.
 */
export class Complaints {
  readonly #log: { warn(message: string): void };
  readonly #wheel: TimerWheel;
  readonly #kinds = new Map<string, { until: number; suppressed: number }>();

  constructor(log: { warn(message: string): void }, wheel: TimerWheel) {
    this.#log = log;
    this.#wheel = wheel;
  }

  /** @param kind one of few words of the code's own. */
  add(kind: string, detail: string): void {
    const { now } = this.#wheel;
    const seen = this.#kinds.get(kind);
    if (seen !== undefined && now < seen.until) {
      seen.suppressed++;
      return;
    }
    const more = seen === undefined || seen.suppressed === 0 ? "" : ` (and ${seen.suppressed} more before)`;
    this.#kinds.set(kind, { until: now + REPEAT_MS, suppressed: 0 });
    this.#log.warn(`${kind}: ${detail}${more}`);
  }
}
