import type { HealthState } from "../board/health-table.ts";
import { healthDefaults, type ActiveCheck, type FailureCounts, type HealthChecks } from "../schema/health-check.ts";

/**
 * The judgement of health, pure: what was counted and what happened in, what is counted
 * and whether the node is healthy out. Counts are of events in a row: a success clears
 * those of failures, and a failure clears that of successes.
 */

/** What a probe or a request says of a node. */
export type HealthEvent = "success" | "http" | "tcp" | "timeout";

/** How many of each in a row turn the state; 0: that event is not counted. */
export type HealthLimits = Readonly<Record<HealthEvent, number>>;

/** Where the count of each event stands within the word. */
const shifts: Readonly<Record<HealthEvent, number>> = { success: 0, http: 8, tcp: 16, timeout: 24 };
const MAX_COUNT = 254;
const SUCCESSES = 0xff;

/** The count of one event within the word. */
export function countOf(counts: number, event: HealthEvent): number {
  return (counts >>> shifts[event]) & 0xff;
}

/** What is counted after the event, and whether the node is healthy then. */
export function judge(counts: number, healthy: boolean, event: HealthEvent, limits: HealthLimits): HealthState {
  if (limits[event] === 0) return { counts, healthy };
  if (event === "success") {
    if (healthy) return { counts: (counts & ~SUCCESSES) === 0 ? counts : 0, healthy };
    const successes = Math.min(countOf(counts, "success") + 1, MAX_COUNT);
    return { counts: successes, healthy: successes >= limits.success };
  }
  if (!healthy) return { counts: counts & ~SUCCESSES, healthy };
  const failures = Math.min(countOf(counts, event) + 1, MAX_COUNT);
  const shift = shifts[event];
  const others = counts & ~SUCCESSES & ~(0xff << shift);
  return { counts: others | (failures << shift), healthy: failures < limits[event] };
}

/** The word for a state that APISIX's Control API uses. */
export function statusText({
  counts,
  healthy,
}: HealthState): "healthy" | "unhealthy" | "mostly_healthy" | "mostly_unhealthy" {
  if (healthy) return (counts & ~SUCCESSES) === 0 ? "healthy" : "mostly_healthy";
  return countOf(counts, "success") === 0 ? "unhealthy" : "mostly_unhealthy";
}

/** What decides about a node: which statuses say what, and how often something must happen. */
export interface Judgement {
  readonly limits: HealthLimits;
  readonly healthyStatuses: ReadonlySet<number>;
  readonly unhealthyStatuses: ReadonlySet<number>;
}

/** The judgement of probes. */
export function activeJudgement({ active }: HealthChecks): Judgement {
  const { healthy, unhealthy } = healthDefaults.active;
  return judgement(active.healthy ?? healthy, active.unhealthy ?? unhealthy);
}

/** Milliseconds from one probe of a node to the next, by its health. */
export function probeIntervalMs({ healthy, unhealthy }: ActiveCheck, isHealthy: boolean): number {
  const { interval } = isHealthy
    ? (healthy ?? healthDefaults.active.healthy)
    : (unhealthy ?? healthDefaults.active.unhealthy);
  return interval * 1_000;
}

/** The judgement of requests; `null` where they say nothing. */
export function passiveJudgement({ passive }: HealthChecks): Judgement | null {
  if (passive === undefined) return null;
  const { healthy, unhealthy } = healthDefaults.passive;
  return judgement(passive.healthy ?? healthy, passive.unhealthy ?? unhealthy);
}

function judgement(
  healthy: { readonly http_statuses: readonly number[]; readonly successes: number },
  unhealthy: FailureCounts,
): Judgement {
  return {
    limits: {
      success: healthy.successes,
      http: unhealthy.http_failures,
      tcp: unhealthy.tcp_failures,
      timeout: unhealthy.timeouts,
    },
    healthyStatuses: new Set(healthy.http_statuses),
    unhealthyStatuses: new Set(unhealthy.http_statuses),
  };
}

/** What a status says; `null`: nothing. */
export function eventOf(status: number, { healthyStatuses, unhealthyStatuses }: Judgement): HealthEvent | null {
  if (healthyStatuses.has(status)) return "success";
  return unhealthyStatuses.has(status) ? "http" : null;
}

/**
 * What a request that got no answer says. Where such failures are not counted it says what
 * the status does that stands for them, if that is one of failures.
 */
export function failureEventOf(kind: "tcp" | "timeout", { limits, unhealthyStatuses }: Judgement): HealthEvent {
  return limits[kind] === 0 && unhealthyStatuses.has(kind === "tcp" ? 502 : 504) ? "http" : kind;
}

/** The key of a node's place in the table of the board. */
export function healthKey(upstreamKey: string, address: string): string {
  return `${upstreamKey} ${address}`;
}
