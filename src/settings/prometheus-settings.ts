import { metricFamilies, type MetricFamily } from "../lib/metric-families.ts";
import { canonicalIp } from "./address.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import type { Report } from "./report.ts";
import type { Address, PrometheusSettings } from "./settings.ts";

/** The metrics that `plugin_attr.prometheus.metrics` may say more of. */
export const adjustableMetrics = ["http_status", "http_latency", "bandwidth"] as const;
export type AdjustableMetric = (typeof adjustableMetrics)[number];

/** A metric's own settings, as written. */
export interface MetricConfig {
  readonly extra_labels?: readonly Readonly<Record<string, string>>[];
  readonly expire?: number;
}

/** `plugin_attr.prometheus`; its keys have their defaults once config.yaml was checked. */
export interface PrometheusConfig {
  readonly enable_export_server?: boolean;
  readonly export_addr?: Address;
  readonly export_uri?: string;
  readonly metric_prefix?: string;
  readonly metrics?: Readonly<Partial<Record<AdjustableMetric, MetricConfig>>>;
  readonly default_buckets?: readonly number[];
  readonly max_series?: number;
}

/** Upper bounds of `http_latency`, milliseconds, unless `default_buckets` says otherwise. */
const DEFAULT_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
/** Series that a worker counts of one metric, unless `max_series` says otherwise. */
export const DEFAULT_MAX_SERIES = 5_000;

/** Settings of a configuration without errors. */
export function prometheusSettings(config: PrometheusConfig): PrometheusSettings {
  const { ip, port } = config.export_addr ?? { ip: "127.0.0.1", port: 9091 };
  const of = (metric: AdjustableMetric): PrometheusSettings["metrics"][AdjustableMetric] => ({
    extraLabels: (config.metrics?.[metric]?.extra_labels ?? []).flatMap((pair) =>
      Object.entries(pair).map(([name, value]) => ({ name, variable: value.replace(/^\$/, "") })),
    ),
    expireMs: (config.metrics?.[metric]?.expire ?? 0) * 1_000,
  });
  return {
    listen: config.enable_export_server === false ? null : { ip: canonicalIp(ip), port },
    uri: config.export_uri ?? "/apisix/prometheus/metrics",
    prefix: config.metric_prefix ?? "apisix_",
    metrics: { http_status: of("http_status"), http_latency: of("http_latency"), bandwidth: of("bandwidth") },
    buckets: [...new Set(config.default_buckets ?? DEFAULT_BUCKETS)].sort((a, b) => a - b),
    maxSeries: config.max_series ?? DEFAULT_MAX_SERIES,
  };
}

/** Most bounds of buckets: each takes its place in every series. */
const MAX_BUCKETS = 64;

/** Reports what the schema cannot see; what is `invalid` was reported already. */
export function reportPrometheusFaults(config: PrometheusConfig, invalid: readonly KeyPath[], report: Report): void {
  const at = ["plugin_attr", "prometheus"];
  const say = (path: KeyPath, fault: string | null): void => {
    if (fault !== null && !invalid.some((other) => pathsTouch(other, path))) report.error(path, fault);
  };
  for (const metric of adjustableMetrics) {
    const labels = config.metrics?.[metric]?.extra_labels ?? [];
    say([...at, "metrics", metric, "extra_labels"], extraLabelsFault(metric, labels));
  }
  const buckets = config.default_buckets?.length ?? 0;
  const tooMany = buckets > MAX_BUCKETS ? `found ${buckets} bounds, expected at most ${MAX_BUCKETS}` : null;
  say([...at, "default_buckets"], tooMany);
}

/** Why the labels of a metric cannot be; `null`: they can. */
function extraLabelsFault(metric: AdjustableMetric, written: NonNullable<MetricConfig["extra_labels"]>): string | null {
  const { labels, split }: MetricFamily = metricFamilies[metric];
  const taken = new Set([...labels, "le", ...(split === undefined ? [] : [split.label])]);
  for (const pair of written) {
    const [entry, more] = Object.entries(pair);
    if (entry === undefined || more !== undefined) {
      return "expected one label in each entry, as in `- upstream_addr: $upstream_addr`";
    }
    const [name, value] = entry;
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith("__")) return `${name} is no name of a label`;
    if (taken.has(name)) return `the label ${name} is there already`;
    if (!/^\$\w+$/.test(String(value))) return `expected a variable such as $upstream_addr for ${name}`;
    taken.add(name);
  }
  return null;
}
