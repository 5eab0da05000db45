import { hostname } from "node:os";
import { formatHash } from "../lib/content-hash.ts";
import { version } from "../lib/version.ts";
import { causeOf } from "./causes.ts";
import type { StatusDeps } from "./deps.ts";
import { fleetBody, type FleetBody } from "./fleet.ts";
import type { NodeDivergence } from "./fleet-divergence.ts";
import {
  appliedRange,
  awaited,
  configBody,
  isoTime,
  workerRows,
  type Awaited,
  type ConfigBody,
  type WorkerRow,
} from "./reports.ts";
import type { CheckState } from "./transitions.ts";
import { upstreamsBody, type UpstreamsBody } from "./upstream-nodes.ts";

/**
 * The state of the whole node in the parts in which it is streamed, for the page and
 * for `turnpike status --watch`. Names and meanings are documented in `docs/status-api.md`.
 */

/** Rejected resources in a state; `GET /status/config` has all. */
const SHOWN_REJECTIONS = 100;
/** Nodes of the fleet in a state; `GET /status/fleet` has all. */
const SHOWN_NODES = 200;

/** What does not change while the gateway runs. */
export interface NodePart {
  readonly name: string;
  readonly version: string;
  readonly role: string;
  readonly started_at: string | null;
}

/** A check with what its failure means. */
export interface CheckRow {
  readonly name: string;
  readonly status: "ok" | "error";
  readonly error: string | null;
  readonly since: string | null;
}

/** A worker that serves another content than others at the same revision. */
export interface DivergenceRow {
  readonly worker: number;
  readonly revision: number;
  readonly hash: string;
  readonly expected: string;
}

/** Readiness and its reasons. */
export interface ReadinessPart {
  readonly ready: boolean;
  readonly since: string | null;
  /** The error of `GET /status/ready`; `null`: ready. */
  readonly error: string | null;
  /** What that means, and what to do about it; `null`: nothing. */
  readonly meaning: string;
  readonly advice: string | null;
  readonly draining: boolean;
  readonly checks: readonly CheckRow[];
  readonly awaiting: readonly Awaited[];
  readonly divergence: readonly DivergenceRow[];
  readonly node_divergence: readonly NodeDivergence[];
}

/** The configuration, with at most the first hundred rejected resources. */
export interface ConfigPart extends ConfigBody {
  readonly rejected_count: number;
}

/** Everything; `fleet` is `null` where the configuration source knows no other nodes. */
export interface State {
  readonly node: NodePart;
  readonly readiness: ReadinessPart;
  readonly config: ConfigPart;
  readonly workers: readonly WorkerRow[];
  readonly upstreams: UpstreamsBody;
  readonly fleet: FleetBody | null;
}

/** How each part is made. */
export const stateParts: { readonly [Part in keyof State]: (deps: StatusDeps) => State[Part] } = {
  node: ({ role, startedAt }) => ({ name: hostname(), version, role, started_at: isoTime(startedAt) }),
  readiness: readinessPart,
  config: configPart,
  workers: workerRows,
  upstreams: ({ board, checked }) => upstreamsBody(board, checked()),
  fleet: fleetPart,
};

/** Checks as they are shown. */
export function checkRows(checks: readonly CheckState[]): CheckRow[] {
  return checks.map(({ name, error, since }) => ({
    name,
    status: error === null ? "ok" : "error",
    error,
    since: isoTime(since),
  }));
}

/** Workers that diverge, as they are shown. */
export function divergenceRows({ watch }: Pick<StatusDeps, "watch">): DivergenceRow[] {
  return watch.divergence().map(({ worker, revision, hash, expected }) => ({
    worker,
    revision,
    hash: formatHash(hash),
    expected: formatHash(expected),
  }));
}

function readinessPart(deps: StatusDeps): ReadinessPart {
  const { watch, board } = deps;
  const error = watch.readiness();
  const checks = watch.checks();
  const failing = checks.find((check) => check.error !== null);
  const cause = failing === undefined ? null : causeOf(failing.name);
  return {
    ready: error === null,
    since: isoTime(watch.turnedAt),
    error,
    meaning: cause?.meaning ?? readyText(deps),
    advice: cause?.advice ?? null,
    draining: board.draining,
    checks: checkRows(checks),
    // In whole seconds a state that lasts is the same state.
    awaiting: awaited(deps).map((one) => ({ ...one, elapsed_ms: Math.floor(one.elapsed_ms / 1000) * 1000 })),
    divergence: divergenceRows(deps),
    node_divergence: watch.nodeDivergence(),
  };
}

function readyText(deps: StatusDeps): string {
  const { min, max } = appliedRange(deps.board);
  const { workerCount } = deps.board;
  const who = workerCount === 1 ? "The worker serves" : `All ${workerCount} workers serve`;
  return `${who} ${min === max ? `revision ${max}` : `revisions ${min} to ${max}`}.`;
}

function configPart(deps: StatusDeps): ConfigPart {
  const body = configBody(deps);
  return { ...body, rejected: body.rejected.slice(0, SHOWN_REJECTIONS), rejected_count: body.rejected.length };
}

function fleetPart(deps: StatusDeps): FleetBody | null {
  if (deps.fleet() === null) return null;
  const body = fleetBody(deps);
  return { ...body, nodes: body.nodes.slice(0, SHOWN_NODES) };
}
