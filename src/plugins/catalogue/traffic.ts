import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { idSchema } from "../../schema/metadata.ts";
import { upstreamSchema } from "../../schema/upstream.ts";
import { atLeast, between, fields, flag, list, oneOfWords, string, text, word } from "./fields.ts";
import { expressionFaultIn, firstOf } from "../../plugin/conf-rules.ts";

/** Plugins that lead traffic elsewhere, copy it, hold it up or answer in its place. */

const proxyBuffering: PluginFacts = {
  name: "proxy-buffering",
  priority: 21991,
  version: "0.1",
  schema: fields({ disable_proxy_buffering: flag(false) }),
};

const proxyMirror: PluginFacts = {
  name: "proxy-mirror",
  priority: 1010,
  version: "0.1",
  schema: fields(
    {
      host: text({ pattern: "^(http(s)?|grpc(s)?):\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?$" }),
      path: text({ pattern: "^/[^?&]+$" }),
      path_concat_mode: { ...oneOfWords(["replace", "prefix"], "replace"), description: "What `path` does." },
      sample_ratio: { type: "number", minimum: 0.00001, maximum: 1, default: 1 },
    },
    { required: ["host"] },
  ),
};

const cacheName = "(^[^\\$].+$|^\\$[0-9a-zA-Z_]+$)";
/** Zones of APISIX's default configuration; one in memory has no path on a disk. */
const cacheZones = new Map([
  ["disk_cache_one", "disk"],
  ["memory_cache", "memory"],
]);

const zoneFields: JsonSchema = {
  cache_zone: text({ minLength: 1, maxLength: 100, default: "disk_cache_one" }),
  cache_strategy: oneOfWords(["disk", "memory"], "disk"),
  cache_ttl: atLeast(1, 300),
  consumer_isolation: flag(true),
  cache_set_cookie: flag(false),
};

function zoneFault({ cache_zone: zone, cache_strategy: strategy }: Readonly<Record<string, unknown>>): string | null {
  const kind = cacheZones.get(String(zone));
  if (kind === undefined) return `cache_zone ${String(zone)} not found`;
  return kind === strategy ? null : `invalid or empty cache_zone for cache_strategy: ${String(strategy)}`;
}

const proxyCache: PluginFacts = {
  name: "proxy-cache",
  priority: 1085,
  version: "0.2",
  schema: fields({
    ...zoneFields,
    cache_key: list(
      { ...text({ pattern: cacheName }), description: "Part of the key." },
      { minItems: 1, default: ["$host", "$request_uri"] },
    ),
    cache_http_status: list(
      { ...between(200, 599), description: "Status of an answer that is kept." },
      { minItems: 1, uniqueItems: true, default: [200, 301, 404] },
    ),
    cache_method: list(
      { ...oneOfWords(["GET", "POST", "HEAD"]), description: "Method whose answers are kept." },
      { minItems: 1, uniqueItems: true, default: ["GET", "HEAD"] },
    ),
    hide_cache_headers: flag(false),
    cache_control: flag(false),
    cache_bypass: list(text({ pattern: cacheName }), { minItems: 1 }),
    no_cache: list(text({ pattern: cacheName }), { minItems: 1 }),
    max_resp_body_size: {
      ...atLeast(1, 67108864),
      description: "Greatest size in bytes of a body that is kept in memory.",
    },
  }),
  checkConf: zoneFault,
};

const graphqlProxyCache: PluginFacts = {
  name: "graphql-proxy-cache",
  priority: 1009,
  version: "0.1",
  schema: fields(zoneFields),
  checkConf: zoneFault,
};

const gzip: PluginFacts = {
  name: "gzip",
  priority: 995,
  version: "0.1",
  schema: fields({
    types: { anyOf: [list(word, { minItems: 1 }), { enum: ["*"] }], default: ["text/html"] },
    min_length: atLeast(1, 20),
    comp_level: between(1, 9, 1),
    http_version: { enum: [1.1, 1], default: 1.1 },
    buffers: fields({ number: atLeast(1, 32), size: atLeast(1, 4096) }, { default: { number: 32, size: 4096 } }),
    vary: { type: "boolean" },
  }),
};

const brotli: PluginFacts = {
  name: "brotli",
  priority: 996,
  version: "0.1",
  schema: fields({
    types: { anyOf: [list(word, { minItems: 1 }), { enum: ["*"] }], default: ["text/html"] },
    min_length: atLeast(1, 20),
    mode: between(0, 2, 0),
    comp_level: between(0, 11, 6),
    lgwin: { enum: [0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24], default: 19 },
    lgblock: { enum: [0, 16, 17, 18, 19, 20, 21, 22, 23, 24], default: 0 },
    http_version: { enum: [1.1, 1], default: 1.1 },
    vary: { type: "boolean" },
  }),
};

const trafficLabel: PluginFacts = {
  name: "traffic-label",
  priority: 967,
  version: "0.1",
  schema: fields(
    {
      rules: list(
        fields(
          {
            match: { type: "array" },
            actions: list(
              fields({ set_headers: { type: "object", additionalProperties: string }, weight: atLeast(1, 1) }),
              { minItems: 1 },
            ),
          },
          { required: ["actions"] },
        ),
        { minItems: 1 },
      ),
    },
    { required: ["rules"] },
  ),
  checkConf: ({ rules }) =>
    firstOf(
      ...(rules as readonly { readonly match?: unknown }[]).map(({ match }) => expressionFaultIn("match", match)),
    ),
};

const trafficSplit: PluginFacts = {
  name: "traffic-split",
  priority: 966,
  version: "0.1",
  subsystems: ["http", "stream"],
  schema: fields({
    rules: list(
      fields({
        match: list(fields({ vars: { type: "array" } })),
        weighted_upstreams: list(
          fields({
            upstream_id: idSchema,
            upstream: upstreamSchema,
            weight: { ...atLeast(0, 1), description: "Share of the traffic." },
          }),
          { minItems: 1, maxItems: 20, default: [{ weight: 1 }] },
        ),
      }),
    ),
  }),
  checkConf({ rules }) {
    const matches = ((rules ?? []) as readonly SplitRule[]).flatMap(({ match }) => match ?? []);
    return firstOf(...matches.map(({ vars }) => expressionFaultIn("vars", vars)));
  },
};

interface SplitRule {
  readonly match?: readonly { readonly vars?: unknown }[];
}

/** The plugins of this family. */
export const traffic: readonly PluginFacts[] = [
  proxyBuffering,
  proxyCache,
  proxyMirror,
  graphqlProxyCache,
  brotli,
  gzip,
  trafficLabel,
  trafficSplit,
];
