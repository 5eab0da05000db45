import type { BodyUse, Consumer, RouteInfo } from "../plugin/context.ts";
import type { Timeout } from "../schema/timeout.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { NO_PLUGINS } from "./consumers.ts";
import type { BodyHandler, HeaderHandler, LogHandler, Plan, RequestHandler } from "./plan.ts";
import type { Phases } from "./phases.ts";

/** Merged plans kept by one plan; beyond, all of them are made anew as they are needed. */
const MAX_MERGED = 4096;

/** What a plan is made of. */
export interface PlanParts {
  readonly found: boolean;
  readonly route: RouteInfo;
  readonly phases: Phases;
  readonly upstream: Upstream | null;
  readonly timeout: Timeout | null;
  readonly enableWebsocket: boolean;
  readonly bodyUses: readonly BodyUse[] | null;
  readonly consumerRewrite: readonly RequestHandler[] | null;
  /** The plan that this one was merged from; `null` for the plan of a route itself. */
  readonly base: Plan | null;
  /** Makes the plan for a consumer that brings plugins; not asked where there is a `base`. */
  readonly merge: (consumer: Consumer) => Plan;
}

/**
 * The one shape of all plans, so that the request path meets no second one. With many routes each
 * line of memory of a plan is a cache miss, so it is small: routes without plugins of their own
 * share their phases, and what the path of a request reads comes first.
 */
export class CompiledPlan implements Plan {
  readonly route: RouteInfo;
  readonly upstream: Upstream | null;
  readonly #phases: Phases;
  readonly bodyUses: readonly BodyUse[] | null;
  readonly consumerRewrite: readonly RequestHandler[] | null;
  readonly timeout: Timeout | null;
  readonly found: boolean;
  readonly enableWebsocket: boolean;
  readonly #base: Plan | null;
  readonly #merge: (consumer: Consumer) => Plan;
  /** Weak, so that the plan of a consumer that has changed goes with the old consumer. */
  #merged: WeakMap<Consumer, Plan> | null = null;
  #count = 0;

  constructor(parts: PlanParts) {
    this.route = parts.route;
    this.upstream = parts.upstream;
    this.#phases = parts.phases;
    this.bodyUses = parts.bodyUses;
    this.consumerRewrite = parts.consumerRewrite;
    this.timeout = parts.timeout;
    this.found = parts.found;
    this.enableWebsocket = parts.enableWebsocket;
    this.#base = parts.base;
    this.#merge = parts.merge;
  }

  get rewrite(): readonly RequestHandler[] | null {
    return this.#phases.rewrite;
  }

  get access(): readonly RequestHandler[] | null {
    return this.#phases.access;
  }

  get beforeProxy(): readonly RequestHandler[] | null {
    return this.#phases.beforeProxy;
  }

  get headerFilter(): readonly HeaderHandler[] | null {
    return this.#phases.headerFilter;
  }

  get bodyFilter(): readonly BodyHandler[] | null {
    return this.#phases.bodyFilter;
  }

  get log(): readonly LogHandler[] | null {
    return this.#phases.log;
  }

  withoutFilters(): Plan {
    const phases = { ...this.#phases, headerFilter: null, bodyFilter: null };
    const { found, route, upstream, timeout, enableWebsocket, bodyUses, consumerRewrite } = this;
    const parts = { found, route, phases, upstream, timeout, enableWebsocket, bodyUses, consumerRewrite };
    return new CompiledPlan({ ...parts, base: this.#base, merge: this.#merge });
  }

  withConsumer(consumer: Consumer): Plan {
    if (this.#base !== null) return this.#base.withConsumer(consumer);
    if (consumer.plugins === NO_PLUGINS) return this;
    const known = this.#merged?.get(consumer);
    if (known !== undefined) return known;
    const plan = this.#merge(consumer);
    if (this.#merged === null || this.#count >= MAX_MERGED) {
      this.#merged = new WeakMap();
      this.#count = 0;
    }
    this.#merged.set(consumer, plan);
    this.#count++;
    return plan;
  }
}
