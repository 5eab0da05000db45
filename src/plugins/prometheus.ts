import { metricFamilies } from "../lib/metric-families.ts";
import { isStream } from "../plugin/context.ts";
import { definePlugin, reply, type PluginEnv, type Reply } from "../plugin/plugin.ts";
import { type PrometheusConfig, prometheusSettings } from "../settings/prometheus-settings.ts";
import { countStream, type DisabledLabels, TrafficCounts } from "./prometheus-traffic.ts";

const CONTENT_TYPE = "text/plain; charset=utf-8";

/** Labels that the metadata may empty: all but those that tell one number from another. */
const emptiable = (names: readonly string[]) => ({
  type: "array",
  items: { type: "string", enum: names },
  $comment: "Labels of the metric that are left empty, so that there are fewer series.",
});
const ofModels = ["route_id", "service_id", "consumer", "node", "request_type", "request_llm_model", "llm_model"];

export const prometheus = definePlugin({
  name: "prometheus",
  summary:
    "Counts requests, their status, time and bytes for Prometheus; `docs/metrics.md` describes the metrics and where they are served.",
  priority: 500,
  version: "0.2",
  subsystems: ["http", "stream"],
  servesStreams: true,
  schema: {
    type: "object",
    properties: {
      prefer_name: {
        type: "boolean",
        default: false,
        $comment: "Names of routes and services instead of their ids, where they have one.",
      },
    },
  },
  metadataSchema: {
    type: "object",
    properties: {
      disabled_labels: {
        type: "object",
        properties: {
          http_status: emptiable(metricFamilies.http_status.labels.filter((label) => label !== "code")),
          http_latency: emptiable(metricFamilies.http_latency.labels),
          bandwidth: emptiable(metricFamilies.bandwidth.labels),
          llm_latency: emptiable(ofModels),
          llm_prompt_tokens: emptiable(ofModels),
          llm_completion_tokens: emptiable(ofModels),
          llm_active_connections: emptiable(["route", "matched_uri", "matched_host", "service", ...ofModels]),
        },
      },
    },
  },

  compile({ prefer_name: prefer }, env) {
    const preferName = prefer === true;
    const settings = prometheusSettings(env.attr as PrometheusConfig);
    const disabled = (env.metadata?.["disabled_labels"] ?? {}) as DisabledLabels;
    const traffic = new TrafficCounts({ metrics: env.metrics, settings, preferName, disabled });
    return {
      log: (ctx) => (isStream(ctx) ? countStream(ctx, env.metrics, preferName) : traffic.count(ctx)),
      // With a server of its own, as in APISIX, it is there alone.
      ...(settings.listen === null ? { publicApis: new Map([[settings.uri, () => scrape(env)]]) } : {}),
    };
  },
});

async function scrape(env: PluginEnv): Promise<Reply> {
  const text = await env.metrics.exposition();
  return text === null ? reply(503) : reply(200, text, [["Content-Type", CONTENT_TYPE]]);
}
