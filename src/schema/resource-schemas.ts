import type { JsonSchema } from "./json-schema.ts";
import { idSchema } from "./metadata.ts";
import { pluginsListSchema } from "./plugins-list.ts";
import { hashName, hashVariable } from "./rules.ts";
import { schemaOf } from "./validate.ts";

/** The schemas that the Admin API and the Control API show, by APISIX's names for them. */
export const resourceSchemas: Readonly<Record<string, JsonSchema>> = {
  route: schemaOf("routes"),
  service: schemaOf("services"),
  upstream: schemaOf("upstreams"),
  consumer: schemaOf("consumers"),
  credential: schemaOf("credentials"),
  consumer_group: schemaOf("consumer_groups"),
  ssl: schemaOf("ssls"),
  global_rule: schemaOf("global_rules"),
  plugin_config: schemaOf("plugin_configs"),
  proto: schemaOf("protos"),
  stream_route: schemaOf("stream_routes"),
  plugins: pluginsListSchema,
  id_schema: idSchema,
  upstream_hash_vars_schema: { type: "string", pattern: hashVariable },
  upstream_hash_header_schema: { type: "string", pattern: hashName },
};
