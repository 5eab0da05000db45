import { findLaggards } from "../board/laggards.ts";
import { parseDuration } from "../lib/duration.ts";
import type { ConfigReport, FleetReport } from "../messages/messages.ts";
import type { Rejection } from "../schema/kinds.ts";
import { errorAnswer, jsonAnswer, type Answer } from "./answers.ts";
import type { StatusDeps } from "./deps.ts";
import { fleetLaggards, fleetRejections, nodeName } from "./fleet.ts";
import { rejectedRow } from "./reports.ts";

/** Requests that may wait at once. */
export const MAX_WAITERS = 256;
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 600_000;
const SHOWN_REJECTIONS = 100;

/** What a client asked to wait for. */
export interface BarrierRequest {
  readonly revision: number;
  readonly timeoutMs: number;
  /** `?rejected=ignore`: a rejection does not end the wait. */
  readonly ignoreRejected: boolean;
  /** Whether every node of the fleet is waited for, or this one alone. */
  readonly fleet: boolean;
}

/** Reads the parameters `revision`, `timeout` and `rejected`; a string says which one is wrong. */
export function parseBarrier(query: URLSearchParams, fleet = false): BarrierRequest | string {
  const revision = query.get("revision") ?? "";
  const timeout = query.get("timeout");
  const rejected = query.get("rejected");
  if (!/^\d{1,16}$/.test(revision) || Number(revision) < 1 || !Number.isSafeInteger(Number(revision))) {
    return `revision: expected a whole number from 1, got ${JSON.stringify(revision.slice(0, 100))}`;
  }
  const timeoutMs = timeout === null ? DEFAULT_TIMEOUT_MS : parseDuration(timeout);
  if (timeoutMs === null || timeoutMs > MAX_TIMEOUT_MS) {
    return `timeout: expected a duration like 30s, at most 10m, got ${JSON.stringify((timeout ?? "").slice(0, 100))}`;
  }
  if (rejected !== null && rejected !== "ignore") {
    return `rejected: expected ignore, got ${JSON.stringify(rejected.slice(0, 100))}`;
  }
  return { revision: Number(revision), timeoutMs, ignoreRejected: rejected === "ignore", fleet };
}

/** Waits for revisions; one per server. */
export interface Barrier {
  /**
   * Resolves with the answer, or `null` where `signal` was aborted first. Answers
   * at once where nothing needs to be waited for, and 503 where too many wait.
   */
  wait(request: BarrierRequest, signal: AbortSignal): Promise<Answer | null>;
  /** Ends every wait with 503. */
  close(): void;
}

/** Creates the barrier; waiters are woken by the watch and by their deadline, nothing polls. */
export function createBarrier(deps: StatusDeps): Barrier {
  const waiters = new Set<(final: Answer) => void>();
  let closed = false;

  return {
    wait(request, signal) {
      const startedAt = performance.now();
      const waited = (): number => Math.round(performance.now() - startedAt);
      const now = judge(deps, request, waited());
      if (now !== null) return Promise.resolve(now);
      if (closed) return Promise.resolve(closing());
      if (waiters.size >= MAX_WAITERS) {
        return Promise.resolve(errorAnswer(503, `too many requests wait for a revision (${MAX_WAITERS})`));
      }
      return new Promise((resolve) => {
        const end = (answer: Answer | null): void => {
          clearTimeout(deadline);
          unwatch();
          waiters.delete(end);
          signal.removeEventListener("abort", abort);
          resolve(answer);
        };
        const abort = (): void => end(null);
        const deadline = setTimeout(
          () => end(judge(deps, request, waited()) ?? late(deps, request, waited())),
          request.timeoutMs,
        );
        const unwatch = deps.watch.onChange(() => {
          const answer = judge(deps, request, waited());
          if (answer !== null) end(answer);
        });
        waiters.add(end);
        signal.addEventListener("abort", abort);
        if (signal.aborted) abort();
      });
    },
    close() {
      closed = true;
      for (const end of waiters) end(closing());
    },
  };
}

function closing(): Answer {
  return errorAnswer(503, "the gateway is stopping");
}

