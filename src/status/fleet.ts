import { hostname } from "node:os";
import { nodeState } from "../board/node-state.ts";
import { formatHash } from "../lib/content-hash.ts";
import { version } from "../lib/version.ts";
import type { FleetNode, FleetReport, FleetRejection } from "../messages/messages.ts";
import type { StatusDeps } from "./deps.ts";
import { isoTime } from "./reports.ts";

/**
 * The nodes that follow the same etcd. This node is read from its own board, the others
 * from what they tell; without etcd there is this node alone.
 */

/** A row of `GET /status/fleet`. */
export interface FleetRow {
  readonly id: string;
  readonly name: string;
  /** Whether it is the node that answers. */
  readonly self: boolean;
  readonly version: string;
  readonly role: string;
  readonly revision: number;
  readonly hash: string | null;
  readonly ready: boolean;
  readonly started_at: string | null;
  /** How many resources it rejects. */
  readonly rejected: number;
}

/** The body of `GET /status/fleet`. */
export interface FleetBody {
  readonly count: number;
  /** Why the other nodes cannot be seen now; the rows are the last that were. */
  readonly error: string | null;
  readonly nodes: readonly FleetRow[];
}

/** Builds the body of `GET /status/fleet`. */
export function fleetBody(deps: StatusDeps): FleetBody {
  const fleet = deps.fleet();
  const nodes = [ownRow(deps), ...(fleet?.others ?? []).map(otherRow)];
  return { count: nodes.length, error: fleet?.error ?? null, nodes };
}

function ownRow(deps: StatusDeps): FleetRow {
  const { revision, hash, ready } = nodeState(deps.board);
  const name = hostname();
  return {
    id: deps.fleet()?.id ?? name,
    name,
    self: true,
    version,
    role: deps.role,
    revision,
    hash: revision > 0 ? formatHash(hash) : null,
    ready,
    started_at: isoTime(deps.startedAt),
    rejected: deps.config().rejected.length,
  };
}

function otherRow(node: FleetNode): FleetRow {
  const { id, name, role, revision, hash, ready } = node;
  return {
    id,
    name,
    self: false,
    version: node.version,
    role,
    revision,
    hash: revision > 0 ? hash : null,
    ready,
    started_at: isoTime(node.startedAt),
    rejected: node.rejectedCount,
  };
}

/**
 * The revision that a node must tell of to serve what `revision` holds: nothing has
 * changed between `changedAt` and what is known, so nodes need not tell of those in between.
 */
function needed({ changedAt }: FleetReport, revision: number): number {
  return Math.min(revision, changedAt);
}

/** The other nodes that do not serve `revision` yet. */
export function fleetLaggards(fleet: FleetReport, revision: number): readonly FleetNode[] {
  const target = needed(fleet, revision);
  return fleet.others.filter((node) => node.revision < target || node.revision === 0);
}

/** A rejection, with the node that tells of it. */
export interface NodeRejection extends FleetRejection {
  readonly node: string;
}

/** What other nodes hold against `revision`; older rejections count once the node has got as far. */
export function fleetRejections(fleet: FleetReport, revision: number): readonly NodeRejection[] {
  const target = needed(fleet, revision);
  return fleet.others.flatMap((node) =>
    node.rejected
      .filter((one) => one.revision === revision || (one.revision < revision && node.revision >= target))
      .map((one) => ({ ...one, node: nodeName(node) })),
  );
}

/** A node as people are told of it. */
export function nodeName({ id, name }: Pick<FleetNode, "id" | "name">): string {
  return id === name ? name : `${name} (${id})`;
}
