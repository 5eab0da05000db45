/**
 * The metrics whose series workers count in, by name: what is counted for each set of
 * labels. `docs/metrics.md` describes them; metrics without such series are made where
 * they are exported.
 */

/** A family of series. */
export interface MetricFamily {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Labels of every series, in this order. */
  readonly labels: readonly string[];
  /**
   * The first label of what is exported, where a series holds several numbers: one for each
   * of these values.
   */
  readonly split?: { readonly label: string; readonly values: readonly string[] };
  /** Labels that keep their value where a series has no place and goes to those that stand for the rest. */
  readonly kept: readonly string[];
  /** What stands before the name: the configured prefix, or always our own. */
  readonly prefix: "configured" | "turnpike_";
}

/** Labels that `plugin_metadata/prometheus` can empty, in the order of all three metrics of HTTP traffic. */
const traffic = ["route", "service", "consumer", "node", "request_type", "request_llm_model", "llm_model"];

export const metricFamilies = {
  http_status: {
    type: "counter",
    help: "HTTP status codes per service in APISIX",
    labels: ["code", "route", "matched_uri", "matched_host", ...traffic.slice(1), "response_source"],
    kept: ["code"],
    prefix: "configured",
  },
  http_latency: {
    type: "histogram",
    help: "HTTP request latency in milliseconds per service in APISIX",
    labels: traffic,
    split: { label: "type", values: ["request", "upstream", "apisix"] },
    kept: [],
    prefix: "configured",
  },
  bandwidth: {
    type: "counter",
    help: "Total bandwidth in bytes consumed per service in APISIX",
    labels: traffic,
    split: { label: "type", values: ["ingress", "egress"] },
    kept: [],
    prefix: "configured",
  },
  stream_connection_total: {
    type: "counter",
    help: "Total number of connections handled per stream route in APISIX",
    labels: ["route"],
    kept: [],
    prefix: "configured",
  },
  batch_process_entries: {
    type: "gauge",
    help: "Entries that batch processors have not sent yet",
    labels: ["name", "route_id", "server_addr"],
    kept: ["name"],
    prefix: "configured",
  },
  log_entries_dropped_total: {
    type: "counter",
    help: "Log entries that were given up, by plugin",
    labels: ["plugin"],
    kept: ["plugin"],
    prefix: "turnpike_",
  },
} as const satisfies Record<string, MetricFamily>;

/** Name of a family of series. */
export type FamilyName = keyof typeof metricFamilies;

export const familyNames = Object.keys(metricFamilies) as readonly FamilyName[];
