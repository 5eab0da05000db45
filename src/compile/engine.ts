import type { Batches } from "../batch/batches.ts";
import type { CounterTable } from "../board/counter-table.ts";
import { addHash, contentHash, subtractHash } from "../lib/content-hash.ts";
import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import { dryMetrics, type PluginMetrics } from "../plugin/metrics.ts";
import type { ConsumerLookup, BuiltPlugins } from "../plugin/plugin.ts";
import type { ConsumerGroup } from "../schema/consumer-group.ts";
import type { ConsumerResource } from "../schema/consumer.ts";
import type { CredentialResource } from "../schema/credential.ts";
import type { GlobalRule } from "../schema/global-rule.ts";
import { kinds, type Change, type Kind } from "../schema/kinds.ts";
import type { PluginConfig } from "../schema/plugin-config.ts";
import type { Route } from "../schema/route.ts";
import type { Service } from "../schema/service.ts";
import type { Ssl } from "../schema/ssl.ts";
import type { StreamRoute } from "../schema/stream-route.ts";
import type { InlineUpstream, UpstreamResource } from "../schema/upstream.ts";
import type { Settings } from "../settings/settings.ts";
import { NameLookup } from "../upstream/name-lookup.ts";
import { NodeTlsSource, TrustedAuthorities } from "../upstream/node-tls.ts";
import type { Target, TargetEntry } from "../upstream/targets.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { CertificateIndex } from "../tls/certificate-index.ts";
import { ConsumerIndex } from "./consumers.ts";
import { Dependents } from "./dependents.ts";
import { GLOBAL_RULES, PlanCompiler } from "./plan-compiler.ts";
import type { CompileFailure, Engine, Plan } from "./plan.ts";
import { CounterSource } from "../board/scoped-counters.ts";
import { PluginInstances, type EngineLog } from "./plugin-instances.ts";
import { RouteTable } from "./route-table.ts";
import type { RouteEntry } from "./route-entry.ts";
import type { RememberedHost } from "./remembered-host.ts";
import type { StreamEnds, StreamPlan } from "./stream/stream-plan.ts";
import { StreamRoutes } from "./stream/stream-routes.ts";
import { checkSupport } from "./unsupported.ts";
import { ClientCertificates } from "./client-certificates.ts";
import { compileUpstream, servesHttp, sourcesOf, type UpstreamSurroundings } from "./upstreams.ts";

/** What an engine is made with. */
export interface EngineOptions {
  readonly settings: Pick<Settings, "router" | "upstream" | "pluginAttr" | "trustedCertificates"> &
    Partial<Pick<Settings, "prefix">>;
  /** Finds the health of nodes; `null`: nothing is checked. */
  readonly health?: UpstreamSurroundings["health"];
  readonly plugins: BuiltPlugins;
  /**
   * Puts a version of a user's plugin in force (`null`: takes it out), which changes `plugins`; the
   * names that mean something else then. Throws where it cannot, and nothing has changed.
   */
  readonly adoptPlugin?: (id: string, text: string | null) => Iterable<string>;
  /** What limits count in; `null`: there are none, and whatever needs them counts nothing. */
  readonly counters?: CounterTable | null;
  /** Sends what plugins gather; `null`: nothing is sent. The engine does not close it. */
  readonly batches?: Batches | null;
  /** What plugins count in for operators; absent: nothing is counted. */
  readonly metrics?: PluginMetrics;
  readonly log: EngineLog;
}

/** The engine of a worker, with what its owner does at the end. */
export interface WorkerEngine extends Engine {
  /** What names and services stand for here. */
  targets(): readonly TargetEntry[];
  /** Takes over what names and services stand for now; what depends on them is made anew. */
  setTargets(entries: readonly TargetEntry[]): void;
  /** The plan for a TCP or UDP stream; `null`: no stream route matches. */
  matchStream(ends: StreamEnds): StreamPlan | null;
  /** The consumers as plugins find them. */
  readonly consumers: ConsumerLookup;
  /** The certificates to meet clients with, and what is stapled to them. */
  readonly certificates: CertificateIndex;
  /** Disposes of all plugins; no request may be running. */
  close(): void;
}

