import { reasonOf } from "../lib/errors.ts";
import type { BodyUse, Consumer, RouteInfo } from "../plugin/context.ts";
import { reply } from "../plugin/plugin.ts";
import type { GlobalRule } from "../schema/global-rule.ts";
import type { PluginConfig } from "../schema/plugin-config.ts";
import type { PluginConf, Plugins } from "../schema/plugins.ts";
import type { Route } from "../schema/route.ts";
import type { Service } from "../schema/service.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { CompiledPlan, type PlanParts } from "./compiled-plan.ts";
import { ownerOf } from "./consumers.ts";
import { bodyUses } from "../plugin/expression.ts";
import { routePatterns } from "./route-patterns.ts";
import { byPriority, compileFilter, compilePhases, requestHandlers, type ActivePlugin, type Phases } from "./phases.ts";
import type { Plan, RequestHandler } from "./plan.ts";
import type { EngineLog, PluginInstances } from "./plugin-instances.ts";
import { sourcesOf, withTimeout } from "./upstreams.ts";

/** The resources that plans are compiled from, as they are now. */
export interface PlanSources {
  service(id: string): Service | undefined;
  pluginConfig(id: string): PluginConfig | undefined;
  globalRules(): Iterable<GlobalRule>;
  /** The upstream of that id, or `null`. */
  upstream(id: string): Upstream | null;
  /** The upstream inside the service of that id, or `null`. */
  serviceUpstream(id: string): Upstream | null;
  /** Compiles the upstream inside a route; throws an Error with the reason where that fails. */
  routeUpstream(id: string, conf: InlineUpstream): Upstream;
}

/** A plan and the keys of the resources that went into it. */
export interface CompiledRoute {
  readonly plan: Plan;
  readonly dependencies: readonly string[];
}

/** The dependency of every plan on all global rules together. */
export const GLOBAL_RULES = "global_rules";

const NOWHERE: RouteInfo = { id: "", name: "", serviceId: "", serviceName: "" };
const NO_PHASES: Phases = compilePhases([]);

/** A plugin's configuration and the resource it stands in. */
interface OwnedConf {
  readonly owner: string;
  readonly conf: PluginConf;
}

/**
 * Compiles routes with everything they inherit. A plugin is taken whole from the
 * nearest resource that has it: consumer, consumer group, route, plugin config,
 * service. Global rules run besides and before them.
 */
export class PlanCompiler {
  readonly #sources: PlanSources;
  readonly #instances: PluginInstances;
  readonly #log: EngineLog;
  #global: readonly ActivePlugin[] | null = null;
  /** The phases of routes that have no plugins of their own. */
  #globalPhases: Phases | null = null;
  #notFound: Plan | null = null;

  constructor(sources: PlanSources, instances: PluginInstances, log: EngineLog) {
    this.#sources = sources;
    this.#instances = instances;
    this.#log = log;
  }

  /** To be called when a global rule, or the metadata of any plugin, has changed. */
  forgetGlobalRules(): void {
    this.#global = null;
    this.#globalPhases = null;
    this.#notFound = null;
  }

  /** The plan where no route matches: the handlers of global rules alone. */
  notFound(): Plan {
    this.#notFound ??= this.#unroutable(false, NOWHERE, this.#phases([]), bodyUsesOf(this.#globalPlugins(), null));
    return this.#notFound;
  }

