import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, between, fields, flag, list, oneOfWords, string, text, word } from "./fields.ts";
import { expressionFaultIn, firstOf } from "../../plugin/conf-rules.ts";

/** Plugins that lead traffic elsewhere, copy it, hold it up or answer in its place. */

const proxyBuffering: PluginFacts = {
  name: "proxy-buffering",
  priority: 21991,
  version: "0.1",
  schema: fields({ disable_proxy_buffering: flag(false) }),
};

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

const graphqlProxyCache: PluginFacts = {
  name: "graphql-proxy-cache",
  priority: 1009,
  version: "0.1",
  schema: fields(zoneFields),
  checkConf: zoneFault,
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

/** The plugins of this family. */
export const traffic: readonly PluginFacts[] = [proxyBuffering, graphqlProxyCache, brotli, trafficLabel];
