import { WorkerState, type Board } from "../board/board.ts";
import { reports, type SlotTracker } from "./slot-tracker.ts";

/**
 * Whether the gateway is ready, and if not, why: functions of the board, the
 * tracker, the clock and the discovery list, without state and without effects.
 * `docs/status-api.md` explains each cause.
 */

/** A service-discovery source as readiness sees it. */
export interface DiscoveryState {
  readonly name: string;
  /** Whether its first list has come. */
  readonly ready: boolean;
  /** What the workers must have taken over to serve it (`WorkerRecord.told`). */
  readonly told: number;
}

/** Everything readiness depends on. */
export interface ReadinessInput {
  readonly board: Board;
  readonly tracker: SlotTracker;
  /** Monotonic milliseconds (`lib/clock.ts`). */
  readonly now: number;
  readonly unresponsiveAfterMs: number;
  readonly discovery: readonly DiscoveryState[];
}

/** A check by name; `discovery/<name>` for each discovery source. */
export type CheckName = "draining" | "workers" | "configuration" | "responsive" | `discovery/${string}`;

/** The outcome of one check; `error` is `null` where it passes. */
export interface CheckResult {
  readonly name: CheckName;
  readonly error: string | null;
}

/** The checks that always exist, in the order in which their errors win. */
const fixedChecks = [
  { name: "draining", check: drainingError },
  { name: "workers", check: workersError },
  { name: "configuration", check: configurationError },
  { name: "responsive", check: responsiveError },
] as const;

/** The error of the first check that fails, in the contract's order; `null`: ready. */
export function readinessError(input: ReadinessInput): string | null {
  for (const { check } of fixedChecks) {
    const error = check(input);
    if (error !== null) return error;
  }
  for (const source of input.discovery) {
    const error = discoveryError(source, input);
    if (error !== null) return error;
  }
  return null;
}

/** The outcome of every check, in the same order. */
export function readinessChecks(input: ReadinessInput): CheckResult[] {
  const results: CheckResult[] = fixedChecks.map(({ name, check }) => ({ name, error: check(input) }));
  for (const source of input.discovery) {
    results.push({ name: `discovery/${source.name}`, error: discoveryError(source, input) });
  }
  return results;
}

/**
 * Whether worker id `slot` runs with a configuration that is not too old: it has
 * applied one, and has not stood still behind a published revision for longer
 * than the unresponsive limit.
 */
export function hasConfiguration(input: ReadinessInput, slot: number): boolean {
  const record = input.board.active(slot);
  if (record === undefined || record.state !== WorkerState.running || record.revision === 0) return false;
  return !(input.now - input.tracker.behindSince(slot) > input.unresponsiveAfterMs);
}

/** Milliseconds for which worker id `slot` has not answered beyond the limit; 0: it answers. */
export function unresponsiveMs(input: ReadinessInput, slot: number): number {
  const record = input.board.active(slot);
  if (record === undefined || !reports(record.state)) return 0;
  const age = input.now - record.heartbeat;
  return age > input.unresponsiveAfterMs ? age : 0;
}

/**
 * The error of `GET /status`; `null`: alive. A restart would help only when no
 * worker has given a sign of life for longer than the limit, so nothing else
 * (configuration, draining, dependencies) makes the gateway look dead.
 */
export function livenessError(input: ReadinessInput, startingUp: boolean): string | null {
  if (startingUp || input.now - input.tracker.lastSign <= input.unresponsiveAfterMs) return null;
  return "no running worker";
}

function drainingError({ board }: ReadinessInput): string | null {
  return board.draining ? "draining" : null;
}

function workersError({ board }: ReadinessInput): string | null {
  const configured = board.workerCount;
  let count = 0;
  for (let slot = 0; slot < configured; slot++) {
    if (reports(board.active(slot)?.state ?? WorkerState.absent)) count++;
  }
  return count < configured ? `worker count: ${configured} but status report count: ${count}` : null;
}

function configurationError(input: ReadinessInput): string | null {
  const { board } = input;
  for (let slot = 0; slot < board.workerCount; slot++) {
    // A missing worker is the business of the check before; naming it here
    // would give it two causes.
    if (!reports(board.active(slot)?.state ?? WorkerState.absent)) continue;
    if (!hasConfiguration(input, slot)) return `worker id: ${slot} has not received configuration`;
  }
  return null;
}

function responsiveError(input: ReadinessInput): string | null {
  for (let slot = 0; slot < input.board.workerCount; slot++) {
    const age = unresponsiveMs(input, slot);
    if (age > 0) return `worker id: ${slot} has not responded for ${Math.floor(age / 1000)}s`;
  }
  return null;
}

function discoveryError({ name, ready, told }: DiscoveryState, { board }: ReadinessInput): string | null {
  return ready && board.haveAllBeenTold(told) ? null : `${name} discovery not ready`;
}
