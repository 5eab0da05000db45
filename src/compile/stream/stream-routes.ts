import { reasonOf } from "../../lib/errors.ts";
import type { RouteInfo } from "../../plugin/context.ts";
import { reply } from "../../plugin/plugin.ts";
import type { PluginConf, Plugins } from "../../schema/plugins.ts";
import type { Service } from "../../schema/service.ts";
import type { StreamRoute } from "../../schema/stream-route.ts";
import type { InlineUpstream } from "../../schema/upstream.ts";
import type { StreamUpstream } from "../../upstream/upstream.ts";
import type { Dependents } from "../dependents.ts";
import { type ActivePlugin, byPriority, compileFilter, compilePhases } from "../phases.ts";
import type { EngineLog, PluginInstances } from "../plugin-instances.ts";
import { compileStreamUpstream, sourcesOf, type UpstreamSurroundings } from "../upstreams.ts";
import type { StreamEnds, StreamPlan } from "./stream-plan.ts";
import { StreamEntry, StreamTable } from "./stream-table.ts";

/** What stream routes are compiled from besides themselves. */
export interface StreamSources {
  service(id: string): Service | undefined;
  upstream(id: string): InlineUpstream | undefined;
  readonly instances: PluginInstances;
  readonly dependents: Dependents;
  readonly surroundings: UpstreamSurroundings;
  readonly log: EngineLog;
}

/** The stream routes of a worker and their plans, each made when it is first matched. */
export class StreamRoutes {
  readonly #sources: StreamSources;
  readonly #table = new StreamTable();
  /** Upstreams that several routes may share, by the key of the resource that holds them. */
  readonly #upstreams = new Map<string, StreamUpstream>();

  constructor(sources: StreamSources) {
    this.#sources = sources;
  }

  /** The plan for a stream; `null`: no route matches. */
  match(ends: StreamEnds): StreamPlan | null {
    const entry = this.#table.match(ends);
    return entry === null ? null : (entry.plan ?? this.#compile(entry));
  }

  /** Sets or removes (`conf` is `null`) a route. Throws an Error with the reason, and changes nothing, where it is wrong. */
  set(id: string, text: string | null, conf: StreamRoute | null): void {
    const { dependents, instances } = this.#sources;
    const entry = text === null || conf === null ? null : new StreamEntry(id, text, conf);
    const old = this.#table.set(id, entry);
    if (old !== undefined) dependents.drop(old);
    instances.retain(`stream_routes/${id}`, conf?.plugins);
  }

  /** To be called when the upstream of a service or an upstream has changed: `services/1`, `upstreams/1`. */
  forgetUpstream(owner: string): void {
    this.#upstreams.delete(owner);
  }

  #compile(entry: StreamEntry): StreamPlan {
    const conf = JSON.parse(entry.text) as StreamRoute;
    const dependencies: string[] = [];
    const service = conf.service_id === undefined ? undefined : this.#sources.service(conf.service_id);
    if (conf.service_id !== undefined) dependencies.push(`services/${conf.service_id}`);
    const route: RouteInfo = {
      id: conf.id,
      name: conf.name ?? "",
      serviceId: conf.service_id ?? "",
      serviceName: service?.name ?? "",
    };
    let plan: StreamPlan;
    try {
      const { access, log } = compilePhases(this.#plugins(conf, service, dependencies).sort(byPriority));
      plan = { route, access, log, upstream: this.#upstream(conf, service, dependencies) };
    } catch (thrown) {
      // Fails closed, as routes do.
      this.#sources.log.error(`stream_routes/${conf.id}: ${reasonOf(thrown)}`);
      plan = { route, access: [{ plugin: "", run: () => reply(500) }], log: null, upstream: null };
    }
    entry.plan = plan;
    entry.dependencies = dependencies;
    this.#sources.dependents.add(entry);
    return plan;
  }

  /** The route's plugins, and those of its service that it does not have itself. */
  #plugins(conf: StreamRoute, service: Service | undefined, dependencies: string[]): ActivePlugin[] {
    const own = this.#activate(`stream_routes/${conf.id}`, conf.plugins ?? {}, dependencies);
    const inherited = Object.entries(service?.plugins ?? {}).filter(([name]) => conf.plugins?.[name] === undefined);
    return [...own, ...this.#activate(`services/${service?.id ?? ""}`, Object.fromEntries(inherited), dependencies)];
  }

  #activate(owner: string, plugins: Plugins, dependencies: string[]): ActivePlugin[] {
    const active: ActivePlugin[] = [];
    for (const [name, conf] of Object.entries(plugins)) {
      if (conf._meta?.disable === true) continue;
      dependencies.push(`plugin_metadata/${name}`);
      const plugin = this.#instance(owner, name, conf);
      if (plugin !== null) active.push(plugin);
    }
    return active;
  }

  /** `null`: the plugin is one for HTTP alone, which a service may have for its routes. */
  #instance(owner: string, name: string, conf: PluginConf): ActivePlugin | null {
    const definition = this.#sources.instances.definition(name);
    if (definition !== undefined && !(definition.subsystems ?? ["http"]).includes("stream")) return null;
    if (definition?.servesStreams !== true) throw new Error(`plugin ${name} is not available for streams`);
    const instance = this.#sources.instances.get(owner, name, conf);
    const priority = conf._meta?.priority ?? definition.priority;
    return { name, priority, instance, meta: conf._meta, filter: compileFilter(conf._meta?.filter) };
  }

  /** The route's upstream, else the service's; in both an id is taken before an inline upstream. */
  #upstream(conf: StreamRoute, service: Service | undefined, dependencies: string[]): StreamUpstream | null {
    if (conf.upstream_id !== undefined) return this.#byId(conf.upstream_id, dependencies);
    if (conf.upstream !== undefined) {
      dependencies.push(...sourcesOf(conf.upstream));
      return compileStreamUpstream(`stream_routes/${conf.id}`, conf.upstream, this.#sources.surroundings);
    }
    if (service?.upstream_id !== undefined) return this.#byId(service.upstream_id, dependencies);
    return service?.upstream === undefined ? null : this.#shared(`services/${service.id}`, service.upstream);
  }

  #byId(id: string, dependencies: string[]): StreamUpstream | null {
    dependencies.push(`upstreams/${id}`);
    const conf = this.#sources.upstream(id);
    return conf === undefined ? null : this.#shared(`upstreams/${id}`, conf);
  }

  #shared(owner: string, conf: InlineUpstream): StreamUpstream {
    const held = this.#upstreams.get(owner);
    if (held !== undefined) return held;
    const upstream = compileStreamUpstream(owner, conf, this.#sources.surroundings);
    this.#upstreams.set(owner, upstream);
    return upstream;
  }
}
