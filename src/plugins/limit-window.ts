import { Outcome } from "../lib/count-outcome.ts";
import type { Counters } from "../plugin/counters.ts";

/** What a request found in its window. */
export interface WindowCount {
  readonly passed: boolean;
  readonly limit: number;
  /** Requests that may still pass. */
  readonly remaining: number;
  /** Whole seconds until the window has ended. */
  readonly reset: number;
}

const SECOND = 1_000_000;
/** Longer than any gateway runs, microseconds; times stay exact numbers. */
const LONGEST = 2 ** 52;

/** Counts a request in the window of its key; `null` where there is no room for the key. */
export function countInWindow(
  counters: Counters,
  type: "fixed" | "sliding",
  key: string,
  limit: number,
  seconds: number,
): WindowCount | null {
  const window = Math.min(seconds * SECOND, LONGEST);
  return type === "fixed" ? inFixed(counters, key, limit, window) : inSliding(counters, key, limit, window);
}

/** The window begins with the first request. */
function inFixed(counters: Counters, key: string, limit: number, window: number): WindowCount | null {
  const now = counters.now();
  const outcome = counters.update(key, now, window, false, (used) => (used < limit ? used + 1 : -1));
  if (outcome === Outcome.full) return null;
  return {
    passed: outcome === Outcome.changed,
    limit,
    remaining: Math.max(0, limit - counters.value),
    reset: inSeconds(counters.expires - now),
  };
}

/**
 * Windows follow each other. What was counted in the one before counts for the part of
 * it that is less than a window ago, as if it had come evenly.
 */
function inSliding(counters: Counters, key: string, limit: number, window: number): WindowCount | null {
  const now = counters.now();
  const index = Math.trunc(now / window);
  const end = (index + 1) * window;
  const earlier = (counters.peek(`${key}\n${index - 1}`, now) * (end - now)) / window;
  const outcome = counters.update(`${key}\n${index}`, now, end + window - now, false, (used) =>
    earlier + used + 1 <= limit ? used + 1 : -1,
  );
  if (outcome === Outcome.full) return null;
  return {
    passed: outcome === Outcome.changed,
    limit,
    remaining: Math.max(0, Math.floor(limit - earlier - counters.value)),
    reset: inSeconds(end - now),
  };
}

/** Rounded up, so that who waits so long is let in; never negative, whatever another worker's clock said. */
const inSeconds = (us: number): number => Math.max(0, Math.ceil(us / SECOND));
