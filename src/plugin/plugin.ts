import type { Batches } from "../batch/batches.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import type { ConfOf } from "./conf-of.ts";
import type { Counters } from "./counters.ts";
import type { PluginMetrics } from "./metrics.ts";
import type { BodyUse, Consumer, RequestContext, ResponseHead, UpstreamChoice } from "./context.ts";

/**
 * The contract of plugins. A plugin is compiled once per configuration; the
 * handlers it returns are put into the arrays of the routes' plans, and a phase
 * that nobody uses costs one comparison.
 *
 * When the phases run (per request, in this order; within a phase by descending
 * priority, global rules before the route's own):
 * - `rewrite`: after matching. May answer. Authentication belongs here.
 * - `access`: after all of `rewrite`, with the consumer's plugins merged in. May answer.
 * - `before_proxy`: just before a node is picked. May answer.
 * - `header_filter`: when the head of the answer is known, whoever made it.
 * - `body_filter`: for every piece of the body, then once with `last`.
 * - `log`: after the last byte, always, also when the client went away.
 *
 * A handler that throws fails this request with 500 and nothing else.
 */
export interface PluginHandlers {
  rewrite?(ctx: RequestContext): Reply | void | Promise<Reply | void>;
  access?(ctx: RequestContext): Reply | void | Promise<Reply | void>;
  before_proxy?(ctx: RequestContext): Reply | void | Promise<Reply | void>;
  header_filter?(ctx: RequestContext, head: ResponseHead): void;
  /** Returns what to send instead of `chunk`; called with an empty chunk and `last` at the end. */
  body_filter?(ctx: RequestContext, chunk: Buffer, last: boolean): Buffer;
  log?(ctx: RequestContext): void;
  /** Its filters come after those of all other plugins, whatever their priority: they encode what is sent. */
  readonly encodesBody?: boolean;
  /** What the handlers look into the body for with `bodyFor`: it is read before the phases then. */
  readonly bodyUses?: readonly BodyUse[];
  /** What the plugin answers by itself, by path, where `public-api` leads there. */
  readonly publicApis?: ReadonlyMap<string, (ctx: RequestContext) => Reply | Promise<Reply>>;
  /** Frees what `compile` made; called once when no request uses the handlers any more. */
  dispose?(): void;
}

/** An answer made by a plugin. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** An empty one sends the gateway's standard body for the status. */
  readonly body: string | Uint8Array;
}

/**
 * An answer: an object becomes JSON and a newline, as APISIX sends it
 * (`text/plain` unless a Content-Type is given).
 */
export function reply(
  status: number,
  body: object | string | Uint8Array = "",
  headers: readonly (readonly [string, string])[] = [],
): Reply {
  const bytes = typeof body === "string" || body instanceof Uint8Array ? body : `${JSON.stringify(body)}\n`;
  return { status, headers, body: bytes };
}

/** What a plugin may use while it is compiled and afterwards. */
export interface PluginEnv {
  /** Consumers and credentials as they are at the time of the call. */
  readonly consumers: ConsumerLookup;
  /** Counters shared by all workers; counts nothing where a configuration is only checked. */
  readonly counters: Counters;
  /** Sends what requests leave behind, in batches, and tells what became of it. */
  readonly batches: Batches;
  /** The resource that holds the configuration: `routes/1`. */
  readonly owner: string;
  /** The directory that relative paths of files begin at. */
  readonly prefix: string;
  /** What is counted for operators. */
  readonly metrics: PluginMetrics;
  /** `plugin_attr.<name>` of config.yaml. */
  readonly attr: Readonly<Record<string, unknown>>;
  /**
   * `plugin_metadata/<name>`, as it is at the time of the call; absent where there is none. A change
   * of it compiles a plugin anew that stands in a resource.
   */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * Compiles another plugin as a part of this one, which disposes of it. `conf` has been checked
   * and has its defaults. Throws where the plugin is not available or cannot be compiled.
   */
  compileOther(plugin: string, conf: unknown): PluginHandlers;
  /** The upstream of that id at the time of the call; `null`: there is none for HTTP. */
  upstreamById(id: string): UpstreamChoice | null;
  /**
   * Compiles an upstream that stands in the plugin's configuration. `name` tells it from the
   * others there and is the identity of its live state. What is returned gives it as it is at the
   * time of the call: its names may stand for other addresses then. Throws where it cannot serve.
   */
  compileUpstream(name: string, conf: object): () => UpstreamChoice;
  /** Logs with the plugin's and the resource's name. */
  warn(message: string): void;
}

/** Finds consumers by what a request presents. */
export interface ConsumerLookup {
  /**
   * The consumer whose configuration of `plugin` has `value` as its identifying
   * attribute (`PluginDefinition.consumerKey`). The time does not depend on how
   * much of a wrong value is right.
   */
  byKey(plugin: string, value: string): Consumer | undefined;
  byName(username: string): Consumer | undefined;
}

/** The two kinds of traffic, each with plugins of its own. */
export type Subsystem = "http" | "stream";

