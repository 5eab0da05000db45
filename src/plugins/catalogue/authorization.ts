import type { PluginFacts } from "../../plugin/plugin.ts";
import { atLeast, between, fields, flag, keepalive, list, oneOfWords, string, strings, text, word } from "./fields.ts";

/** Plugins that decide who may do what. */

const labels = {
  type: "object",
  minProperties: 1,
  patternProperties: { ".*": list(string, { minItems: 1 }) },
};

const acl: PluginFacts = {
  name: "acl",
  priority: 2410,
  version: "0.1",
  schema: fields(
    {
      allow_labels: labels,
      deny_labels: labels,
      rejected_code: atLeast(200, 403),
      rejected_msg: string,
      external_user_label_field: text({ minLength: 1, default: "groups" }),
      external_user_label_field_key: word,
      external_user_label_field_parser: oneOfWords(["segmented_text", "json", "table"]),
      external_user_label_field_separator: word,
    },
    { anyOf: [{ required: ["allow_labels"] }, { required: ["deny_labels"] }] },
  ),
};

const attachConsumerLabel: PluginFacts = {
  name: "attach-consumer-label",
  priority: 2399,
  version: "0.1",
  schema: fields(
    { headers: { type: "object", additionalProperties: text({ pattern: "^\\$.*" }), minProperties: 1 } },
    { required: ["headers"] },
  ),
};

const opa: PluginFacts = {
  name: "opa",
  priority: 2001,
  version: "0.1",
  schema: fields(
    {
      host: string,
      ssl_verify: flag(true),
      policy: string,
      timeout: between(1, 60000, 3000),
      ...keepalive(5),
      send_headers_upstream: strings,
      with_route: flag(false),
      with_service: flag(false),
      with_consumer: flag(false),
    },
    { required: ["host", "policy"] },
  ),
};

const authzCasbin: PluginFacts = {
  name: "authz-casbin",
  priority: 2560,
  version: "0.1",
  schema: fields(
    { model_path: string, policy_path: string, model: string, policy: string, username: string },
    { oneOf: [{ required: ["model_path", "policy_path", "username"] }, { required: ["model", "policy", "username"] }] },
  ),
  metadataSchema: fields({ model: string, policy: string }, { required: ["model", "policy"] }),
};

const authzKeycloak: PluginFacts = {
  name: "authz-keycloak",
  priority: 2000,
  version: "0.1",
  schema: fields(
    {
      discovery: text({ minLength: 1, maxLength: 4096 }),
      token_endpoint: text({ minLength: 1, maxLength: 4096 }),
      resource_registration_endpoint: text({ minLength: 1, maxLength: 4096 }),
      client_id: text({ minLength: 1, maxLength: 100 }),
      client_secret: text({ minLength: 1, maxLength: 100 }),
      grant_type: text({
        default: "urn:ietf:params:oauth:grant-type:uma-ticket",
        enum: ["urn:ietf:params:oauth:grant-type:uma-ticket"],
        minLength: 1,
        maxLength: 100,
      }),
      policy_enforcement_mode: oneOfWords(["ENFORCING", "PERMISSIVE"], "ENFORCING"),
      permissions: list(text({ minLength: 1, maxLength: 100 }), { uniqueItems: true, default: [] }),
      lazy_load_paths: flag(false),
      http_method_as_scope: flag(false),
      timeout: atLeast(1000, 3000),
      ssl_verify: flag(true),
      cache_ttl_seconds: { type: "integer", minimum: 1, default: 86400 },
      keepalive: flag(true),
      keepalive_timeout: atLeast(1000, 60000),
      keepalive_pool: atLeast(1, 5),
      access_denied_redirect_uri: text({ minLength: 1, maxLength: 2048 }),
      access_token_expires_in: { type: "integer", minimum: 1, default: 300 },
      access_token_expires_leeway: atLeast(0, 0),
      refresh_token_expires_in: { type: "integer", minimum: 1, default: 3600 },
      refresh_token_expires_leeway: atLeast(0, 0),
      password_grant_token_generation_incoming_uri: text({ minLength: 1, maxLength: 4096 }),
    },
    {
      allOf: [
        { anyOf: [{ required: ["discovery"] }, { required: ["token_endpoint"] }] },
        { required: ["client_id"] },
        {
          anyOf: [
            { properties: { lazy_load_paths: { enum: [false] } } },
            {
              properties: { lazy_load_paths: { enum: [true] } },
              anyOf: [{ required: ["discovery"] }, { required: ["resource_registration_endpoint"] }],
            },
          ],
        },
      ],
      encrypt_fields: ["client_secret"],
    },
  ),
};

/** The plugins of this family. */
export const authorization: readonly PluginFacts[] = [authzCasbin, acl, attachConsumerLabel, opa, authzKeycloak];
