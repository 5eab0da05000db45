import type { ConsumerLookup, PluginDefinition, PluginEnv, PluginHandlers, BuiltPlugins } from "../plugin/plugin.ts";
import type { Batches } from "../batch/batches.ts";
import { dryBatches } from "../batch/dry-batches.ts";
import { dryCounters } from "../plugin/counters.ts";
import { notingBodyUses } from "../plugin/body-variables.ts";
import type { PluginMetrics } from "../plugin/metrics.ts";
import type { BodyUse, UpstreamChoice } from "../plugin/context.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import { pluginUpstreamKey } from "../upstream/targets.ts";
import type { PluginConf, Plugins } from "../schema/plugins.ts";
import { reasonOf } from "../lib/errors.ts";
import type { CounterSource } from "../board/scoped-counters.ts";

/** Where the engine says what an operator should know. */
export interface EngineLog {
  warn(message: string): void;
  error(message: string): void;
}

/** Upstreams that plugins may choose. */
export interface ChoosableUpstreams {
  byId(id: string): UpstreamChoice | null;
  /** See `PluginEnv.compileUpstream`. */
  compile(key: string, conf: InlineUpstream): () => UpstreamChoice;
}

/** What plugins share with the thread that runs them. */
export interface PluginSurroundings {
  /** `plugin_attr` of config.yaml. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  /** `null`: nothing is counted. */
  readonly counters: CounterSource | null;
  /** `null`: nothing is sent. */
  readonly batches: Batches | null;
  readonly metrics: PluginMetrics;
}

/** A plugin compiled with one configuration; whoever may call its handlers holds it. */
export interface PluginInstance {
  readonly definition: PluginDefinition;
  readonly handlers: PluginHandlers;
  /** The configuration it was compiled with, without `_meta`. */
  readonly text: string;
  /** The texts that the metadata of the plugin, and of those it compiles as a part of its own, had at that time. */
  readonly metadata: ReadonlyMap<string, string | undefined>;
  /** What its variables, and its handlers by their own account, look into the body for. */
  readonly bodyUses: ReadonlySet<BodyUse>;
}

/**
 * The compiled plugins, one for each plugin of each resource that configures it,
 * shared by all plans that inherit it. An instance lives on, with its counters and
 * connections, as long as its configuration stays the same, whatever else changes.
 *
 * An instance that the configuration no longer names is disposed of once no plan
 * holds it. Requests hold their plans, so the garbage collector knows when the last
 * one is done, and the request path counts nothing.
 */
