import { setImmediate } from "node:timers/promises";
import { WorkerState, type Board } from "../board/board.ts";
import { formatHash } from "../lib/content-hash.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { CheckedNodes, ConfigReport, FleetReport } from "../messages/messages.ts";
import { createApplicationWatch, type Application } from "./application.ts";
import { findDivergence, type Divergence } from "./divergence.ts";
import { createNodeDivergenceWatch, findNodeDivergence, type NodeDivergence } from "./fleet-divergence.ts";
import type { Journal } from "./journal.ts";
import { RequestRates } from "./rates.ts";
import {
  livenessError,
  readinessChecks,
  readinessError,
  type CheckResult,
  type DiscoveryState,
  type ReadinessInput,
} from "./readiness.ts";
import { createRejectionWatch } from "./rejections.ts";
import { SlotTracker } from "./slot-tracker.ts";
import { createNodeHealthWatch } from "./upstream-nodes.ts";

/** How often the board is looked at where nothing is announced: ages grow without an announcement. */
const TICK_MS = 250;

/** Where the one line per transition goes. */
export interface StatusLog {
  info(message: string): void;
  warn(message: string): void;
}

/** What the watch needs; the functions must be fast and must not throw. */
export interface WatchDeps {
  readonly board: Board;
  /** `apisix.status.unresponsive_after`, also where the Status API is turned off. */
  readonly unresponsiveAfterMs: number;
  readonly journal: Journal;
  readonly log: StatusLog;
  /** The last report of control. */
  config(): ConfigReport;
  /** The other nodes as control sees them; `null`: there is no fleet. */
  fleet(): FleetReport | null;
  /** The nodes whose health is checked. */
  checked(): CheckedNodes;
  /** Service-discovery sources; empty where none is configured. */
  discovery(): readonly DiscoveryState[];
  /** Whether the first start of the workers is still under way. */
  startingUp(): boolean;
  /** Told how long a change took until every worker served it. */
  measured?(durationMs: number): void;
  /** Monotonic and Unix milliseconds; tests put their own clocks in. */
  readonly monotonic?: () => number;
  readonly unixNow?: () => number;
}

/** A check with the Unix milliseconds since when it has had this outcome. */
export interface CheckState extends CheckResult {
  readonly since: number;
}

/** What was judged in one look at the board. */
export interface Verdict {
  /** The error of `GET /status/ready`; `null`: ready. */
  readonly readiness: string | null;
  /** The error of `GET /status`; `null`: alive. */
  readonly liveness: string | null;
}

/**
 * Watches the board: judges readiness, logs one line per transition between ready
 * and not ready, and writes transitions, configuration applications, source
 * failures and divergence into the journal.
 */
export interface StatusWatch {
  /** The error of `GET /status/ready` at this moment; `null`: ready. */
  readiness(): string | null;
  /** The error of `GET /status` at this moment; `null`: alive. */
  liveness(): string | null;
  /** Unix milliseconds since when the gateway has been ready, or not. */
  readonly turnedAt: number;
  checks(): readonly CheckState[];
  /** The last change that has reached every worker, or `null`. */
  applied(): Application | null;
  /** What workers have answered in the last minute. */
  readonly rates: RequestRates;
  divergence(): readonly Divergence[];
  /** Nodes of the fleet that serve something else than most at the same revision. */
  nodeDivergence(): readonly NodeDivergence[];
  /** What the functions of `readiness.ts` judge, as of now. */
  input(): ReadinessInput;
  /** Unix milliseconds. */
  unixNow(): number;
  /** Looks again at once: call after a new `config()` or discovery state, which the board does not announce. */
  refresh(): void;
  /** Calls `listener` after every announcement, refresh and tick, with what was found; returns how to stop. */
  onChange(listener: (verdict: Verdict) => void): () => void;
  close(): void;
}

