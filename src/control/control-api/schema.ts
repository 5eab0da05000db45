import type { JsonSchema } from "../../schema/json-schema.ts";
import { pluginMetaSchema } from "../../schema/plugins.ts";
import { schemaOf } from "../../schema/validate.ts";
import type { Endpoint } from "./endpoint.ts";

/** What is shown of a plugin. */
export interface SchemaOwner {
  readonly name: string;
  readonly priority: number;
  readonly version: string;
  readonly type?: "auth";
  readonly schema: JsonSchema;
  readonly consumerSchema?: JsonSchema;
  readonly metadataSchema?: JsonSchema;
  /** Where it may be used; absent: with HTTP only. */
  readonly subsystems?: readonly ("http" | "stream")[];
}

/** APISIX's names of the kinds it shows. */
const shownKinds = [
  ["route", "routes"],
  ["service", "services"],
  ["upstream", "upstreams"],
  ["consumer", "consumers"],
  ["consumer_group", "consumer_groups"],
  ["ssl", "ssls"],
  ["global_rule", "global_rules"],
  ["plugin_config", "plugin_configs"],
  ["proto", "protos"],
  ["stream_route", "stream_routes"],
  ["plugins", "plugins"],
] as const;

const hashVariable =
  "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id)" +
  "|arg_[0-9a-zA-z_-]+)$";

/** `GET /v1/schema`: the schemas of every kind and of every enabled plugin. */
export function schemaEndpoints(plugins: () => Iterable<SchemaOwner>): readonly Endpoint[] {
  return [{ method: "GET", path: "/v1/schema", answer: () => ({ status: 200, body: allSchemas([...plugins()]) }) }];
}

function allSchemas(plugins: readonly SchemaOwner[]): object {
  const main: Record<string, unknown> = Object.fromEntries(shownKinds.map(([name, kind]) => [name, schemaOf(kind)]));
  main["upstream_hash_vars_schema"] = { type: "string", pattern: hashVariable };
  main["upstream_hash_header_schema"] = { type: "string", pattern: "^[a-zA-Z0-9-_]+$" };
  const of = (subsystem: "http" | "stream"): object =>
    Object.fromEntries(
      plugins
        .filter(({ subsystems = ["http"] }) => subsystems.includes(subsystem))
        .map((plugin) => [plugin.name, showPlugin(plugin)]),
    );
  return { main, plugins: of("http"), stream_plugins: of("stream") };
}

function showPlugin({ schema, consumerSchema, metadataSchema, priority, version, type }: SchemaOwner): object {
  const { properties = {} } = schema as { readonly properties?: object };
  return {
    schema: {
      $comment: "this is a mark for our injected plugin schema",
      ...schema,
      properties: { ...properties, _meta: pluginMetaSchema },
    },
    ...(consumerSchema === undefined ? {} : { consumer_schema: consumerSchema }),
    ...(metadataSchema === undefined ? {} : { metadata_schema: metadataSchema }),
    priority,
    version: Number(version),
    ...(type === undefined ? {} : { type }),
  };
}