/**
 * The rejections that stand against revision `revision`. What an earlier load
 * rejected counts only once control has got as far as `revision`: the change that
 * is being waited for may be the one that mends it.
 */
function standing(report: ConfigReport, revision: number): readonly Rejection[] {
  return report.rejected.filter(
    (rejection) => rejection.revision === revision || (rejection.revision < revision && report.revision >= revision),
  );
}

/** The answer as of now; `null`: it must be waited for. */
function judge(deps: StatusDeps, request: BarrierRequest, waitedMs: number): Answer | null {
  const report = deps.config();
  if (!request.ignoreRejected) {
    const rejections = standing(report, request.revision);
    if (rejections.length > 0) return refused(request, rejections);
    // The workers may be faster than the report that says what was rejected.
    if (report.revision < request.revision) return null;
  }
  if (findLaggards(deps.board, request.revision).length > 0) return null;
  const fleet = request.fleet ? deps.fleet() : null;
  if (fleet !== null) return judgeFleet(fleet, request, waitedMs);
  return jsonAnswer(200, { status: "ok", revision: request.revision, waited_ms: waitedMs });
}

/** The answer for the whole fleet once this node has got as far. */
function judgeFleet(fleet: FleetReport, request: BarrierRequest, waitedMs: number): Answer | null {
  const { revision } = request;
  if (fleet.error !== null || fleet.revision < revision) return null;
  const rejected = request.ignoreRejected ? [] : fleetRejections(fleet, revision);
  const [first] = rejected;
  if (first !== undefined) {
    return errorAnswer(409, `rejected by node ${first.node}: ${first.kind}/${first.id}: ${first.error}`, {
      revision,
      rejected: rejected.slice(0, SHOWN_REJECTIONS),
    });
  }
  if (fleetLaggards(fleet, revision).length > 0) return null;
  return jsonAnswer(200, { status: "ok", revision, waited_ms: waitedMs, nodes: fleet.others.length + 1 });
}

function refused(request: BarrierRequest, rejections: readonly Rejection[]): Answer {
  const [first] = rejections;
  const more = rejections.length > 1 ? ` and ${rejections.length - 1} more` : "";
  return errorAnswer(409, `rejected: ${first?.kind}/${first?.id}: ${first?.error}${more}`, {
    revision: request.revision,
    rejected: rejections.slice(0, SHOWN_REJECTIONS).map(rejectedRow),
  });
}

function late(deps: StatusDeps, request: BarrierRequest, waitedMs: number): Answer {
  const { revision } = request;
  const report = deps.config();
  const rows = findLaggards(deps.board, revision);
  const loaded = Math.max(report.revision, deps.board.revision);
  const failure = report.lastFailure?.current === true ? ` (source: ${report.lastFailure.error})` : "";
  const error =
    loaded < revision
      ? `revision ${revision} is not loaded, the last one is ${loaded}${failure}`
      : `revision ${revision} is not applied by worker id: ${rows.map(({ id }) => id).join(", ")}`;
  const fleet = request.fleet ? deps.fleet() : null;
  if (fleet !== null)
    return lateFleet(fleet, { revision, waitedMs, own: rows.length > 0 || loaded < revision ? error : null, rows });
  return errorAnswer(503, error, { revision, waited_ms: waitedMs, laggards: rows });
}

/** What the fleet is late with; `own` is what this node is late with. */
function lateFleet(
  fleet: FleetReport,
  {
    revision,
    waitedMs,
    own,
    rows,
  }: { revision: number; waitedMs: number; own: string | null; rows: readonly object[] },
): Answer {
  const nodes = fleetLaggards(fleet, revision);
  const others =
    nodes.length === 0 ? null : `revision ${revision} is not applied by node: ${nodes.map(nodeName).join(", ")}`;
  const unseen = fleet.error === null ? null : `the other nodes cannot be seen: ${fleet.error}`;
  const error = [own, others, unseen].filter((part) => part !== null).join("; ");
  return errorAnswer(503, error === "" ? `what lies below revision ${revision} is not known yet` : error, {
    revision,
    waited_ms: waitedMs,
    laggards: rows,
    nodes: nodes.map(({ id, name, revision, ready }) => ({ id, name, revision, ready })),
  });
}
