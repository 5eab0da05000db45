import type { RouteInfo } from "../../plugin/context.ts";
import type { StreamUpstream } from "../../upstream/upstream.ts";
import type { LogHandler, RequestHandler } from "../plan.ts";

/**
 * A stream route compiled with everything it inherits. Immutable: streams that are open
 * keep the plan they started with.
 */
export interface StreamPlan {
  readonly route: RouteInfo;
  /** Run before a node is picked; whoever answers closes the stream. `null`: none. */
  readonly access: readonly RequestHandler[] | null;
  /** Run at the end of every stream. */
  readonly log: readonly LogHandler[] | null;
  /** `null`: there is none to go to, and the stream is closed. */
  readonly upstream: StreamUpstream | null;
}

/** What stream routes are matched with. */
export interface StreamEnds {
  readonly remoteAddr: string;
  readonly serverAddr: string;
  readonly serverPort: number;
  /** The name that the client asked for in its TLS handshake, or the fallback for none, in lower case; `null` without one. */
  readonly sni: string | null;
}