  /** The plan of a route. A route that cannot be compiled answers 500 and says why in the log. */
  route(route: Route): CompiledRoute {
    const dependencies = [GLOBAL_RULES];
    const service = this.#depend(dependencies, "services", route.service_id, (id) => this.#sources.service(id));
    const info = routeInfo(route, service);
    try {
      return { plan: this.#compile(route, service, info, dependencies), dependencies };
    } catch (thrown) {
      return { plan: this.#failed(info, `routes/${route.id}: ${reasonOf(thrown)}`), dependencies };
    }
  }

  #compile(route: Route, service: Service | undefined, info: RouteInfo, dependencies: string[]): Plan {
    // As APISIX does: a route whose service is gone is there for nobody.
    if (route.service_id !== undefined && service === undefined) return this.notFound();
    const confs = this.#inherit(route, service, dependencies);
    for (const name of confs.keys()) dependencies.push(`plugin_metadata/${name}`);
    const own = [...confs].flatMap(([name, { owner, conf }]) => this.#activate(owner, name, conf));
    const phases = this.#phases(own);
    const upstream = this.#upstream(route, service, dependencies);
    const parts = {
      found: true,
      route: info,
      upstream: upstream !== null && route.timeout !== undefined ? withTimeout(upstream, route.timeout) : upstream,
      timeout: route.timeout ?? null,
      enableWebsocket: route.enable_websocket ?? service?.enable_websocket ?? false,
      bodyUses: bodyUsesOf([...this.#globalPlugins(), ...own], upstream),
    };
    const plan: Plan = new CompiledPlan({
      ...parts,
      phases,
      consumerRewrite: null,
      base: null,
      merge: (consumer) => this.#merge(plan, own, parts, consumer),
    });
    return plan;
  }

  /** What the route has, over the plugin config, over the service. */
  #inherit(route: Route, service: Service | undefined, dependencies: string[]): Map<string, OwnedConf> {
    const confs = new Map<string, OwnedConf>();
    const { plugin_config_id: id } = route;
    const config = this.#depend(dependencies, "plugin_configs", id, (key) => this.#sources.pluginConfig(key));
    if (id !== undefined && config === undefined) throw new Error(`plugin config ${id} not found`);
    overlay(confs, `services/${service?.id ?? ""}`, service?.plugins);
    overlay(confs, `plugin_configs/${id ?? ""}`, config?.plugins);
    overlay(confs, `routes/${route.id}`, route.plugins);
    return confs;
  }

  /** The route's upstream, else the service's; in both an id is taken before an inline upstream. */
  #upstream(route: Route, service: Service | undefined, dependencies: string[]): Upstream | null {
    const served = (key: string, found: Upstream | null): Upstream | null => {
      if (found === null) this.#log.error(`routes/${route.id}: ${key} has a scheme that cannot serve HTTP routes`);
      return found;
    };
    const byId = (id: string): Upstream | null => {
      dependencies.push(`upstreams/${id}`);
      return served(`upstreams/${id}`, this.#sources.upstream(id));
    };
    if (route.upstream_id !== undefined) return byId(route.upstream_id);
    if (route.upstream !== undefined) {
      dependencies.push(...sourcesOf(route.upstream));
      return this.#sources.routeUpstream(route.id, route.upstream);
    }
    if (service?.upstream_id !== undefined) return byId(service.upstream_id);
    if (service?.upstream === undefined) return null;
    return served(`services/${service.id}`, this.#sources.serviceUpstream(service.id));
  }

  #depend<T>(
    dependencies: string[],
    kind: string,
    id: string | undefined,
    find: (id: string) => T | undefined,
  ): T | undefined {
    if (id === undefined) return undefined;
    dependencies.push(`${kind}/${id}`);
    return find(id);
  }

  /** The plan for a consumer: its plugins instead of or besides those of the route. */
  #merge(
    base: Plan,
    own: readonly ActivePlugin[],
    parts: Pick<PlanParts, "found" | "route" | "upstream" | "timeout" | "enableWebsocket" | "bodyUses">,
    consumer: Consumer,
  ): Plan {
    try {
      const merged = new Map(own.map((plugin) => [plugin.name, plugin]));
      const added: ActivePlugin[] = [];
      for (const [name, conf] of Object.entries(consumer.plugins as Plugins)) {
        const [plugin] = this.#activate(ownerOf(consumer, name), name, conf);
        if (plugin === undefined) merged.delete(name);
        else {
          if (!merged.has(name)) added.push(plugin);
          merged.set(name, plugin);
        }
      }
      return new CompiledPlan({
        ...parts,
        bodyUses: bodyUsesOf([...this.#globalPlugins(), ...merged.values()], parts.upstream),
        phases: { ...this.#phases([...merged.values()]), rewrite: base.rewrite },
        consumerRewrite: requestHandlers(added.sort(byPriority), "rewrite"),
        base,
        merge: () => base,
      });
    } catch (thrown) {
      return this.#failed(parts.route, `consumers/${consumer.username}: ${reasonOf(thrown)}`);
    }
  }

  #phases(own: readonly ActivePlugin[]): Phases {
    if (own.length === 0) return (this.#globalPhases ??= compilePhases(this.#globalPlugins()));
    return compilePhases([...this.#globalPlugins(), ...own.toSorted(byPriority)]);
  }

  #globalPlugins(): readonly ActivePlugin[] {
    this.#global ??= [...this.#sources.globalRules()]
      .flatMap((rule) => this.activateAll(`global_rules/${rule.id}`, rule.plugins))
      .sort(byPriority);
    return this.#global;
  }

  /** The plugins of one resource; throws where one cannot be compiled. */
  activateAll(owner: string, plugins: Plugins): ActivePlugin[] {
    return Object.entries(plugins).flatMap(([name, conf]) => this.#activate(owner, name, conf));
  }

  /** The plugin as part of a plan; nothing where it is disabled. */
  #activate(owner: string, name: string, conf: PluginConf): ActivePlugin[] {
    if (conf._meta?.disable === true) return [];
    const instance = this.#instances.get(owner, name, conf);
    const priority = conf._meta?.priority ?? instance.definition.priority;
    return [{ name, priority, instance, meta: conf._meta, filter: compileFilter(conf._meta?.filter) }];
  }

  /** Fails closed: a route whose plugins cannot be compiled is not served without them. */
  #failed(route: RouteInfo, reason: string): Plan {
    this.#log.error(reason);
    const refuse: readonly RequestHandler[] = [{ plugin: "", run: () => reply(500) }];
    return this.#unroutable(true, route, { ...NO_PHASES, rewrite: refuse, access: refuse });
  }

  /** A plan that proxies to nothing, whoever asks. */
  #unroutable(found: boolean, route: RouteInfo, phases: Phases, uses: readonly BodyUse[] | null = null): Plan {
    const plan: Plan = new CompiledPlan({
      found,
      route,
      phases,
      upstream: null,
      timeout: null,
      enableWebsocket: false,
      bodyUses: uses,
      consumerRewrite: null,
      base: null,
      merge: () => plan,
    });
    return plan;
  }
}

/** What filters, plugins and the choice of a node look into the body for. */
function bodyUsesOf(plugins: readonly ActivePlugin[], upstream: Upstream | null): readonly BodyUse[] | null {
  const uses = new Set(plugins.flatMap(({ meta, instance }) => [...bodyUses(meta?.filter), ...instance.bodyUses]));
  for (const use of upstream?.bodyUses ?? []) uses.add(use);
  return uses.size === 0 ? null : [...uses];
}

function overlay(confs: Map<string, OwnedConf>, owner: string, plugins: Plugins | undefined): void {
  for (const [name, conf] of Object.entries(plugins ?? {})) confs.set(name, { owner, conf });
}

function routeInfo(route: Route, service: Service | undefined): RouteInfo {
  return {
    id: route.id,
    name: route.name ?? "",
    serviceId: route.service_id ?? "",
    serviceName: service?.name ?? "",
    patterns: routePatterns(
      route.uris ?? [route.uri ?? ""],
      route.hosts ?? (route.host === undefined ? (service?.hosts ?? []) : [route.host]),
    ),
  };
}