/** A service or upstream together with its upstream compiled; `null` where it has none for HTTP. */
interface Compiled<C> {
  readonly conf: C;
  readonly upstream: Upstream | null;
}

/** Makes the configuration of one worker: resources in, plans out. */
export function createEngine(options: EngineOptions): WorkerEngine {
  return new IncrementalEngine(options);
}

/**
 * Keeps what it was given by kind and id, and of everything that is compiled from
 * it just what is still true: each change drops the plans that were made from the
 * resource, and the next match makes them again.
 */
class IncrementalEngine implements WorkerEngine {
  readonly #texts = new Map<Kind, Map<string, string>>(kinds.map((kind) => [kind, new Map<string, string>()]));
  readonly #routes: RouteTable;
  readonly #streams: StreamRoutes;
  readonly #services = new Map<string, Compiled<Service>>();
  readonly #upstreams = new Map<string, Compiled<UpstreamResource>>();
  readonly #pluginConfigs = new Map<string, PluginConfig>();
  readonly #globalRules = new Map<string, GlobalRule>();
  readonly #consumers: ConsumerIndex;
  readonly #certificates = new CertificateIndex();
  readonly #instances: PluginInstances;
  readonly #compiler: PlanCompiler;
  readonly #dependents = new Dependents();
  readonly #targets = new Map<string, readonly Target[]>();
  readonly #names = new NameLookup(this.#targets);
  readonly #clientCertificates = new ClientCertificates();
  /** Services and upstreams by what else they are compiled from. */
  readonly #bySource = new Map<string, Set<string>>();
  readonly #surroundings: UpstreamSurroundings;
  readonly #adoptPlugin: NonNullable<EngineOptions["adoptPlugin"]>;
  /** Grows with every change of targets and certificates. */
  #sourceChanges = 0;
  #hash = 0n;