/** Starts watching; must be closed. It keeps no event loop alive. */
export function createStatusWatch(deps: WatchDeps): StatusWatch {
  const { board, journal, log } = deps;
  const monotonic = deps.monotonic ?? monotonicMs;
  const unixNow = deps.unixNow ?? Date.now;
  const tracker = new SlotTracker(board, monotonic());
  const applications = createApplicationWatch({
    board,
    journal,
    config: deps.config,
    measured: (durationMs) => deps.measured?.(durationMs),
    unixNow,
  });
  const rejections = createRejectionWatch(journal);
  const nodeHealth = createNodeHealthWatch(board, journal);
  const rates = new RequestRates(board);
  const listeners = new Set<(verdict: Verdict) => void>();
  const checkSince = new Map<string, { failing: boolean; since: number }>();
  const readyGenerations = new Map<number, number>();
  let candidates: readonly Divergence[] = [];
  let diverged: readonly Divergence[] = [];
  let divergedNodes: readonly NodeDivergence[] = [];
  const nodeDivergence = createNodeDivergenceWatch();
  let ready = false;
  let turnedAt = monotonic();
  let turnedAtUnix = unixNow();
  let failure: string | null = null;
  let closed = false;

  function input(): ReadinessInput {
    const now = monotonic();
    tracker.tick(now);
    return { board, tracker, now, unresponsiveAfterMs: deps.unresponsiveAfterMs, discovery: deps.discovery() };
  }

  function judge(): Verdict {
    const current = input();
    const error = readinessError(current);
    if ((error === null) !== ready) turn(error, current.now);
    return { readiness: error, liveness: livenessError(current, deps.startingUp()) };
  }

  function turn(error: string | null, now: number): void {
    const afterMs = now - turnedAt;
    ready = error === null;
    turnedAt = now;
    turnedAtUnix = unixNow();
    if (error === null) {
      journal.add({ type: "ready", afterMs });
      log.info(`ready (after ${afterMs} ms)`);
    } else {
      journal.add({ type: "unready", cause: error, afterMs });
      log.warn(`not ready: ${error} (was ready for ${afterMs} ms)`);
    }
  }

  function checks(): readonly CheckState[] {
    const at = unixNow();
    return readinessChecks(input()).map((result) => {
      const failing = result.error !== null;
      let known = checkSince.get(result.name);
      if (known === undefined || known.failing !== failing) {
        known = { failing, since: at };
        checkSince.set(result.name, known);
      }
      return { ...result, since: known.since };
    });
  }

  function noteWorkers(): void {
    for (let slot = 0; slot < board.workerCount; slot++) {
      const record = board.active(slot);
      if (record === undefined || record.state !== WorkerState.running || record.revision === 0) continue;
      const { generation, revision } = record;
      if (readyGenerations.get(slot) === generation) continue;
      readyGenerations.set(slot, generation);
      const durationMs = Math.max(0, unixNow() - record.startedAt);
      journal.add({ type: "worker-ready", worker: slot, generation, revision, durationMs });
    }
  }

  function noteSource(): void {
    const report = deps.config();
    const current = report.lastFailure?.current === true ? report.lastFailure.error : null;
    if (current === failure) return;
    failure = current;
    if (current !== null) journal.add({ type: "config-failed", error: current });
    else journal.add({ type: "config-recovered", revision: report.revision });
  }

  /** Acknowledgements are not written in one piece, so only a difference that lasts from tick to tick counts. */
  function noteDivergence(): void {
    const found = findDivergence(board);
    const same = (a: Divergence, b: Divergence): boolean =>
      a.worker === b.worker && a.revision === b.revision && a.hash === b.hash;
    const confirmed = found.filter((one) => candidates.some((other) => same(one, other)));
    candidates = found;
    for (const one of confirmed) {
      if (diverged.some((known) => same(one, known))) continue;
      const hash = formatHash(one.hash);
      const expected = formatHash(one.expected);
      journal.add({ type: "divergence", worker: one.worker, revision: one.revision, hash, expected });
      log.warn(`worker id: ${one.worker} diverges at revision ${one.revision}: hash ${hash} instead of ${expected}`);
    }
    diverged = confirmed;
  }

  function noteNodeDivergence(): void {
    const { all, fresh } = nodeDivergence.look(findNodeDivergence(deps.fleet(), board), monotonic());
    divergedNodes = all;
    for (const { node, revision, hash, expected } of fresh) {
      journal.add({ type: "node-divergence", node, revision, hash, expected });
      log.warn(`node ${node} diverges at revision ${revision}: hash ${hash} instead of ${expected}`);
    }
  }

  function refresh(): void {
    if (closed) return;
    noteWorkers();
    noteSource();
    rejections.look(deps.config());
    applications.look();
    const verdict = judge();
    checks();
    for (const listener of listeners) listener(verdict);
  }

  /** Refreshes at every announcement, once per turn of the event loop however many there are. */
  async function follow(): Promise<void> {
    for (;;) {
      await setImmediate();
      if (closed) return;
      const seen = board.changes;
      refresh();
      await board.changed(seen);
    }
  }

  const timer = setInterval(() => {
    noteDivergence();
    noteNodeDivergence();
    nodeHealth.look(deps.checked());
    rates.tick(monotonic());
    refresh();
  }, TICK_MS);
  timer.unref();
  void follow();

  return {
    readiness: () => judge().readiness,
    liveness: () => livenessError(input(), deps.startingUp()),
    get turnedAt() {
      return turnedAtUnix;
    },
    checks,
    applied: () => applications.last,
    rates,
    divergence: () => diverged,
    nodeDivergence: () => divergedNodes,
    input,
    unixNow,
    refresh,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      clearInterval(timer);
      listeners.clear();
      // The loop waits for an announcement; there is no other way to end its wait.
      board.announce();
    },
  };
}
