import { type Board, WorkerState } from "../board/board.ts";
import { formatHash } from "../lib/content-hash.ts";
import type { ConfigReport } from "../messages/messages.ts";
import type { Rejection } from "../schema/kinds.ts";
import type { StatusDeps } from "./deps.ts";
import { hasConfiguration, unresponsiveMs } from "./readiness.ts";
import { reports } from "./slot-tracker.ts";

/**
 * The bodies of the detail endpoints. Names and meanings are documented in
 * `docs/status-api.md`; times are ISO 8601 in UTC, `null` where there is none.
 */

const stateNames: Readonly<Record<WorkerState, string>> = {
  [WorkerState.absent]: "absent",
  [WorkerState.starting]: "starting",
  [WorkerState.running]: "running",
  [WorkerState.draining]: "draining",
};

/** A row of `GET /status/workers`. */
export interface WorkerRow {
  readonly id: number;
  readonly state: string;
  readonly generation: number | null;
  readonly thread: number | null;
  readonly started_at: string | null;
  readonly revision: number;
  readonly hash: string | null;
  readonly applied_at: string | null;
  readonly heartbeat_age_ms: number | null;
  readonly event_loop_delay_ms: number | null;
  readonly connections: number;
  readonly requests: number;
  readonly requests_per_second: number;
  readonly upstream_connections: number;
  readonly upstream_queued: number;
  readonly upstream_connect_failures: number;
  readonly restarts: number;
  readonly last_exit: { readonly at: string | null; readonly cause: string } | null;
}

/** A resource that was rejected, as `GET /status/config` and the barrier show it. */
export interface RejectedRow {
  readonly kind: string;
  readonly id: string;
  /** What is wrong, as in `upstream.nodes`; `""`: the resource as a whole. */
  readonly field: string;
  readonly error: string;
  readonly since: string | null;
  readonly revision: number;
  readonly serving: "previous" | "nothing";
}

/** The body of `GET /status/config`. */
export interface ConfigBody {
  readonly source: string;
  readonly state: "never_loaded" | "synced" | "degraded" | "converging";
  readonly revision: number;
  readonly applied: { readonly min: number; readonly max: number };
  readonly hash: string;
  readonly loaded_at: string | null;
  readonly last_change_at: string | null;
  /** The last change that has reached every worker, and how long it took from acceptance to there. */
  readonly last_applied: { readonly at: string | null; readonly revision: number; readonly duration_ms: number } | null;
  readonly last_failure: { readonly at: string | null; readonly error: string; readonly current: boolean } | null;
  readonly rejected: readonly RejectedRow[];
  readonly certificates: CertificatesBody;
}

/** Until when certificates count. */
export interface CertificatesBody {
  readonly count: number;
  /** The first to end first; at most 20. */
  readonly soonest: readonly {
    readonly id: string;
    readonly names: readonly string[];
    readonly expires_at: string | null;
    readonly expired: boolean;
  }[];
}

/** Unix milliseconds as people and programs read them; 0 is "never". */
export function isoTime(unixMs: number): string | null {
  return unixMs > 0 ? new Date(unixMs).toISOString() : null;
}

/** One row per worker id. */
export function workerRows(deps: StatusDeps): WorkerRow[] {
  const input = deps.watch.input();
  const histories = deps.slots();
  const rows: WorkerRow[] = [];
  for (let id = 0; id < deps.board.workerCount; id++) {
    const record = deps.board.active(id);
    const { restarts = 0, lastExit = null } = histories[id] ?? {};
    const last_exit = lastExit === null ? null : { at: isoTime(lastExit.at), cause: lastExit.cause };
    if (record === undefined) {
      rows.push({ ...absentRow, id, restarts, last_exit });
      continue;
    }
    rows.push({
      id,
      state: unresponsiveMs(input, id) > 0 ? "unresponsive" : stateNames[record.state],
      generation: record.generation,
      thread: record.thread,
      started_at: isoTime(record.startedAt),
      revision: record.revision,
      hash: record.revision > 0 ? formatHash(record.hash) : null,
      applied_at: isoTime(record.appliedAt),
      heartbeat_age_ms: Math.max(0, input.now - record.heartbeat),
      event_loop_delay_ms: record.loopDelayUs / 1000,
      connections: record.connections,
      requests: record.requests,
      requests_per_second: deps.watch.rates.now(id),
      upstream_connections: record.upstreamConnections,
      upstream_queued: record.upstreamQueued,
      upstream_connect_failures: record.connectFailures,
      restarts,
      last_exit,
    });
  }
  return rows;
}

