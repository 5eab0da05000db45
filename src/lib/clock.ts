/**
 * Milliseconds of CLOCK_MONOTONIC: the one clock that all threads of the process
 * share (`performance.now()` starts at zero in each thread).
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** Microseconds of the same clock. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
