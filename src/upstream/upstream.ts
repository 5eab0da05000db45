import type { LookupFunction } from "node:net";
import type { BodyUse, RequestContext } from "../plugin/context.ts";
import type { NodeTls } from "./node-tls.ts";

/**
 * An upstream as the data path uses it: compiled from the resource, immutable.
 * Live state (pools, round-robin positions, health) is kept elsewhere by identity
 * and survives changes.
 */

/** One address of an upstream. */
export interface UpstreamNode {
  readonly host: string;
  /** Finds the addresses of a name; without it `host` is an address, or the system is asked. */
  readonly lookup?: LookupFunction | undefined;
  readonly port: number;
  readonly weight: number;
  readonly priority: number;
  /** `host:port`, IPv6 in brackets. */
  readonly address: string;
  /** What tells it from the other nodes of its upstream; see `identitiesOf`. */
  readonly identity: string;
  /** Host header under `pass_host: node`: without the scheme's default port. */
  readonly hostHeader: string;
  /** Whose connections it shares: the address, and what a `keepalive_pool` says. */
  readonly poolKey: string;
  /** What checks say of the node; `null` where it is not checked. */
  readonly health: NodeHealth | null;
}

/** What health checks know of a node, and what requests tell them. */
export interface NodeHealth {
  /** Whether requests may go there. */
  readonly usable: boolean;
  /** A request was answered with that status. */
  answered(status: number): void;
  /** A connection of a stream was opened. */
  connected(): void;
  /** A request or stream failed: the connection, or a time limit. */
  failed(kind: "tcp" | "timeout"): void;
}

/** Yields the node for the next attempt. */
export interface Picker {
  /**
   * A node that is not in `tried`; `null` when there is none left. The node of an upstream that
   * has no other is there again and again: `retries` then asks it once more, as in APISIX.
   */
  pick(tried: readonly UpstreamNode[], ctx: RequestContext): UpstreamNode | null;
  /** Is told of every attempt; `null` where the algorithm learns nothing from them. */
  readonly feedback: PickFeedback | null;
}

/** What an algorithm learns from. Every `began` is followed by one `ended`. */
export interface PickFeedback {
  began(node: UpstreamNode): void;
  /** @param elapsedMs since `began`. */
  ended(node: UpstreamNode, elapsedMs: number, failed: boolean): void;
}

export interface Upstream {
  /** `upstreams/1`, `services/1`, `routes/1`: the resource that holds it. */
  readonly key: string;
  readonly scheme: "http" | "https" | "grpc" | "grpcs";
  /** Whether nodes are spoken to in HTTP/2. */
  readonly grpc: boolean;
  /** For `https` and `grpcs`; `null` for the others. */
  readonly tls: NodeTls | null;
  readonly passHost: "pass" | "node" | "rewrite";
  /** For `pass_host: rewrite`. */
  readonly upstreamHost: string;
  /** Further attempts after the first. */
  readonly retries: number;
  /** Milliseconds from the first attempt after which no other is made; 0: no limit. */
  readonly retryTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** Idle connections kept per worker and node, their idle time (0: none is kept) and number of requests. */
  readonly keepalive: number;
  readonly keepaliveTimeoutMs: number;
  readonly keepaliveRequests: number;
  readonly nodes: readonly UpstreamNode[];
  readonly picker: Picker;
  /** What `picker` looks into the body of requests for. */
  readonly bodyUses: readonly BodyUse[];
}

/** An upstream as streams use it; see `Upstream` for what the two have in common. */
export interface StreamUpstream extends Pick<
  Upstream,
  "key" | "retries" | "retryTimeoutMs" | "connectTimeoutMs" | "sendTimeoutMs" | "readTimeoutMs" | "nodes" | "picker"
> {
  /** For `scheme: tls`; `null`: bytes and datagrams go to the nodes as they come. */
  readonly tls: NodeTls | null;
}