export class PluginInstances {
  readonly #registry: BuiltPlugins;
  readonly #surroundings: PluginSurroundings;
  readonly #consumers: ConsumerLookup;
  readonly #upstreams: ChoosableUpstreams;
  readonly #log: EngineLog;
  /** By the key of the resource (`routes/1`), then by the name of the plugin. */
  readonly #owned = new Map<string, Map<string, PluginInstance>>();
  readonly #metadata = new Map<string, { readonly text: string; readonly value: Readonly<Record<string, unknown>> }>();
  /** Plugins that others have compiled as a part of theirs. */
  readonly #parts = new Set<string>();
  /** Instances that hold something and are not disposed of. */
  readonly #disposals = new Set<() => void>();
  readonly #unreachable = new FinalizationRegistry<() => void>((dispose) => {
    dispose();
  });

  constructor(
    registry: BuiltPlugins,
    surroundings: PluginSurroundings,
    consumers: ConsumerLookup,
    upstreams: ChoosableUpstreams,
    log: EngineLog,
  ) {
    this.#registry = registry;
    this.#surroundings = surroundings;
    this.#consumers = consumers;
    this.#upstreams = upstreams;
    this.#log = log;
  }

  /** What the plugin says of itself; `undefined`: this version cannot run it. */
  definition(name: string): PluginDefinition | undefined {
    return this.#registry.get(name);
  }

  /**
   * The instance of a plugin for the resource `owner`. Throws an Error that names
   * the plugin and the reason where it cannot be compiled: a route is never served
   * without a plugin that it asks for.
   */
  get(owner: string, name: string, conf: PluginConf): PluginInstance {
    const definition = this.#registry.get(name);
    if (definition === undefined) throw new Error(`unknown plugin [${name}]`);
    let owned = this.#owned.get(owner);
    if (owned === undefined) this.#owned.set(owner, (owned = new Map<string, PluginInstance>()));
    const text = textOf(conf);
    const present = owned.get(name);
    if (present !== undefined && present.text === text && this.#isCurrent(present)) return present;
    const instance = this.#compile(owner, definition, conf, text);
    owned.set(name, instance);
    return instance;
  }

  /** Gives up the instances of a resource that its new configuration does not have (`undefined`: it is gone). */
  retain(owner: string, plugins: Plugins | undefined): void {
    const owned = this.#owned.get(owner);
    if (owned === undefined) return;
    for (const [name, instance] of owned) {
      const conf = plugins?.[name];
      if (conf === undefined || conf._meta?.disable === true || textOf(conf) !== instance.text) owned.delete(name);
    }
    if (owned.size === 0) this.#owned.delete(owner);
  }

  /** Gives up every instance of a plugin whose definition has changed, and those that compile it as a part of theirs. */
  forget(plugin: string): void {
    const quoted = JSON.stringify(plugin);
    for (const owned of this.#owned.values()) {
      for (const [name, { text }] of owned) if (name === plugin || text.includes(quoted)) owned.delete(name);
    }
  }

  /** Sets the metadata of a plugin; instances of it are compiled anew when they are next asked for. */
  setMetadata(name: string, text: string | null): void {
    if (text === null) this.#metadata.delete(name);
    else this.#metadata.set(name, { text, value: JSON.parse(text) as Readonly<Record<string, unknown>> });
  }

  /** Whether other plugins have compiled this one as a part of theirs. */
  isPart(name: string): boolean {
    return this.#parts.has(name);
  }

  /** Disposes of everything; no handler may be called afterwards. */
  close(): void {
    this.#owned.clear();
    for (const dispose of this.#disposals) dispose();
  }

  #compile(owner: string, definition: PluginDefinition, conf: PluginConf, text: string): PluginInstance {
    const { name } = definition;
    const metadata = new Map<string, string | undefined>();
    const bodyUses = new Set<BodyUse>();
    let handlers: PluginHandlers;
    try {
      handlers = notingBodyUses(bodyUses, () => definition.compile(conf, this.#envOf(name, owner, text, metadata)));
    } catch (thrown) {
      throw new Error(`plugin ${name}: ${reasonOf(thrown)}`, { cause: thrown });
    }
    for (const use of handlers.bodyUses ?? []) bodyUses.add(use);
    const instance = { definition, handlers, text, metadata, bodyUses };
    if (handlers.dispose !== undefined) this.#disposeLater(instance, owner);
    return instance;
  }

  #isCurrent({ metadata }: PluginInstance): boolean {
    for (const [name, text] of metadata) if (this.#metadata.get(name)?.text !== text) return false;
    return true;
  }

  /** `used` notes the metadata as it is now. */
  #envOf(name: string, owner: string, text: string, used: Map<string, string | undefined>): PluginEnv {
    used.set(name, this.#metadata.get(name)?.text);
    const metadata = (): Readonly<Record<string, unknown>> | undefined => this.#metadata.get(name)?.value;
    const { attributes, prefix, counters, batches, metrics } = this.#surroundings;
    return {
      consumers: this.#consumers,
      counters: counters?.of(name, owner, text) ?? dryCounters,
      batches: batches ?? dryBatches,
      metrics,
      owner,
      prefix,
      attr: (attributes[name] ?? {}) as Readonly<Record<string, unknown>>,
      get metadata() {
        return metadata();
      },
      compileOther: (other, conf) => {
        const definition = this.#registry.get(other);
        if (definition === undefined) throw new Error(`plugin ${other} is not available in this version`);
        this.#parts.add(other);
        return definition.compile(conf, this.#envOf(other, owner, textOf(conf as PluginConf), used));
      },
      upstreamById: (id) => this.#upstreams.byId(id),
      compileUpstream: (part, conf) =>
        this.#upstreams.compile(pluginUpstreamKey(owner, name, part), conf as InlineUpstream),
      warn: (message) => this.#log.warn(`plugin ${name} of ${owner}: ${message}`),
    };
  }

  #disposeLater(instance: PluginInstance, owner: string): void {
    const { handlers, definition } = instance;
    const dispose = (): void => {
      if (!this.#disposals.delete(dispose)) return;
      try {
        handlers.dispose?.();
      } catch (thrown) {
        this.#log.error(`plugin ${definition.name} of ${owner}: dispose failed: ${reasonOf(thrown)}`);
      }
    };
    this.#disposals.add(dispose);
    this.#unreachable.register(instance, dispose);
  }
}

/** `_meta` is the matter of the plan, not of the plugin. */
function textOf(conf: PluginConf): string {
  return JSON.stringify({ ...conf, _meta: undefined });
}
