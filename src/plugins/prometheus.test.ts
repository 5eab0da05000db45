import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricMemory } from "../board/metric-memory.ts";
import { labelsOf, MetricWriter } from "../board/metric-writer.ts";
import { SeriesState } from "../board/series-table.ts";
import { type FamilyName, metricFamilies } from "../lib/metric-families.ts";
import type { Attempt } from "../plugin/context.ts";
import { buildRequest, type FakeRequestOptions } from "../plugin/fake-request.ts";
import type { PluginEnv, PluginHandlers, Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { prometheus } from "./prometheus.ts";

const shape = { maxSeries: 20, buckets: 3 };
const attr = { default_buckets: [10, 100, 1_000] };
const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  address: "10.0.0.1:80",
  named: "10.0.0.1",
  scheme: "http",
  host: "a.com",
  status: 200,
  connectTime: 0,
  headerTime: 0.01,
  responseTime: 0.02,
  ...more,
});
const patterns = { uris: ["/a"], hosts: ["a.com"], uriOf: () => 0, hostOf: () => 0 };
const route = { id: "r1", name: "shop", serviceId: "s1", serviceName: "pay", patterns };

interface Counted {
  readonly handlers: PluginHandlers;
  readonly memory: MetricMemory;
  readonly writer: MetricWriter;
  log(options?: FakeRequestOptions): void;
  /** The live series of a family: labels that are not empty, by name, and the numbers. */
  series(family: FamilyName): [labels: Record<string, string>, cells: number[]][];
}

function counting(conf: object = {}, env: Partial<PluginEnv> = {}, extra: readonly string[] = []): Counted {
  const memory = new MetricMemory(shape);
  const writer = new MetricWriter(memory, () => Promise.resolve("all metrics"));
  const handlers = compileChecked(prometheus, conf, { ...buildEnv(), metrics: writer, attr, ...env });
  return {
    handlers,
    memory,
    writer,
    log: (options = {}) => handlers.log?.(buildRequest({ route, status: 200, attempts: [attempt()], ...options })),
    series(family) {
      const table = memory.table(family);
      const names = [...metricFamilies[family].labels, ...extra];
      return Array.from({ length: table.used }, (_, place) => place)
        .filter((place) => table.state(place) === SeriesState.live)
        .map((place) => {
          const rows = labelsOf(table.text(place)).labels.map((value, i): [string, string] => [names[i] ?? "", value]);
          const { cells } = table.shape;
          const labels = Object.fromEntries(rows.filter(([, value]) => value !== ""));
          return [labels, [...table.cells.subarray(place * cells, (place + 1) * cells)]];
        });
    },
  };
}

test("a request is counted by route, service, consumer and node", () => {
  const { log, series } = counting();
  log();
  log({ status: 404 });
  const base = { route: "r1", service: "s1", node: "10.0.0.1", request_type: "traditional_http" };
  const matched = { ...base, matched_uri: "/a", matched_host: "a.com", response_source: "upstream" };
  assert.deepEqual(series("http_status"), [
    [{ code: "200", ...matched }, [1]],
    [{ code: "404", ...matched }, [1]],
  ]);
  const [[labels, cells] = [{}, []]] = series("http_latency");
  assert.deepEqual(labels, base);
  // Buckets up to 10, 100, 1000 and above, then the sum: of the request, of the node, of the rest.
  assert.equal(
    cells.slice(0, 4).reduce((sum, count) => sum + count),
    2,
  );
  assert.deepEqual(cells.slice(5, 10), [0, 2, 0, 0, 40]);
  assert.equal(
    cells.slice(10, 14).reduce((sum, count) => sum + count),
    2,
  );
  assert.deepEqual(
    series("bandwidth").map(([one]) => one),
    [base],
  );
});

test("it is told who made the answer: a node, the gateway itself, or what went wrong with a node", () => {
  const { log, series } = counting();
  log();
  log({ attempts: [], status: 403 });
  log({ attempts: [attempt({ headerTime: -1, responseTime: -1 })], status: 502 });
  log({ attempts: [attempt({ headerTime: -1 }), attempt({ address: "[::1]:80" })] });
  const shown = series("http_status").map(([{ code, node, response_source }]) => [code, node, response_source]);
  assert.deepEqual(shown, [
    ["200", "10.0.0.1", "upstream"],
    ["403", undefined, "apisix"],
    ["502", "10.0.0.1", "nginx"],
    ["200", "::1", "upstream"],
  ]);
  const withoutNode = series("http_latency").find(([{ node }]) => node === undefined);
  assert.deepEqual(withoutNode?.[1].slice(5, 10), [0, 0, 0, 0, 0], "no node, no time of one");
});

test("names of routes and services where they are asked for and there", () => {
  const { log, series } = counting({ prefer_name: true });
  log();
  log({ route: { ...route, name: "", serviceName: "" } });
  const shown = series("bandwidth").map(([labels]) => [labels.route, labels.service]);
  assert.deepEqual(shown, [
    ["shop", "pay"],
    ["r1", "s1"],
  ]);
});

test("labels are added by the settings and emptied by the metadata", () => {
  const extra_labels = [{ agent: "$http_user_agent" }, { nothing: "$arg_x" }];
  const metadata = { disabled_labels: { http_status: ["node", "route", "matched_uri", "matched_host", "service"] } };
  const env = { attr: { ...attr, metrics: { http_status: { extra_labels } } }, metadata };
  const { log, series } = counting({}, env, ["agent", "nothing"]);
  log({ headers: [["User-Agent", "curl"]] });
  log({ headers: [["User-Agent", "wget"]], attempts: [attempt({ address: "10.0.0.2:80" })] });
  log({ headers: [["User-Agent", "curl"]], attempts: [attempt({ address: "10.0.0.2:80" })] });
  const rest = { code: "200", request_type: "traditional_http", response_source: "upstream" };
  assert.deepEqual(series("http_status"), [
    [{ ...rest, agent: "curl" }, [2]],
    [{ ...rest, agent: "wget" }, [1]],
  ]);
  assert.equal(series("http_latency").length, 2);
});

test("more nodes than there are places for: all are counted, memory is bounded", () => {
  const { log, series } = counting();
  for (let i = 0; i < 100; i++) log({ attempts: [attempt({ address: `10.0.1.${i}:80` })] });
  const counts = series("http_status").map(([, [count = 0]]) => count);
  assert.equal(counts.length, 21);
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    100,
  );
});

test("series that were taken back are counted anew", () => {
  const { log, series, memory, writer } = counting();
  log();
  memory.table("http_status").retire(0);
  memory.announceRetirement();
  log();
  assert.deepEqual(series("http_status"), []);
  writer.sweep();
  log();
  assert.deepEqual(
    series("http_status").map(([, cells]) => cells),
    [[1]],
  );
});

test("without an export server the metrics are there for public-api, below the configured path", async () => {
  assert.equal(counting().handlers.publicApis, undefined);
  const { handlers } = counting({}, { attr: { enable_export_server: false, export_uri: "/m" } });
  const api = handlers.publicApis?.get("/m");
  assert.deepEqual(await api?.(buildRequest()), {
    status: 200,
    headers: [["Content-Type", "text/plain; charset=utf-8"]],
    body: "all metrics",
  } satisfies Reply);
});

test("the plugin's own fields are checked", () => {
  assert.throws(() => counting({ prefer_name: "x" }), /prefer_name/);
  counting({ any: 1 });
});
