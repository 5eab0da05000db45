import { hostname } from "node:os";
import { type Board, WorkerState } from "../../board/board.ts";
import { CHANGE_TO_LIVE_BOUNDS, type GatewayVitals } from "../../board/gateway-vitals.ts";
import { overflowCell, WorkerCell } from "../../board/metric-memory.ts";
import { familyNames } from "../../lib/metric-families.ts";
import { monotonicMs } from "../../lib/clock.ts";
import { version } from "../../lib/version.ts";
import type { ConfigReport } from "../../messages/messages.ts";
import type { HealthReport } from "../control-api/healthcheck.ts";
import { headLines, histogram, type Labels, metric, single } from "./exposition.ts";
import type { SeriesReader } from "./series-reader.ts";

/** What the metrics of the whole gateway are made of. Nothing here waits or asks another thread. */
export interface GatewayFacts {
  /** `metric_prefix`. */
  readonly prefix: string;
  readonly unresponsiveAfterMs: number;
  readonly board: Board;
  readonly vitals: GatewayVitals;
  readonly reader: SeriesReader;
  report(): ConfigReport;
  /** The checked upstreams. */
  health(): readonly HealthReport[];
  /** Indexes by key of a source that has them; `null`: it has none. */
  indexes(): ReadonlyMap<string, number> | null;
  /** When certificates end, Unix seconds. */
  certificates(): readonly (readonly [labels: Labels, unixSeconds: number])[];
}

/** APISIX's metrics that are no series of workers. */
export function apisixLines(facts: GatewayFacts): string {
  const { prefix, reader, board } = facts;
  const total = (cell: number): number => reader.workerTotal(cell);
  const accepted = total(WorkerCell.accepted);
  const states = {
    accepted,
    active: sumOf(board, ({ connections }) => connections),
    handled: accepted - total(WorkerCell.refused),
    reading: total(WorkerCell.reading),
    waiting: total(WorkerCell.waiting),
    writing: total(WorkerCell.writing),
  };
  const overflowed = familyNames.reduce((sum, family) => sum + total(overflowCell(family)), 0);
  const node: Labels = [
    ["hostname", hostname()],
    ["version", version],
  ];
  return [
    metric(`${prefix}nginx_http_current_connections`, "gauge", "Number of HTTP connections", labelled("state", states)),
    single(
      `${prefix}http_requests_total`,
      "gauge",
      "The total number of client requests since APISIX started",
      total(WorkerCell.requests),
    ),
    ...keyedSourceLines(facts),
    metric(
      `${prefix}upstream_status`,
      "gauge",
      "Upstream status from health check",
      facts.health().flatMap(upstreamStatus),
    ),
    metric(`${prefix}node_info`, "gauge", "Info of APISIX node", [[node, 1]]),
    single(
      `${prefix}nginx_metric_errors_total`,
      "counter",
      "Counts that had no series of their own: turnpike_metric_overflowed_total says of which metric",
      overflowed,
    ),
  ].join("");
}

function keyedSourceLines({ prefix, indexes, report }: GatewayFacts): string[] {
  const values = indexes();
  const { source, lastFailure, revision } = report();
  if (values === null && source !== "etcd") return [];
  const reachable = revision > 0 && lastFailure?.current !== true;
  return [
    single(
      `${prefix}etcd_reachable`,
      "gauge",
      "Config server etcd reachable from APISIX, 0 is unreachable",
      reachable ? 1 : 0,
    ),
    metric(
      `${prefix}etcd_modify_indexes`,
      "gauge",
      "Etcd modify index for APISIX keys",
      labelled("key", Object.fromEntries(values ?? [])),
    ),
  ];
}

/** The gateway's own: whether it is ready, and why not. */
export function turnpikeLines(facts: GatewayFacts): string {
  const { board, vitals, reader } = facts;
  const changes = vitals.changeToLive;
  const name = "turnpike_config_change_to_live_seconds";
  return [
    metric("turnpike_build_info", "gauge", "Version of Turnpike", [[[["version", version]], 1]]),
    single("turnpike_ready", "gauge", "1 where GET /status/ready answers 200", vitals.ready ? 1 : 0),
    single("turnpike_alive", "gauge", "1 where GET /status answers 200", vitals.alive ? 1 : 0),
    single("turnpike_draining", "gauge", "1 while the gateway drains", board.draining ? 1 : 0),
    ...workerLines(facts),
    ...configLines(facts),
    headLines(name, "histogram", "Time from the acceptance of a change until every worker serves it"),
    histogram(name, [], CHANGE_TO_LIVE_BOUNDS, changes.buckets, changes.sum),
    metric("turnpike_reloads_total", "counter", "Reloads of config.yaml, by result", [
      [[["result", "done"]], vitals.reloads],
      [[["result", "failed"]], vitals.reloadFailures],
    ]),
    single(
      "turnpike_control_restarts_total",
      "counter",
      "Unasked-for ends of the control thread",
      vitals.controlRestarts,
    ),
    metric(
      "turnpike_certificate_expiry_timestamp_seconds",
      "gauge",
      "When the certificate of an ssl resource ends",
      facts.certificates(),
    ),
    metric(
      "turnpike_metric_overflowed_total",
      "counter",
      "Counts that had no series of their own because max_series are there, by metric",
      familyNames.map((family) => [[["metric", family]], reader.workerTotal(overflowCell(family))]),
    ),
    processLines(vitals.startedAt),
  ].join("");
}

