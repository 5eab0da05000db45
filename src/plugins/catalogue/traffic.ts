import type { PluginFacts } from "../../plugin/plugin.ts";
import type { JsonSchema } from "../../schema/json-schema.ts";
import { atLeast, fields, flag, list, oneOfWords, string, text } from "./fields.ts";
import { cacheZoneFault } from "../proxy-cache-zones.ts";
import { expressionFaultIn, firstOf } from "../../plugin/conf-rules.ts";

/** Plugins that lead traffic elsewhere, copy it, hold it up or answer in its place. */

const proxyBuffering: PluginFacts = {
  name: "proxy-buffering",
  priority: 21991,
  version: "0.1",
  schema: fields({ disable_proxy_buffering: flag(false) }),
};

const zoneFields: JsonSchema = {
  cache_zone: text({ minLength: 1, maxLength: 100, default: "disk_cache_one" }),
  cache_strategy: oneOfWords(["disk", "memory"], "disk"),
  cache_ttl: atLeast(1, 300),
  consumer_isolation: flag(true),
  cache_set_cookie: flag(false),
};

const graphqlProxyCache: PluginFacts = {
  name: "graphql-proxy-cache",
  priority: 1009,
  version: "0.1",
  schema: fields(zoneFields),
  checkConf: cacheZoneFault,
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
export const traffic: readonly PluginFacts[] = [proxyBuffering, graphqlProxyCache, trafficLabel];
