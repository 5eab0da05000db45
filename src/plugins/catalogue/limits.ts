import { firstOf } from "../../plugin/conf-rules.ts";
import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { between, fields, flag, list, oneOfWords, rejectedCode, string, text, word } from "./fields.ts";
import { redisPolicies } from "./redis.ts";

/** Limits of rate, number and failure. */

const positive = { oneOf: [{ type: "integer", exclusiveMinimum: 0 }, { type: "string" }] };
const natural = { oneOf: [{ type: "integer", minimum: 0 }, { type: "string" }] };

const limitCountFields: JsonSchema = {
  count: positive,
  time_window: positive,
  window_type: oneOfWords(["fixed", "sliding"], "fixed"),
  group: string,
  key: text({ default: "remote_addr" }),
  key_type: oneOfWords(["var", "var_combination", "constant"], "var"),
  rules: list(
    fields(
      {
        count: positive,
        time_window: positive,
        key: string,
        header_prefix: { ...string, description: "Begins the names of the rule's headers." },
      },
      { required: ["count", "time_window", "key"] },
    ),
  ),
  rejected_code: rejectedCode(503),
  rejected_msg: word,
  policy: oneOfWords(["local", "redis", "redis-cluster", "redis-sentinel"], "local"),
  allow_degradation: flag(false),
  show_limit_quota_header: flag(true),
  sync_interval: { type: "number", default: -1 },
};

const countOrRules = { oneOf: [{ required: ["count", "time_window"] }, { required: ["rules"] }] };
const passwords = { encrypt_fields: ["redis_password", "sentinel_password"] };