/** What the rules beyond a plugin's schema may look at. */
export interface ConfCheck {
  /** Checks a configuration within another one and fills its defaults in; the fault in APISIX's words. */
  readonly schemaFault: (schema: JsonSchema, conf: unknown) => string | null;
  /** Another plugin that configurations may name. */
  readonly plugin: (name: string) => PluginFacts | undefined;
  /** `plugin_attr.<name>` of config.yaml; absent where it cannot be looked up. */
  readonly attr?: (name: string) => Readonly<Record<string, unknown>>;
  /** `plugin_metadata/<name>`; absent where it cannot be looked up. */
  readonly metadata?: (name: string) => Readonly<Record<string, unknown>> | undefined;
}

/**
 * A rule beyond a schema. The value has passed its schema, its defaults are filled
 * in (but for `checkFirst`). The reason in APISIX's words, `null` where nothing is wrong.
 */
export type ConfRule = (conf: Readonly<Record<string, unknown>>, check: ConfCheck) => string | null;

/**
 * What is known of a plugin, whether this version can run it or not: enough to
 * judge a configuration of it as APISIX does.
 */
export interface PluginFacts {
  /** Name in configurations, as APISIX has it. */
  readonly name: string;
  /** Higher runs earlier; APISIX's number where APISIX has the plugin. */
  readonly priority: number;
  readonly version: string;
  /** `auth`: recognises consumers; is not taken over from consumers into plans. */
  readonly type?: "auth";
  /** Where it may be used; absent: with HTTP only. */
  readonly subsystems?: readonly Subsystem[];
  /** JSON Schema (draft-07) of the configuration on routes, services and the like. */
  readonly schema: JsonSchema;
  /** JSON Schema of the configuration on consumers and credentials. */
  readonly consumerSchema?: JsonSchema;
  /** Attribute that identifies a consumer, as in `key` for key-auth; unique over all consumers. */
  readonly consumerKey?: string;
  /** JSON Schema of the plugin's metadata. */
  readonly metadataSchema?: JsonSchema;
  /** Judges a configuration before its schema does. */
  readonly checkFirst?: ConfRule;
  /** Judges what `schema` cannot. */
  readonly checkConf?: ConfRule;
  /** Judges what `consumerSchema` cannot. */
  readonly checkConsumer?: ConfRule;
}

/** A plugin as it is registered. */
export interface PluginDefinition<Conf = unknown> extends PluginFacts {
  /** One sentence for the generated reference. */
  readonly summary?: string;
  /**
   * Whether its handlers `access` and `log` run for TCP and UDP streams too. There an answer closes
   * the stream, and of the context everything that belongs to HTTP is empty.
   */
  readonly servesStreams?: boolean;
  /**
   * Throws an Error with the reason where the plugin could not be compiled with this metadata, or
   * could not work with it, although the schema allows it: control keeps it from the workers then.
   */
  checkMetadata?(metadata: Readonly<Record<string, unknown>>): void;
  /**
   * Checked configuration to handlers; may throw an Error with the reason why the
   * configuration cannot work. Runs once in control (dry, disposed at once) and
   * once in every worker; it must not do I/O.
   */
  compile(conf: Conf, env: PluginEnv): PluginHandlers;
}

/** A plugin that configurations may name; without `compile` this version cannot run it. */
export type KnownPlugin = PluginFacts & Partial<Pick<PluginDefinition, "compile" | "servesStreams" | "checkMetadata">>;

/** Declares a plugin; the type of `conf` follows from the schema. */
export function definePlugin<const S extends JsonSchema>(
  definition: Omit<PluginDefinition, "schema" | "compile"> & {
    readonly schema: S;
    compile(conf: ConfOf<S>, env: PluginEnv): PluginHandlers;
  },
): PluginDefinition {
  return definition as unknown as PluginDefinition;
}

/** The plugins that can be run, by name: what workers need. */
export type BuiltPlugins = ReadonlyMap<string, PluginDefinition>;

/** The plugins that configurations may name: what the checks in control need. */
export type PluginRegistry = ReadonlyMap<string, KnownPlugin>;

/** Where a plugin's configuration stands. */
export type ConfPlace = "conf" | "consumer" | "metadata";

/**
 * The schema of a plugin's configuration in that place; consumers that need none of
 * their own have the ordinary one. `undefined`: any metadata will do.
 */
export function schemaIn(plugin: PluginFacts, place: ConfPlace): JsonSchema | undefined {
  if (place === "metadata") return plugin.metadataSchema;
  return place === "consumer" ? (plugin.consumerSchema ?? plugin.schema) : plugin.schema;
}

/** Paths (as in `auth.password`) of what is encrypted at rest and masked in messages: `encrypt_fields` of the schema. */
export function encryptFieldsOf(plugin: PluginFacts, place: ConfPlace): readonly string[] {
  return (schemaIn(plugin, place)?.encrypt_fields ?? []) as readonly string[];
}
