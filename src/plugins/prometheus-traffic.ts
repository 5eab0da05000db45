import { metricFamilies } from "../lib/metric-families.ts";
import { compileTextVariable, type VariableAccessor } from "../plugin/variables.ts";
import type { RequestContext, RouteInfo } from "../plugin/context.ts";
import type { PluginMetrics, Series } from "../plugin/metrics.ts";
import type { MetricSettings, PrometheusSettings } from "../settings/settings.ts";

/** Labels whose values are left empty, by metric: `disabled_labels` of the metadata. */
export type DisabledLabels = Readonly<Partial<Record<"http_status" | "http_latency" | "bandwidth", readonly string[]>>>;

export interface TrafficOptions {
  readonly metrics: PluginMetrics;
  readonly settings: Pick<PrometheusSettings, "metrics" | "buckets">;
  readonly preferName: boolean;
  readonly disabled: DisabledLabels;
}

/** Sets of series that are found without asking for them; beyond, all are asked for anew. */
const MAX_KEPT = 20_000;
/** Series of other variables that one set keeps. */
const MAX_EXTRA = 1_000;

/** Where an answer comes from, as `response_source` says it: the gateway itself, a node, or what went wrong with one. */
const SOURCES = ["apisix", "upstream", "nginx"] as const;
const Source = { gateway: 0, node: 1, failure: 2 } as const;

/** What the requests of one route, consumer and node are counted in. */
interface TrafficSeries {
  readonly route: RouteInfo;
  readonly consumer: string;
  /** With its port; `""`: no node was asked. */
  readonly address: string;
  readonly latency: SeriesFinder;
  readonly bandwidth: SeriesFinder;
  readonly statuses: Map<number, SeriesFinder>;
  lastKey: number;
  lastStatus: SeriesFinder | null;
}

/**
 * Counts requests. A request of the same route, consumer and node as the one before costs
 * a few comparisons and additions; any other one two look-ups more.
 */
export class TrafficCounts {
  readonly #metrics: PluginMetrics;
  readonly #preferName: boolean;
  readonly #bounds: Float64Array;
  readonly #status: LabelledMetric;
  readonly #latency: LabelledMetric;
  readonly #bandwidth: LabelledMetric;
  #routes = new WeakMap<RouteInfo, Map<string, Map<string, TrafficSeries>>>();
  #kept = 0;
  #epoch: number;
  #last: TrafficSeries | null = null;

  constructor({ metrics, settings, preferName, disabled }: TrafficOptions) {
    const of = (name: "http_status" | "http_latency" | "bandwidth"): LabelledMetric => ({
      name,
      disabled: new Set(disabled[name] ?? []),
      extra: extraOf(settings.metrics[name]),
    });
    this.#metrics = metrics;
    this.#preferName = preferName;
    this.#bounds = Float64Array.from(settings.buckets);
    this.#status = of("http_status");
    this.#latency = of("http_latency");
    this.#bandwidth = of("bandwidth");
    this.#epoch = metrics.epoch;
  }

  /** Counts a request that has ended. */
  count(ctx: RequestContext): void {
    if (this.#metrics.epoch !== this.#epoch) this.#forget();
    const { route, attempts } = ctx;
    const attempt = attempts.length === 0 ? null : attempts[attempts.length - 1]!;
    const address = attempt === null ? "" : attempt.address;
    const consumer = ctx.consumer === null ? "" : ctx.consumer.username;
    let series = this.#last;
    if (series === null || series.route !== route || series.address !== address || series.consumer !== consumer) {
      series = this.#find(route, consumer, address);
    }
    const source = attempt === null ? Source.gateway : attempt.headerTime < 0 ? Source.failure : Source.node;
    const status = this.#statusOf(series, ctx, source).get(ctx);
    status.cells[status.at]!++;
    this.#observeTimes(series.latency.get(ctx), ctx, attempt !== null);
    const { cells, at } = series.bandwidth.get(ctx);
    cells[at]! += ctx.requestLength;
    cells[at + 1]! += ctx.bytesSent;
  }

  #observeTimes({ cells, at }: Series, ctx: RequestContext, asked: boolean): void {
    const { attempts } = ctx;
    const total = ctx.requestTime * 1_000;
    let upstream = 0;
    for (let i = 0; i < attempts.length; i++) {
      const { responseTime } = attempts[i]!;
      if (responseTime > 0) upstream += responseTime * 1_000;
    }
    this.#observe(cells, at, total);
    const width = this.#bounds.length + 2;
    if (asked) this.#observe(cells, at + width, upstream);
    this.#observe(cells, at + 2 * width, total > upstream ? total - upstream : 0);
  }