function configLines({ report, vitals }: GatewayFacts): string[] {
  const { revision, loadedAt, lastChangeAt, lastFailure, rejected } = report();
  const kinds = new Map<string, number>();
  for (const { kind } of rejected) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return [
    single("turnpike_config_revision", "gauge", "Revision of the configuration that was accepted last", revision),
    single(
      "turnpike_config_source_up",
      "gauge",
      "1 where the configuration source can be read",
      revision > 0 && lastFailure?.current !== true ? 1 : 0,
    ),
    single(
      "turnpike_config_load_failures_total",
      "counter",
      "Times that the configuration source began to fail",
      vitals.loadFailures,
    ),
    single(
      "turnpike_config_loaded_timestamp_seconds",
      "gauge",
      "When the configuration was loaded last, 0: never",
      loadedAt / 1_000,
    ),
    single(
      "turnpike_config_changed_timestamp_seconds",
      "gauge",
      "When a load last changed something, 0: never",
      lastChangeAt / 1_000,
    ),
    metric(
      "turnpike_config_rejected",
      "gauge",
      "Resources that are rejected now, by kind",
      // A row that is always there, so that an alert has something to compare with.
      labelled("kind", { routes: 0, ...Object.fromEntries(kinds) }),
    ),
  ];
}

function workerLines({ board, vitals, reader, unresponsiveAfterMs }: GatewayFacts): string[] {
  const now = monotonicMs();
  const rows = (value: (slot: number) => number): (readonly [Labels, number])[] =>
    Array.from({ length: board.workerCount }, (_, slot) => [[["worker", String(slot)]], value(slot)]);
  const of = (slot: number): ReturnType<Board["active"]> => board.active(slot);
  const isUp = (slot: number): boolean => {
    const record = of(slot);
    return record?.state === WorkerState.running && now - record.heartbeat <= unresponsiveAfterMs;
  };
  const gauge = (name: string, help: string, value: (slot: number) => number): string =>
    metric(`turnpike_worker_${name}`, "gauge", help, rows(value));
  return [
    single("turnpike_workers", "gauge", "Workers that are configured", board.workerCount),
    gauge("up", "1 where the worker serves its configuration and responds", (slot) => (isUp(slot) ? 1 : 0)),
    gauge("revision", "Revision that the worker serves, 0: none", (slot) => of(slot)?.revision ?? 0),
    gauge("heartbeat_age_seconds", "Time since the worker's last sign of life", (slot) => {
      const record = of(slot);
      return record === undefined ? 0 : Math.max(0, now - record.heartbeat) / 1_000;
    }),
    gauge(
      "event_loop_delay_seconds",
      "Longest delay of the worker's event loop within the last second that it reported",
      (slot) => (of(slot)?.loopDelayUs ?? 0) / 1_000_000,
    ),
    gauge("connections", "Open connections of clients", (slot) => of(slot)?.connections ?? 0),
    gauge(
      "upstream_connections",
      "Open connections to nodes, idle ones included",
      (slot) => of(slot)?.upstreamConnections ?? 0,
    ),
    gauge("upstream_queued", "Requests that wait for a connection to a node", (slot) => of(slot)?.upstreamQueued ?? 0),
    metric(
      "turnpike_worker_restarts_total",
      "counter",
      "Unasked-for ends of the worker's threads",
      rows((slot) => vitals.restarts(slot)),
    ),
    single(
      "turnpike_upstream_connect_failures_total",
      "counter",
      "Attempts to connect to nodes that came to nothing",
      reader.workerTotal(WorkerCell.connectFailures) + reader.workerTotal(WorkerCell.streamConnectFailures),
    ),
    single(
      "turnpike_connections_refused_total",
      "counter",
      "Connections and UDP sessions that were more than worker_connections",
      reader.workerTotal(WorkerCell.refused) + reader.workerTotal(WorkerCell.streamsRefused),
    ),
  ];
}

function processLines(startedAt: number): string {
  const { user, system } = process.cpuUsage();
  return (
    single("process_cpu_seconds_total", "counter", "CPU time of the process", (user + system) / 1_000_000) +
    single("process_resident_memory_bytes", "gauge", "Resident memory of the process", process.memoryUsage.rss()) +
    single("process_start_time_seconds", "gauge", "When the gateway was started", startedAt)
  );
}

/** Rows of one label. */
function labelled(label: string, values: Readonly<Record<string, number>>): (readonly [Labels, number])[] {
  return Object.entries(values).map(([value, count]) => [[[label, value]], count]);
}

function sumOf(board: Board, value: (record: NonNullable<ReturnType<Board["active"]>>) => number): number {
  let sum = 0;
  for (let slot = 0; slot < board.workerCount; slot++) {
    const record = board.active(slot);
    if (record !== undefined && record.state !== WorkerState.absent) sum += value(record);
  }
  return sum;
}

/** Nodes that are probed at one address are one series, which says 0 where one of them is unhealthy. */
function upstreamStatus({ name, nodes }: HealthReport): readonly (readonly [Labels, number])[] {
  const worst = new Map<string, readonly [Labels, number]>();
  for (const { ip, port, status } of nodes) {
    const key = `${ip} ${port}`;
    const value = status === "healthy" || status === "mostly_healthy" ? 1 : 0;
    const labels: Labels = [
      ["name", name],
      ["ip", ip],
      ["port", String(port)],
    ];
    worst.set(key, [labels, Math.min(value, worst.get(key)?.[1] ?? 1)]);
  }
  return [...worst.values()];
}
