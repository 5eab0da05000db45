import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Board, WorkerState } from "../../board/board.ts";
import { GatewayVitals } from "../../board/gateway-vitals.ts";
import { MetricMemory } from "../../board/metric-memory.ts";
import { MetricWriter } from "../../board/metric-writer.ts";
import { monotonicMs } from "../../lib/clock.ts";
import { familyNames, metricFamilies } from "../../lib/metric-families.ts";
import { prometheusSettings } from "../../settings/prometheus-settings.ts";
import { MetricsExporter } from "./exporter.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, "utf8");
const settings = prometheusSettings({ max_series: 20, default_buckets: [1, 10] });

/** An exporter of two workers, the second of which is not there, that knows something of everything. */
function exporting(): { exporter: MetricsExporter; board: Board; vitals: GatewayVitals; writers: MetricWriter[] } {
  const board = new Board();
  const vitals = new GatewayVitals();
  board.workerCount = 2;
  const rejected = { id: "1", field: "", error: "", since: 0, revision: 1, serving: "nothing" } as const;
  const exporter = new MetricsExporter({
    settings,
    unresponsiveAfterMs: 1_000,
    board,
    vitals,
    report: () => ({
      source: "etcd",
      revision: 7,
      hash: "",
      loadedAt: 2_000,
      lastChangeAt: 1_000,
      lastFailure: null,
      rejected: [
        { kind: "routes", ...rejected },
        { kind: "ssls", ...rejected },
      ],
    }),
    health: () => [
      {
        name: "/apisix/upstreams/1",
        type: "http",
        nodes: [{ hostname: "", ip: "10.0.0.1", port: 80, status: "mostly_unhealthy", counter: noCounts }],
      },
      {
        name: "/apisix/upstreams/2",
        type: "http",
        nodes: (["unhealthy", "healthy"] as const).map((status) => ({
          hostname: "",
          ip: "10.0.0.1",
          port: 8080,
          status,
          counter: noCounts,
        })),
      },
    ],
    indexes: () => new Map([["routes", 7]]),
    certificates: () => [
      [
        [
          ["id", "1"],
          ["sni", "a.com"],
        ],
        5,
      ],
    ],
    hasRoute: () => null,
  });
  const writers = [0, 1].map(() => {
    const memory = new MetricMemory({ maxSeries: 20, buckets: 2 });
    exporter.add(memory.memory);
    return new MetricWriter(memory);
  });
  return { exporter, board, vitals, writers };
}

const noCounts = { success: 0, http_failure: 0, tcp_failure: 0, timeout_failure: 0 };

function countEverywhere(writers: readonly MetricWriter[]): void {
  for (const writer of writers) {
    for (const family of familyNames) {
      const { cells, at } = writer.series(family, "", [...metricFamilies[family].labels]);
      cells[at]! += 2;
    }
  }
}

test("docs/metrics.md names every metric with its type and labels, and none that is not there", async () => {
  const { exporter, writers } = exporting();
  countEverywhere(writers);
  const text = (await exporter.text()) ?? "";
  exporter.close();
  const exported = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]),
  );
  const documented = new Map(
    [...read("docs/metrics.md").matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name = "", type = ""]) => [name, type]),
  );
  assert.deepEqual([...documented].sort(), [...exported].sort());
  for (const [, name = "", labels = ""] of read("docs/metrics.md").matchAll(/^\| `(\w+)` \| \w+ \| ([^|]*) \|/gm)) {
    const line = new RegExp(`^${name}(?:_bucket)?\\{(.*)\\} `, "m").exec(text)?.[1] ?? "";
    const shown = [...line.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== "le");
    if (!labels.startsWith("as ")) assert.deepEqual(shown, labels.match(/\w+/g) ?? [], name);
  }
});

test("alerts and dashboard use metrics that there are", () => {
  const known = new Set([...read("docs/metrics.md").matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name));
  const used = (read("deploy/prometheus/alerts.yml") + read("deploy/grafana/turnpike.json")).match(
    /\b(?:turnpike|apisix|process)_\w+/g,
  );
  assert.ok((used ?? []).length > 40);
  const unknown = (used ?? []).filter((name) => !known.has(name.replace(/_bucket$/, "")));
  assert.deepEqual([...new Set(unknown)], []);
});

test("what workers count is added up, and workers that are not there are down", async () => {
  const { exporter, board, vitals, writers } = exporting();
  countEverywhere(writers);
  const record = board.record(0);
  record.reset(0, 1, Date.now(), monotonicMs());
  record.acknowledge(7, 1n, 1);
  record.state = WorkerState.running;
  board.activate(0, record);
  vitals.judged(false, true);
  vitals.changed(40);
  vitals.note({ type: "worker-exited", worker: 1 });
  const lines = ((await exporter.text()) ?? "").split("\n");
  exporter.close();
  for (const line of [
    "turnpike_ready 0",
    "turnpike_alive 1",
    'turnpike_worker_up{worker="0"} 1',
    'turnpike_worker_up{worker="1"} 0',
    'turnpike_worker_revision{worker="0"} 7',
    'turnpike_worker_restarts_total{worker="1"} 1',
    'turnpike_config_rejected{kind="routes"} 1',
    'turnpike_config_rejected{kind="ssls"} 1',
    'turnpike_config_change_to_live_seconds_bucket{le="0.025"} 0',
    'turnpike_config_change_to_live_seconds_bucket{le="0.05"} 1',
    "turnpike_config_change_to_live_seconds_sum 0.04",
    'apisix_upstream_status{name="/apisix/upstreams/1",ip="10.0.0.1",port="80"} 0',
    // Both nodes are probed at one port.
    'apisix_upstream_status{name="/apisix/upstreams/2",ip="10.0.0.1",port="8080"} 0',
    "apisix_etcd_reachable 1",
    'apisix_etcd_modify_indexes{key="routes"} 7',
    'apisix_stream_connection_total{route="route"} 4',
    'turnpike_log_entries_dropped_total{plugin="plugin"} 4',
    'turnpike_metric_series{metric="http_status"} 1',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  const series = lines.filter((line) => /^\w/.test(line)).map((line) => line.slice(0, line.lastIndexOf(" ")));
  assert.deepEqual(
    series.filter((one, i) => series.indexOf(one) < i),
    [],
    "none is written twice",
  );
  assert.equal(
    lines.filter((line) => line.startsWith("apisix_http_latency_count{type=")).length,
    1,
    "no times of nodes",
  );
});

test("a worker that does not respond is down", async () => {
  const { exporter, board } = exporting();
  const record = board.record(0);
  record.reset(0, 1, Date.now(), monotonicMs() - 60_000);
  record.state = WorkerState.running;
  board.activate(0, record);
  const text = (await exporter.text()) ?? "";
  exporter.close();
  assert.match(text, /^turnpike_worker_up\{worker="0"\} 0$/m);
  assert.match(text, /^turnpike_worker_heartbeat_age_seconds\{worker="0"\} 6\d/m);
});
