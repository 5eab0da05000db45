import { pickNames } from "../plugin/lazy-map.ts";
import type { PluginFacts, PluginRegistry, Subsystem } from "../plugin/plugin.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import { pluginMetaSchema } from "../schema/plugins.ts";
import { knownPlugins } from "./catalogue/index.ts";
import { UserPluginTable } from "./user/user-plugin-table.ts";

/** What the Admin API and the Control API tell of plugins. */

/** The enabled plugins of each kind of traffic by the names of `plugins` and `stream_plugins`; those of users are for HTTP. */
export function enabledPlugins(
  http: readonly string[],
  stream: readonly string[],
  users: UserPluginTable = new UserPluginTable(),
): Readonly<Record<Subsystem, PluginRegistry>> {
  return {
    http: users.over(pickNames(knownPlugins, new Set(http))),
    stream: pickNames(knownPlugins, new Set(stream)),
  };
}

/** Names by descending priority, as `GET /apisix/admin/plugins/list` has them. */
export function pluginNames(plugins: PluginRegistry, subsystem: Subsystem): readonly string[] {
  return [...plugins.values()]
    .filter((plugin) => (plugin.subsystems ?? ["http"]).includes(subsystem))
    .sort((a, b) => b.priority - a.priority)
    .map(({ name }) => name);
}

/** What `GET /apisix/admin/plugins?all=true` and `/v1/schema` say of one plugin. */
export interface PluginDescription {
  readonly priority: number;
  readonly version: number;
  readonly schema: JsonSchema;
  readonly type?: string;
  readonly consumer_schema?: JsonSchema;
  readonly metadata_schema?: JsonSchema;
}

/** Every plugin of the registry by name. */
export function describePlugins(
  plugins: PluginRegistry,
  subsystem: Subsystem,
): Readonly<Record<string, PluginDescription>> {
  const names = pluginNames(plugins, subsystem);
  return Object.fromEntries(
    names.flatMap((name) => {
      const plugin = plugins.get(name);
      return plugin === undefined ? [] : [[name, describe(plugin)]];
    }),
  );
}

function describe(plugin: PluginFacts): PluginDescription {
  const { priority, version, type, consumerSchema, metadataSchema } = plugin;
  return {
    priority,
    version: Number(version),
    schema: confSchema(plugin),
    ...(type === undefined ? {} : { type }),
    ...(consumerSchema === undefined ? {} : { consumer_schema: shown(consumerSchema) }),
    ...(metadataSchema === undefined ? {} : { metadata_schema: shown(metadataSchema) }),
  };
}

/**
 * What `GET /apisix/admin/schema/plugins/<name>` answers; `null` where the plugin has
 * no schema for consumers. APISIX knows no other `schema_type` than `consumer` and
 * answers the ordinary schema to any other.
 */
export function pluginSchema(plugin: PluginFacts, schemaType: string | null): JsonSchema | null {
  if (schemaType !== "consumer") return confSchema(plugin);
  return plugin.consumerSchema === undefined ? null : shown(plugin.consumerSchema);
}

/** The schema on routes and the like, with the `_meta` that every plugin has. */
function confSchema({ schema }: PluginFacts): JsonSchema {
  const { properties = {}, ...rest } = shown(schema) as { readonly properties?: JsonSchema };
  return {
    ...rest,
    $comment: "this is a mark for our injected plugin schema",
    properties: { ...properties, _meta: pluginMetaSchema },
  };
}

/** A schema as clients see it: without comments, and with Lua's one form of everything that is empty. */
function shown(schema: JsonSchema): JsonSchema {
  return show(schema) as JsonSchema;
}

function show(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? {} : value.map(show);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => (name === "$comment" ? [] : [[name, show(part)]])),
  );
}
