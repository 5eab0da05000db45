/**
 * When to start a thread again that has ended without being asked to: at once the
 * first time, then after 100 ms, 200 ms, … up to the cap. A thread that lived long
 * enough clears the record.
 */
export interface RestartPolicy {
  /** Milliseconds before the second restart in a row. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** A thread that ran this long was healthy. */
  readonly healthyAfterMs: number;
}

export const defaultRestartPolicy: RestartPolicy = { firstDelayMs: 100, maxDelayMs: 10_000, healthyAfterMs: 10_000 };

/** What is remembered between restarts. */
export interface RestartRecord {
  /** Restarts in a row after lives that were too short. */
  readonly streak: number;
}

export const noRestarts: RestartRecord = { streak: 0 };

/** Decides the delay of the next start after a life of `uptimeMs`. */
export function nextRestart(
  record: RestartRecord,
  uptimeMs: number,
  policy: RestartPolicy = defaultRestartPolicy,
): { readonly delayMs: number; readonly record: RestartRecord } {
  const streak = uptimeMs >= policy.healthyAfterMs ? 0 : record.streak;
  const delayMs = streak === 0 ? 0 : Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(streak - 1, 20));
  return { delayMs, record: { streak: streak + 1 } };
}