const headerName = (byDefault: string, comment: string): JsonSchema =>
  text({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", default: byDefault, $comment: comment });

export const limitCount: PluginFacts = {
  name: "limit-count",
  priority: 1002,
  version: "0.5",
  schema: fields(limitCountFields, { ...countOrRules, ...redisPolicies({}, true), ...passwords }),
  metadataSchema: fields({
    limit_header: headerName("X-RateLimit-Limit", "Header that tells the limit."),
    remaining_header: headerName("X-RateLimit-Remaining", "Header that tells what is left of it."),
    reset_header: headerName("X-RateLimit-Reset", "Header that tells the seconds until it begins anew."),
  }),
  checkFirst: ({ count, time_window: window, rules }) =>
    (count === undefined && window === undefined) || !isList(rules)
      ? null
      : "count/time_window and rules cannot be specified at the same time",
  checkConf: (conf) => firstOf(syncFault(conf), duplicateKey(conf.rules)),
};

/** An interval that is shorter than APISIX allows, or longer than a window. */
function syncFault({ policy, sync_interval: interval, time_window: window, rules }: Conf): string | null {
  if (policy === "local" || typeof interval !== "number" || interval === NO_SYNC) return null;
  if (interval < SHORTEST_SYNC) return "sync_interval should not be smaller than 0.1";
  const windows = [
    window,
    ...((rules ?? []) as readonly { readonly time_window: unknown }[]).map((r) => r.time_window),
  ];
  const shorter = windows.some((seconds) => typeof seconds === "number" && interval > seconds);
  return shorter ? "sync_interval should be smaller than time_window" : null;
}

type Conf = Readonly<Record<string, unknown>>;

/** `sync_interval` of who asks the Redis with every request. */
const NO_SYNC = -1;
/** Seconds. */
const SHORTEST_SYNC = 0.1;

/** What is no list of objects is for the schema to name. */
const isList = (rules: unknown): boolean =>
  Array.isArray(rules) && rules.every((rule) => typeof rule === "object" && rule !== null);

function duplicateKey(rules: unknown): string | null {
  const seen = new Set<string>();
  for (const { key } of (rules ?? []) as readonly { readonly key: string }[]) {
    if (seen.has(key)) return `duplicate key '${key}' in rules`;
    seen.add(key);
  }
  return null;
}

const graphqlLimitCount: PluginFacts = {
  ...limitCount,
  name: "graphql-limit-count",
  priority: 1004,
  version: "0.1",
  schema: fields(
    {
      ...limitCountFields,
      cost_strategy: oneOfWords(["default", "node_quantifier"], "default"),
      introspection_endpoint: text({ pattern: "^https?://" }),
      max_cost: { type: "number", minimum: 0, default: 0 },
      score_factor: { type: "number", exclusiveMinimum: 0, default: 1 },
      resolve_variables: flag(true),
    },
    { ...countOrRules, ...redisPolicies({}, true), ...passwords },
  ),
};

const keyTtl: JsonSchema = {
  type: "integer",
  default: 3600,
  $comment: "Seconds after which a request that was never told to have ended is forgotten.",
};

export const limitConn: PluginFacts = {
  name: "limit-conn",
  priority: 1003,
  version: "0.1",
  subsystems: ["http", "stream"],
  schema: fields(
    {
      conn: positive,
      burst: natural,
      default_conn_delay: { type: "number", exclusiveMinimum: 0 },
      only_use_default_delay: flag(false),
      key: string,
      key_type: oneOfWords(["var", "var_combination"], "var"),
      rules: list(fields({ conn: positive, burst: natural, key: string }, { required: ["conn", "burst", "key"] })),
      policy: oneOfWords(["redis", "redis-cluster", "local"], "local"),
      rejected_code: rejectedCode(503),
      rejected_msg: word,
      allow_degradation: flag(false),
    },
    {
      oneOf: [
        { required: ["conn", "burst", "default_conn_delay", "key"] },
        { required: ["default_conn_delay", "rules"] },
      ],
      ...redisPolicies({ key_ttl: keyTtl }),
      encrypt_fields: ["redis_password"],
    },
  ),
};

export const limitReq: PluginFacts = {
  name: "limit-req",
  priority: 1001,
  version: "0.1",
  schema: fields(
    {
      rate: { type: "number", exclusiveMinimum: 0 },
      burst: { type: "number", minimum: 0 },
      key: string,
      key_type: oneOfWords(["var", "var_combination"], "var"),
      policy: oneOfWords(["redis", "redis-cluster", "local"], "local"),
      rejected_code: rejectedCode(503),
      rejected_msg: word,
      nodelay: flag(false),
      allow_degradation: flag(false),
    },
    { required: ["rate", "burst", "key"], ...redisPolicies(), encrypt_fields: ["redis_password"] },
  ),
};

const statuses = (minimum: number, maximum: number, byDefault: number): JsonSchema =>
  list(between(minimum, maximum), { minItems: 1, uniqueItems: true, default: [byDefault] });

export const apiBreaker: PluginFacts = {
  name: "api-breaker",
  priority: 1005,
  version: "0.1",
  schema: fields(
    {
      break_response_code: between(200, 599),
      break_response_body: string,
      break_response_headers: list(fields({ key: word, value: word }, { required: ["key", "value"] })),
      max_breaker_sec: { type: "integer", minimum: 3, default: 300 },
      unhealthy: fields(
        { http_statuses: statuses(500, 599, 500), failures: { type: "integer", minimum: 1, default: 3 } },
        { default: { http_statuses: [500], failures: 3 } },
      ),
      healthy: fields(
        { http_statuses: statuses(200, 499, 200), successes: { type: "integer", minimum: 1, default: 3 } },
        { default: { http_statuses: [200], successes: 3 } },
      ),
    },
    { required: ["break_response_code"] },
  ),
};

const limit: JsonSchema = { oneOf: [{ type: "integer", minimum: 1 }, { type: "string" }] };

const aiRateLimiting: PluginFacts = {
  name: "ai-rate-limiting",
  priority: 1030,
  version: "0.1",
  schema: fields(
    {
      limit,
      time_window: limit,
      show_limit_quota_header: flag(true),
      limit_strategy: oneOfWords(["total_tokens", "prompt_tokens", "completion_tokens", "expression"], "total_tokens"),
      cost_expr: word,
      instances: list(
        fields({ name: string, limit, time_window: limit }, { required: ["name", "limit", "time_window"] }),
        { minItems: 1 },
      ),
      rejected_code: rejectedCode(503),
      rejected_msg: word,
      rules: list(
        fields(
          {
            count: positive,
            time_window: positive,
            key: string,
            header_prefix: { ...string, description: "Begins the names of the rule's headers." },
          },
          { required: ["count", "time_window", "key"] },
        ),
      ),
      policy: oneOfWords(["local", "redis", "redis-cluster", "redis-sentinel"], "local"),
      allow_degradation: flag(false),
      standard_headers: flag(false),
    },
    {
      dependencies: { limit: ["time_window"], time_window: ["limit"] },
      oneOf: [
        { required: ["limit", "time_window"], not: { anyOf: [{ required: ["instances"] }, { required: ["rules"] }] } },
        { required: ["instances"] },
        { required: ["rules"] },
      ],
      ...redisPolicies({}, true),
      ...passwords,
    },
  ),
};

/** The plugins of this family. */
export const limits: readonly PluginFacts[] = [
  limitCount,
  graphqlLimitCount,
  limitConn,
  limitReq,
  apiBreaker,
  aiRateLimiting,
];
