import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, oneOfWords, string, text, word } from "./fields.ts";

/** Where counters are kept: `policy` decides which of these fields are asked for. */

/** A field with what the generated reference says of it. */
const said = (comment: string, field: JsonSchema): JsonSchema => ({ ...field, $comment: comment });

const without = (milliseconds: number, byDefault: number): JsonSchema =>
  said("Without effect.", atLeast(milliseconds, byDefault));
const kept = { redis_keepalive_timeout: without(1000, 10000), redis_keepalive_pool: without(1, 100) };

const username = said("User of an ACL; with `requirepass` there is only the password.", word);
const password = said("Its password; encrypted at rest, may be a reference to a secret.", text({ minLength: 0 }));
const database = said("Number of the database.", atLeast(0, 0));
const timeout = said("Milliseconds that an answer may take.", atLeast(1, 1000));
const ssl = said("Whether connections are encrypted.", flag(false));
const verify = said("Whether the server's certificate is verified.", flag(false));

/** One Redis. */
export const redisFields: JsonSchema = {
  redis_host: said("Its address or name.", text({ minLength: 2 })),
  redis_port: said("Its port.", atLeast(1, 6379)),
  redis_username: username,
  redis_password: password,
  redis_database: database,
  redis_timeout: timeout,
  redis_ssl: ssl,
  redis_ssl_verify: verify,
  ...kept,
};

const cluster: JsonSchema = {
  redis_cluster_nodes: said(
    "Nodes to begin with, as `host:port`.",
    list(text({ minLength: 2, maxLength: 100 }), { minItems: 1 }),
  ),
  redis_password: password,
  redis_timeout: timeout,
  redis_cluster_name: said("A name for it.", string),
  redis_cluster_ssl: ssl,
  redis_cluster_ssl_verify: verify,
  ...kept,
};

const sentinel: JsonSchema = {
  redis_sentinels: said(
    "The sentinels.",
    list(
      fields(
        { host: text({ minLength: 2 }), port: between(1, 65535) },
        { required: ["host", "port"], additionalProperties: false },
      ),
      { minItems: 1 },
    ),
  ),
  redis_master_name: said("Name under which they watch the master.", word),
  redis_role: said("Which of its servers counts.", oneOfWords(["master", "slave"], "master")),
  redis_connect_timeout: said("Milliseconds that connecting may take.", atLeast(1, 1000)),
  redis_read_timeout: timeout,
  redis_keepalive_timeout: without(1, 60000),
  redis_username: username,
  redis_password: password,
  redis_database: database,
  sentinel_username: said("User at the sentinels.", word),
  sentinel_password: said("Its password; encrypted at rest, may be a reference to a secret.", text({ minLength: 0 })),
};

const isPolicy = (policy: string): JsonSchema => ({ properties: { policy: { enum: [policy] } } });

/** `if`, `then`, `else` over `policy`; `extra` fields come with either. */
export function redisPolicies(extra: JsonSchema = {}, withSentinel = false): JsonSchema {
  const sentinels = {
    if: isPolicy("redis-sentinel"),
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
    then: { properties: sentinel, required: ["redis_sentinels", "redis_master_name"] },
  };
  return {
    if: isPolicy("redis"),
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
    then: { properties: { ...redisFields, ...extra }, required: ["redis_host"] },
    else: {
      if: isPolicy("redis-cluster"),
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema.
      then: { properties: { ...cluster, ...extra }, required: ["redis_cluster_nodes", "redis_cluster_name"] },
      ...(withSentinel ? { else: sentinels } : {}),
    },
  };
}
