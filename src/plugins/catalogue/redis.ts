import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, oneOfWords, string, text, word } from "./fields.ts";

/** Where counters are kept: `policy` decides which of these fields are asked for. */

const kept = { redis_keepalive_timeout: atLeast(1000, 10000), redis_keepalive_pool: atLeast(1, 100) };

/** One Redis. */
export const redisFields: JsonSchema = {
  redis_host: text({ minLength: 2 }),
  redis_port: atLeast(1, 6379),
  redis_username: word,
  redis_password: text({ minLength: 0 }),
  redis_database: atLeast(0, 0),
  redis_timeout: atLeast(1, 1000),
  redis_ssl: flag(false),
  redis_ssl_verify: flag(false),
  ...kept,
};

const cluster: JsonSchema = {
  redis_cluster_nodes: list(text({ minLength: 2, maxLength: 100 }), { minItems: 1 }),
  redis_password: text({ minLength: 0 }),
  redis_timeout: atLeast(1, 1000),
  redis_cluster_name: string,
  redis_cluster_ssl: flag(false),
  redis_cluster_ssl_verify: flag(false),
  ...kept,
};

const sentinel: JsonSchema = {
  redis_sentinels: list(
    fields(
      { host: text({ minLength: 2 }), port: between(1, 65535) },
      { required: ["host", "port"], additionalProperties: false },
    ),
    { minItems: 1 },
  ),
  redis_master_name: word,
  redis_role: oneOfWords(["master", "slave"], "master"),
  redis_connect_timeout: atLeast(1, 1000),
  redis_read_timeout: atLeast(1, 1000),
  redis_keepalive_timeout: atLeast(1, 60000),
  redis_username: word,
  redis_password: text({ minLength: 0 }),
  redis_database: atLeast(0, 0),
  sentinel_username: word,
  sentinel_password: text({ minLength: 0 }),
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