  #observe(cells: Float64Array, at: number, milliseconds: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && milliseconds > bounds[bucket]!) bucket++;
    cells[at + bucket]!++;
    cells[at + bounds.length + 1]! += milliseconds;
  }

  #statusOf(series: TrafficSeries, ctx: RequestContext, source: number): SeriesFinder {
    const { patterns } = series.route;
    let pattern = 0;
    if (patterns !== undefined) {
      pattern = patterns.uriOf(ctx.routePath) * Math.max(1, patterns.hosts.length) + patterns.hostOf(ctx.host);
    }
    const key = (pattern * 1_000 + ctx.status) * SOURCES.length + source;
    if (key === series.lastKey && series.lastStatus !== null) return series.lastStatus;
    let status = series.statuses.get(key);
    if (status === undefined) {
      status = this.#makeStatus(series, pattern, ctx.status, SOURCES[source]!);
      if (!status.overflow) series.statuses.set(key, status);
    }
    if (!status.overflow) {
      series.lastKey = key;
      series.lastStatus = status;
    }
    return status;
  }

  #find(route: RouteInfo, consumer: string, address: string): TrafficSeries {
    let consumers = this.#routes.get(route);
    if (consumers === undefined) this.#routes.set(route, (consumers = new Map()));
    let nodes = consumers.get(consumer);
    if (nodes === undefined) consumers.set(consumer, (nodes = new Map()));
    let series = nodes.get(address);
    if (series === undefined) {
      series = this.#make(route, consumer, address);
      if (series.latency.overflow || series.bandwidth.overflow) return series;
      if (++this.#kept > MAX_KEPT) {
        this.#forget();
        return series;
      }
      nodes.set(address, series);
    }
    this.#last = series;
    return series;
  }

  #make(route: RouteInfo, consumer: string, address: string): TrafficSeries {
    const base = (name: string): string => this.#baseLabel(name, route, consumer, address);
    return {
      route,
      consumer,
      address,
      latency: this.#finder(this.#latency, route, base),
      bandwidth: this.#finder(this.#bandwidth, route, base),
      statuses: new Map(),
      lastKey: -1,
      lastStatus: null,
    };
  }

  #makeStatus(
    { route, consumer, address }: TrafficSeries,
    pattern: number,
    code: number,
    source: string,
  ): SeriesFinder {
    const { uris = [], hosts = [] } = route.patterns ?? {};
    const perUri = Math.max(1, hosts.length);
    const own: Readonly<Record<string, string>> = {
      code: String(code),
      matched_uri: uris[Math.trunc(pattern / perUri)] ?? "",
      matched_host: hosts[pattern % perUri] ?? "",
      response_source: source,
    };
    return this.#finder(this.#status, route, (name) => own[name] ?? this.#baseLabel(name, route, consumer, address));
  }

  #finder(metric: LabelledMetric, route: RouteInfo, value: (label: string) => string): SeriesFinder {
    const { name, disabled, extra } = metric;
    const labels = metricFamilies[name].labels.map((label) => (disabled.has(label) ? "" : value(label)));
    return new SeriesFinder(this.#metrics, name, disabled.has("route") ? "" : route.id, labels, extra);
  }

  #baseLabel(name: string, route: RouteInfo, consumer: string, address: string): string {
    switch (name) {
      case "route":
        return this.#preferName && route.name !== "" ? route.name : route.id;
      case "service":
        return this.#preferName && route.serviceName !== "" ? route.serviceName : route.serviceId;
      case "consumer":
        return consumer;
      case "node":
        return hostOf(address);
      default:
        return name === "request_type" ? "traditional_http" : "";
    }
  }

  /** Series were taken back, or there are too many sets. */
  #forget(): void {
    this.#epoch = this.#metrics.epoch;
    this.#routes = new WeakMap();
    this.#kept = 0;
    this.#last = null;
  }
}

/** Counts a stream that has ended. Streams are few beside requests: each looks its series up. */
export function countStream({ route }: RequestContext, metrics: PluginMetrics, preferName: boolean): void {
  const label = preferName && route.name !== "" ? route.name : route.id;
  const { cells, at } = metrics.series("stream_connection_total", route.id, [label]);
  cells[at]!++;
}

interface LabelledMetric {
  readonly name: "http_status" | "http_latency" | "bandwidth";
  readonly disabled: ReadonlySet<string>;
  readonly extra: readonly VariableAccessor[];
}

/** The series of a metric, of which some labels are known and others are variables of the request. */
class SeriesFinder {
  readonly #metrics: PluginMetrics;
  readonly #name: LabelledMetric["name"];
  readonly #route: string;
  readonly #labels: readonly string[];
  readonly #extra: readonly VariableAccessor[];
  readonly #only: Series | null;
  readonly #byExtra = new Map<string, Series>();

  constructor(
    metrics: PluginMetrics,
    name: LabelledMetric["name"],
    route: string,
    labels: readonly string[],
    extra: readonly VariableAccessor[],
  ) {
    this.#metrics = metrics;
    this.#name = name;
    this.#route = route;
    this.#labels = labels;
    this.#extra = extra;
    this.#only = extra.length === 0 ? metrics.series(name, route, labels) : null;
  }

  /** There was no place for it: it is not to be kept. */
  get overflow(): boolean {
    return this.#only?.overflow ?? false;
  }

  get(ctx: RequestContext): Series {
    return this.#only ?? this.#withExtra(ctx);
  }

  #withExtra(ctx: RequestContext): Series {
    const values = this.#extra.map((read) => read(ctx) ?? "");
    const key = values.join("\0");
    const known = this.#byExtra.get(key);
    if (known !== undefined) return known;
    const series = this.#metrics.series(this.#name, this.#route, [...this.#labels, ...values]);
    if (series.overflow) return series;
    if (this.#byExtra.size >= MAX_EXTRA) this.#byExtra.clear();
    this.#byExtra.set(key, series);
    return series;
  }
}

function extraOf({ extraLabels }: MetricSettings): readonly VariableAccessor[] {
  return extraLabels.map(({ variable }) => compileTextVariable(variable));
}

/** The address without its port; IPv6 without brackets. */
function hostOf(address: string): string {
  const colon = address.lastIndexOf(":");
  const host = colon < 0 ? address : address.slice(0, colon);
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