const absentRow = {
  state: "absent",
  generation: null,
  thread: null,
  started_at: null,
  revision: 0,
  hash: null,
  applied_at: null,
  heartbeat_age_ms: null,
  event_loop_delay_ms: null,
  connections: 0,
  requests: 0,
  requests_per_second: 0,
  upstream_connections: 0,
  upstream_queued: 0,
  upstream_connect_failures: 0,
} as const;

/** The lowest and the highest revision that a worker runs with. */
export function appliedRange(board: Board): { readonly min: number; readonly max: number } {
  let min = Infinity;
  let max = 0;
  for (let slot = 0; slot < board.workerCount; slot++) {
    const revision = board.active(slot)?.revision ?? 0;
    min = Math.min(min, revision);
    max = Math.max(max, revision);
  }
  return { min: min === Infinity ? 0 : min, max };
}

/** The body of `GET /status/config`. */
export function configBody(deps: StatusDeps): ConfigBody {
  const report = deps.config();
  const applied = appliedRange(deps.board);
  const failure = report.lastFailure;
  const last = deps.watch.applied();
  return {
    source: report.source,
    state: configState(report, applied.min),
    revision: report.revision,
    applied,
    hash: report.hash,
    loaded_at: isoTime(report.loadedAt),
    last_change_at: isoTime(report.lastChangeAt),
    last_applied:
      last === null ? null : { at: isoTime(last.at), revision: last.revision, duration_ms: last.durationMs },
    last_failure: failure === null ? null : { at: isoTime(failure.at), error: failure.error, current: failure.current },
    rejected: report.rejected.map(rejectedRow),
    certificates: certificatesBody(report, deps.watch.unixNow()),
  };
}

function certificatesBody({ certificates }: ConfigReport, now: number): CertificatesBody {
  const { count = 0, soonest = [] } = certificates ?? {};
  const rows = soonest.map(({ id, names, expiresAt }) => ({
    id,
    names,
    expires_at: isoTime(expiresAt),
    expired: expiresAt <= now,
  }));
  return { count, soonest: rows };
}

function configState(report: ConfigReport, appliedMin: number): ConfigBody["state"] {
  if (report.revision === 0) return "never_loaded";
  if (report.rejected.length > 0 || report.lastFailure?.current === true) return "degraded";
  return appliedMin < report.revision ? "converging" : "synced";
}

/** A rejection as it is shown. */
export function rejectedRow(rejection: Rejection): RejectedRow {
  const { kind, id, field, error, since, revision, serving } = rejection;
  return { kind, id, field, error, since: isoTime(since), revision, serving };
}

/** Something readiness still waits for. */
export interface Awaited {
  readonly check: string;
  readonly worker: number | null;
  readonly awaiting: string;
  readonly elapsed_ms: number;
}

/** What stands between the gateway and a ready answer, with the time it has lasted. */
export function awaited(deps: StatusDeps): Awaited[] {
  const input = deps.watch.input();
  const { board, tracker, now } = input;
  const list: Awaited[] = [];
  for (let worker = 0; worker < board.workerCount; worker++) {
    const add = (check: string, awaiting: string, elapsed: number): void =>
      void list.push({ check, worker, awaiting, elapsed_ms: elapsed });
    if (!reports(board.active(worker)?.state ?? WorkerState.absent)) {
      add("workers", `worker id: ${worker} to report`, now - tracker.missingSince(worker));
      continue;
    }
    if (!hasConfiguration(input, worker)) {
      const behind = tracker.behindSince(worker);
      const unconfigured = tracker.unconfiguredSince(worker);
      const what = board.revision === 0 ? "a first configuration" : `revision ${board.revision}`;
      const since = Number.isNaN(unconfigured) ? behind : unconfigured;
      add("configuration", `worker id: ${worker} to apply ${what}`, now - since);
    }
    const silent = unresponsiveMs(input, worker);
    if (silent > 0) add("responsive", `worker id: ${worker} to respond`, silent);
  }
  for (const check of deps.watch.checks()) {
    if (check.error === null || !check.name.startsWith("discovery/")) continue;
    const name = check.name.slice("discovery/".length);
    list.push({
      check: check.name,
      worker: null,
      awaiting: `${name} to deliver its first list`,
      elapsed_ms: deps.watch.unixNow() - check.since,
    });
  }
  return list;
}
