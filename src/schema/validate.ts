import { consumerGroupSchema } from "./consumer-group.ts";
import { consumerSchema } from "./consumer.ts";
import { credentialSchema } from "./credential.ts";
import { globalRuleSchema } from "./global-rule.ts";
import type { JsonSchema } from "./json-schema.ts";
import type { Kind } from "./kinds.ts";
import { pluginConfigSchema } from "./plugin-config.ts";
import { pluginMetadataSchema } from "./plugin-metadata.ts";
import { pluginsListSchema } from "./plugins-list.ts";
import { protoSchema } from "./proto.ts";
import { routeSchema } from "./route.ts";
import { secretManagers, secretSchemas } from "./secret.ts";
import { serviceSchema } from "./service.ts";
import { sslSchema } from "./ssl.ts";
import { streamRouteSchema } from "./stream-route.ts";
import { upstreamSchema } from "./upstream.ts";
import type { SchemaFault } from "./schema-fault.ts";
import { compileSchema, type Validator } from "./validator.ts";

const validators = new WeakMap<object, Validator>();

/** The validator of a schema; compiled on first use, one per schema object. */
export function validatorOf(schema: JsonSchema): Validator {
  let validator = validators.get(schema);
  if (validator === undefined) {
    validator = compileSchema(schema);
    validators.set(schema, validator);
  }
  return validator;
}

const schemas: Readonly<Record<Exclude<Kind, "secrets">, JsonSchema>> = {
  routes: routeSchema,
  services: serviceSchema,
  upstreams: upstreamSchema,
  consumers: consumerSchema,
  credentials: credentialSchema,
  consumer_groups: consumerGroupSchema,
  ssls: sslSchema,
  global_rules: globalRuleSchema,
  plugin_configs: pluginConfigSchema,
  plugin_metadata: pluginMetadataSchema,
  protos: protoSchema,
  stream_routes: streamRouteSchema,
  plugins: pluginsListSchema,
};

/** The schema of a kind other than secrets. */
export function schemaOf(kind: Exclude<Kind, "secrets">): JsonSchema {
  return schemas[kind];
}

/** The schema that a resource must meet; secrets have one per manager, which the id names (`vault/1`). */
function schemaFor(kind: Kind, id: string): JsonSchema | null {
  if (kind !== "secrets") return schemas[kind];
  const name = id.split("/")[0];
  const manager = secretManagers.find((known) => known === name);
  return manager === undefined ? null : secretSchemas[manager];
}

/** The outcome of a check: the resource with its defaults, or why there is none. */
export type Validation = { readonly value: unknown } | { readonly error: string; readonly fault: SchemaFault };

/** A copy of what is JSON, for which this is cheaper than `structuredClone`; `null` of nothing. */
export const copyOfJson = (value: unknown): unknown =>
  value === undefined ? null : (JSON.parse(JSON.stringify(value)) as unknown);

/**
 * Checks a resource against the schema of its kind and fills defaults into a copy;
 * ids become strings. `id` is needed for secrets only. The error is worded as
 * APISIX words it, without `invalid configuration: ` before it.
 */
export function validateResource(kind: Kind, value: unknown, id = ""): Validation {
  const fault = checkForms(kind, value);
  if (fault !== null) return { error: fault.message, fault };
  return validateOwned(kind, copyOfJson(value), id);
}

/** `validateResource` that may change `value`, for callers that have just parsed it. */
export function validateOwned(kind: Kind, value: unknown, id = ""): Validation {
  const schema = schemaFor(kind, id);
  if (schema === null) return refuse(`invalid secret manager: ${id.split("/")[0]}`);
  const fault = validatorOf(schema).check(value);
  if (fault !== null) return { error: fault.message, fault };
  normaliseIds(value as Record<string, unknown>);
  return { value };
}

const refuse = (message: string): Validation => ({ error: message, fault: plainFault(message) });

const plainFault = (message: string): SchemaFault => ({ path: [], message, detail: message, hint: "" });

/** Every fault of a resource against the schema of its kind; may fill defaults into `value`. */
export function schemaFaults(kind: Kind, value: unknown, id = ""): readonly SchemaFault[] {
  const schema = schemaFor(kind, id);
  if (schema === null) return [plainFault(`invalid secret manager: ${id.split("/")[0]}`)];
  return validatorOf(schema).checkAll(value);
}

/** Two faults of routes that APISIX words itself, before the schema sees them and without a prefix. */
export function checkForms(kind: Kind, value: unknown): SchemaFault | null {
  if (kind !== "routes") return null;
  const fields = (value ?? {}) as Readonly<Record<string, unknown>>;
  for (const name of ["host", "remote_addr"]) {
    if (fields[name] === undefined || fields[`${name}s`] === undefined) continue;
    return plainFault(`only one of ${name} or ${name}s is allowed`);
  }
  return null;
}

const idFields = ["id", "service_id", "upstream_id", "plugin_config_id", "group_id", "script_id"];

function normaliseIds(resource: Record<string, unknown>): void {
  for (const field of idFields) {
    const id = resource[field];
    if (typeof id === "number") resource[field] = String(id);
  }
  const upstream = (resource.upstream ?? resource) as { id?: unknown; tls?: { client_cert_id?: unknown } };
  if (typeof upstream.id === "number") upstream.id = String(upstream.id);
  if (typeof upstream.tls?.client_cert_id === "number") {
    upstream.tls.client_cert_id = String(upstream.tls.client_cert_id);
  }
  const protocol = resource.protocol as { superior_id?: unknown } | undefined;
  if (typeof protocol?.superior_id === "number") protocol.superior_id = String(protocol.superior_id);
}
