import type { BodyUse, Consumer, RequestContext, ResponseHead, RouteInfo } from "../plugin/context.ts";
import type { Reply } from "../plugin/plugin.ts";
import type { Change } from "../schema/kinds.ts";
import type { Timeout } from "../schema/timeout.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { RouteEntry } from "./route-entry.ts";
import type { RememberedHost } from "./remembered-host.ts";

/** A handler with the plugin's name, for messages when it throws. */
export interface Handler<F> {
  readonly plugin: string;
  readonly run: F;
}
export type RequestHandler = Handler<(ctx: RequestContext) => Reply | void | Promise<Reply | void>>;
/** A filter of answers; `place` is where its plugin stands among those of the plan, for both kinds of filters. */
interface FilterHandler<F> extends Handler<F> {
  readonly place: number;
}
export type HeaderHandler = FilterHandler<(ctx: RequestContext, head: ResponseHead) => void>;
export type BodyHandler = FilterHandler<(ctx: RequestContext, chunk: Buffer, last: boolean) => Buffer>;
export type LogHandler = Handler<(ctx: RequestContext) => void>;

/**
 * A route compiled with everything it inherits. A phase without handlers is
 * `null`. Immutable: requests in flight keep the plan they started with.
 */
export interface Plan {
  /** False for the plan that answers 404 (it may hold the handlers of global rules). */
  readonly found: boolean;
  readonly route: RouteInfo;
  readonly rewrite: readonly RequestHandler[] | null;
  readonly access: readonly RequestHandler[] | null;
  readonly beforeProxy: readonly RequestHandler[] | null;
  readonly headerFilter: readonly HeaderHandler[] | null;
  readonly bodyFilter: readonly BodyHandler[] | null;
  readonly log: readonly LogHandler[] | null;
  /** `null`: nothing to proxy to (503 unless a plugin answers). */
  readonly upstream: Upstream | null;
  /** The route's own timeouts, for upstreams that plugins choose; `null`: it has none. */
  readonly timeout: Timeout | null;
  readonly enableWebsocket: boolean;
  /** What plugins of this plan look into the body for before they run (`_meta.filter`); `null`: nothing. */
  readonly bodyUses: readonly BodyUse[] | null;
  /** `rewrite` handlers that only the consumer brought; run after `rewrite` once it is known. */
  readonly consumerRewrite: readonly RequestHandler[] | null;
  /** This plan without filters of answers, for a request in which one of them has failed. */
  withoutFilters(): Plan;
  /** The plan with the consumer's plugins merged in; this plan itself where it has none. Cached. */
  withConsumer(consumer: Consumer): Plan;
}

/** A resource that control accepted and this worker could not compile: a bug, reported as such. */
export interface CompileFailure {
  readonly kind: string;
  readonly id: string;
  readonly error: string;
}

/** The configuration of a worker: resources in, plans out. */
export interface Engine {
  /** Applies changes as one: no request sees a part of them. */
  apply(changes: readonly Change[]): readonly CompileFailure[];
  /** Makes `resources` the whole configuration; what is unchanged keeps its plans and state. */
  replace(resources: readonly Change[]): readonly CompileFailure[];
  /** The plan for a request; never null (see `Plan.found`). `host`: see `Router.match`. */
  match(ctx: RequestContext, host: RememberedHost<RouteEntry> | null): Plan;
  /** Everything applied, as `replace` would take it. */
  resources(): readonly Change[];
  /** Hash over what is applied (`lib/content-hash.ts`). */
  readonly hash: bigint;
}