  constructor(options: EngineOptions) {
    const { settings, plugins, adoptPlugin = () => [], log, health = null } = options;
    const { counters = null, batches = null, metrics = dryMetrics } = options;
    this.#adoptPlugin = adoptPlugin;
    this.#surroundings = {
      defaults: settings.upstream,
      targets: this.#targets,
      lookup: this.#names.lookup,
      health,
      tls: new NodeTlsSource(new TrustedAuthorities(settings.trustedCertificates), settings.upstream.serverName),
      clientCertificate: (id) => this.#clientCertificates.get(id),
    };
    const hostsOf = (id: string): readonly string[] | null => this.#services.get(id)?.conf.hosts ?? null;
    this.#routes = new RouteTable(settings.router, hostsOf, (id, reason) => log.warn(`routes/${id}: ${reason}`));
    this.#consumers = new ConsumerIndex(plugins);
    const choosable = {
      byId: (id: string) => this.#upstreams.get(id)?.upstream ?? null,
      compile: (key: string, conf: InlineUpstream) => this.#choosable(key, conf),
    };
    const surroundings = {
      attributes: settings.pluginAttr,
      prefix: settings.prefix ?? "",
      counters: counters === null ? null : new CounterSource(counters),
      batches,
      metrics,
    };
    this.#instances = new PluginInstances(plugins, surroundings, this.#consumers, choosable, log);
    const sources = {
      service: (id: string) => this.#services.get(id)?.conf,
      pluginConfig: (id: string) => this.#pluginConfigs.get(id),
      globalRules: () => this.#globalRules.values(),
      upstream: (id: string) => this.#upstreams.get(id)?.upstream ?? null,
      serviceUpstream: (id: string) => this.#services.get(id)?.upstream ?? null,
      routeUpstream: (id: string, conf: InlineUpstream) => compileUpstream(`routes/${id}`, conf, this.#surroundings),
    };
    this.#compiler = new PlanCompiler(sources, this.#instances, log);
    this.#streams = new StreamRoutes({
      service: sources.service,
      upstream: (id) => this.#upstreams.get(id)?.conf,
      instances: this.#instances,
      dependents: this.#dependents,
      surroundings: this.#surroundings,
      log,
    });
  }

  get hash(): bigint {
    return this.#hash;
  }

  get consumers(): ConsumerLookup {
    return this.#consumers;
  }

  get certificates(): CertificateIndex {
    return this.#certificates;
  }

  match(ctx: RequestContext, host: RememberedHost<RouteEntry> | null): Plan {
    const entry = this.#routes.match(ctx, host);
    if (entry === null) return this.#compiler.notFound();
    return entry.plan ?? this.#compile(entry);
  }

  matchStream(ends: StreamEnds): StreamPlan | null {
    return this.#streams.match(ends);
  }

  apply(changes: readonly Change[]): readonly CompileFailure[] {
    const failures: CompileFailure[] = [];
    // Plugins of users come first: global rules are compiled with them at once.
    for (const change of changes) if (change.kind === "plugins") this.#change(change, failures);
    // Routes come last: they are put under the hosts that their services have then.
    for (const change of changes) if (!atItsTime.has(change.kind)) this.#change(change, failures);
    for (const change of changes) if (change.kind === "routes") this.#change(change, failures);
    return failures;
  }

  replace(resources: readonly Change[]): readonly CompileFailure[] {
    const wanted = new Map<Kind, Set<string>>(kinds.map((kind) => [kind, new Set<string>()]));
    for (const { kind, id, text } of resources) if (text !== null) wanted.get(kind)?.add(id);
    const gone = this.resources().filter(({ kind, id }) => wanted.get(kind)?.has(id) !== true);
    return this.apply([...gone.map(({ kind, id }) => ({ kind, id, text: null })), ...resources]);
  }

  resources(): readonly Change[] {
    return [...this.#texts].flatMap(([kind, texts]) => Array.from(texts, ([id, text]) => ({ kind, id, text })));
  }

  targets(): readonly TargetEntry[] {
    return [...this.#targets];
  }

  setTargets(entries: readonly TargetEntry[]): void {
    for (const [key, targets] of entries) {
      if (targets === null) this.#targets.delete(key);
      else this.#targets.set(key, targets);
    }
    this.#sourcesChanged(entries.map(([key]) => `targets/${key}`));
    this.#names.told(entries.map(([key]) => key));
  }

  close(): void {
    this.#instances.close();
  }

  #compile(entry: RouteEntry): Plan {
    const { plan, dependencies } = this.#compiler.route(JSON.parse(entry.text) as Route);
    entry.plan = plan;
    entry.dependencies = dependencies;
    this.#dependents.add(entry);
    return plan;
  }

  /** Applies one change, or leaves everything as it was and says why. */
  #change({ kind, id, text }: Change, failures: CompileFailure[]): void {
    const texts = this.#texts.get(kind);
    const held = texts?.get(id);
    if (texts === undefined || (held ?? null) === text) return;
    try {
      const conf: unknown = text === null ? null : JSON.parse(text);
      const reason = conf === null ? null : checkSupport(kind, conf);
      if (reason !== null) throw new Error(reason);
      this.#set(kind, id, text, conf);
    } catch (thrown) {
      failures.push({ kind, id, error: reasonOf(thrown) });
      return;
    }
    if (held !== undefined) this.#hash = subtractHash(this.#hash, contentHash(kind, id, held));
    if (text === null) texts.delete(id);
    else {
      texts.set(id, text);
      this.#hash = addHash(this.#hash, contentHash(kind, id, text));
    }
  }

  /** Sets or removes (`conf` is `null`) a resource; throws before anything has changed. */
  #set(kind: Kind, id: string, text: string | null, conf: unknown): void {
    switch (kind) {
      case "routes":
        this.#setRoute(id, text, conf as Route | null);
        break;
      case "services":
        this.#setService(id, conf as Service | null);
        break;
      case "upstreams":
        this.#setUpstream(id, conf as UpstreamResource | null);
        break;
      case "stream_routes":
        this.#streams.set(id, text, conf as StreamRoute | null);
        break;
      case "plugin_configs":
        setOrDelete(this.#pluginConfigs, id, conf as PluginConfig | null);
        this.#instances.retain(`plugin_configs/${id}`, (conf as PluginConfig | null)?.plugins);
        this.#dependents.dropAll(`plugin_configs/${id}`);
        break;
      case "global_rules":
        this.#setGlobalRule(id, conf as GlobalRule | null);
        break;
      case "plugin_metadata":
        this.#setMetadata(id, text);
        break;
      case "consumers":
        this.#consumers.setConsumer(id, conf as ConsumerResource | null);
        this.#instances.retain(`consumers/${id}`, (conf as ConsumerResource | null)?.plugins);
        break;
      case "credentials":
        this.#consumers.setCredential(id, conf as CredentialResource | null);
        break;
      case "plugins":
        for (const name of this.#adoptPlugin(id, text)) this.#pluginReplaced(name);
        break;
      case "consumer_groups":
        this.#consumers.setGroup(id, conf as ConsumerGroup | null);
        this.#instances.retain(`consumer_groups/${id}`, (conf as ConsumerGroup | null)?.plugins);
        break;
      case "ssls":
        this.#certificates.set(id, text, conf as Ssl | null);
        if (this.#clientCertificates.set(id, conf as Ssl | null)) this.#sourcesChanged([`ssls/${id}`]);
        break;
      default:
        // Nothing is compiled from the other kinds here.
        break;
    }
  }

  #setRoute(id: string, text: string | null, conf: Route | null): void {
    const old = this.#routes.set(id, text, conf);
    if (old !== undefined) this.#dependents.drop(old);
    this.#instances.retain(`routes/${id}`, conf?.plugins);
  }

  #setService(id: string, conf: Service | null): void {
    const upstream = conf?.upstream === undefined ? null : this.#httpUpstream(`services/${id}`, conf.upstream);
    const held = this.#services.get(id)?.conf;
    const before = held?.hosts;
    this.#noteSources(`services/${id}`, held?.upstream, conf?.upstream);
    setOrDelete(this.#services, id, conf === null ? null : { conf, upstream });
    if (JSON.stringify(before) !== JSON.stringify(conf?.hosts)) this.#routes.serviceHostsChanged(id);
    this.#instances.retain(`services/${id}`, conf?.plugins);
    this.#streams.forgetUpstream(`services/${id}`);
    this.#dependents.dropAll(`services/${id}`);
  }

  #setUpstream(id: string, conf: UpstreamResource | null): void {
    const upstream = conf === null ? null : this.#httpUpstream(`upstreams/${id}`, conf);
    this.#noteSources(`upstreams/${id}`, this.#upstreams.get(id)?.conf, conf ?? undefined);
    setOrDelete(this.#upstreams, id, conf === null ? null : { conf, upstream });
    this.#streams.forgetUpstream(`upstreams/${id}`);
    this.#dependents.dropAll(`upstreams/${id}`);
  }

  /** `null` for the schemes of streams, which only HTTP routes cannot use. */
  #httpUpstream(key: string, conf: InlineUpstream): Upstream | null {
    return servesHttp(conf) ? compileUpstream(key, conf, this.#surroundings) : null;
  }

  /** Makes everything anew that is compiled from one of these (see `sourcesOf`). */
  #sourcesChanged(keys: readonly string[]): void {
    this.#sourceChanges++;
    const owners = new Set(keys.flatMap((key) => [...(this.#bySource.get(key) ?? [])]));
    for (const key of keys) this.#dependents.dropAll(key);
    for (const owner of owners) this.#compileAgain(owner);
  }

  /** Compiles the upstream of a service or of an upstream again, and drops what was made from it. */
  #compileAgain(owner: string): void {
    const [kind, id] = [owner.slice(0, owner.indexOf("/")), owner.slice(owner.indexOf("/") + 1)];
    const service = kind === "services" ? this.#services.get(id) : undefined;
    const upstream = kind === "upstreams" ? this.#upstreams.get(id) : undefined;
    if (service?.conf.upstream !== undefined) {
      this.#services.set(id, { conf: service.conf, upstream: this.#httpUpstream(owner, service.conf.upstream) });
    } else if (upstream !== undefined) {
      this.#upstreams.set(id, { conf: upstream.conf, upstream: this.#httpUpstream(owner, upstream.conf) });
    }
    this.#streams.forgetUpstream(owner);
    this.#dependents.dropAll(owner);
  }

  /** An upstream inside a plugin, compiled again when what it is compiled from may have changed. */
  #choosable(key: string, conf: InlineUpstream): () => Upstream {
    let upstream = compileUpstream(key, conf, this.#surroundings);
    if (sourcesOf(conf).length === 0) return () => upstream;
    let made = this.#sourceChanges;
    return () => {
      if (made !== this.#sourceChanges) {
        made = this.#sourceChanges;
        upstream = compileUpstream(key, conf, this.#surroundings);
      }
      return upstream;
    };
  }

  #noteSources(owner: string, before: InlineUpstream | undefined, after: InlineUpstream | undefined): void {
    for (const key of before === undefined ? [] : sourcesOf(before)) {
      const owners = this.#bySource.get(key);
      if (owners?.delete(owner) === true && owners.size === 0) this.#bySource.delete(key);
    }
    for (const key of after === undefined ? [] : sourcesOf(after)) {
      const owners = this.#bySource.get(key);
      if (owners === undefined) this.#bySource.set(key, new Set([owner]));
      else owners.add(owner);
    }
  }

  #setGlobalRule(id: string, conf: GlobalRule | null): void {
    // Compiled at once: a rule that fails must not take its predecessor away from every route.
    if (conf !== null) this.#compiler.activateAll(`global_rules/${id}`, conf.plugins);
    setOrDelete(this.#globalRules, id, conf);
    this.#instances.retain(`global_rules/${id}`, conf?.plugins);
    this.#compiler.forgetGlobalRules();
    this.#dependents.dropAll(GLOBAL_RULES);
  }

  /** Another definition has the name: whatever was made from the one before is made anew. */
  #pluginReplaced(plugin: string): void {
    this.#instances.forget(plugin);
    // What identifies a consumer is the definition's to say.
    const quoted = JSON.stringify(plugin);
    for (const [id, text] of this.#texts.get("consumers") ?? []) {
      if (text.includes(quoted)) this.#consumers.setConsumer(id, JSON.parse(text) as ConsumerResource);
    }
    for (const [id, text] of this.#texts.get("credentials") ?? []) {
      if (text.includes(quoted)) this.#consumers.setCredential(id, JSON.parse(text) as CredentialResource);
    }
    this.#consumers.forgetPlugin(plugin);
    // Plugins may stand in others: every plan may have it.
    this.#compiler.forgetGlobalRules();
    this.#dependents.dropAll(GLOBAL_RULES);
  }

  #setMetadata(plugin: string, text: string | null): void {
    this.#instances.setMetadata(plugin, text);
    this.#consumers.forgetPlugin(plugin);
    const global = [...this.#globalRules.values()].some(({ plugins }) => plugins[plugin] !== undefined);
    // Nothing says which plans have it as a part of another plugin.
    if (global || this.#instances.isPart(plugin)) {
      this.#compiler.forgetGlobalRules();
      this.#dependents.dropAll(GLOBAL_RULES);
    }
    this.#dependents.dropAll(`plugin_metadata/${plugin}`);
  }
}

/** Kinds whose changes are not applied in the order in which they come. */
const atItsTime: ReadonlySet<Kind> = new Set<Kind>(["plugins", "routes"]);

function setOrDelete<T>(map: Map<string, T>, id: string, value: T | null): void {
  if (value === null) map.delete(id);
  else map.set(id, value);
}
