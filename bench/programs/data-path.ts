// The data path in one thread, without supervisor and control: for profiles.
//   node --cpu-prof bench/programs/data-path.ts PORT ORIGIN_PORT [four]
// `four`: key-auth, limit-count, request-id and prometheus.
import { Board } from "../../src/board/board.ts";
import { CounterTable } from "../../src/board/counter-table.ts";
import { MetricMemory } from "../../src/board/metric-memory.ts";
import { MetricWriter } from "../../src/board/metric-writer.ts";
import { createEngine } from "../../src/compile/engine.ts";
import { plugins } from "../../src/plugins/index.ts";
import type { Change, Kind } from "../../src/schema/kinds.ts";
import { validatorOf } from "../../src/schema/validate.ts";
import { settingsWith } from "../../src/worker/fixtures.ts";
import { createHttpServer } from "../../src/worker/http-server.ts";

const [port, origin, variant] = process.argv.slice(2);
const fourPlugins = {
  "key-auth": checked("key-auth", {}),
  "limit-count": checked("limit-count", { count: 1_000_000_000, time_window: 60 }),
  "request-id": checked("request-id", {}),
  prometheus: checked("prometheus", {}),
};
const upstream = {
  type: "roundrobin",
  scheme: "http",
  pass_host: "pass",
  hash_on: "vars",
  keepalive_pool: { size: 320, idle_timeout: 60, requests: 100_000_000 },
  nodes: [{ host: "127.0.0.1", port: Number(origin), weight: 1, priority: 0 }],
};
const route = { id: "1", uri: "/*", priority: 0, status: 1, upstream, plugins: variant === "four" ? fourPlugins : {} };
const consumer = { username: "bench", plugins: { "key-auth": { key: "bench-key" } } };

const settings = settingsWith({ keepaliveRequests: 100_000_000 });
const metrics = new MetricWriter(new MetricMemory({ maxSeries: 5_000, buckets: 15 }));
const engine = createEngine({ settings, plugins, counters: new CounterTable(), metrics, log: console });
const failures = engine.replace([resource("consumers", "bench", consumer), resource("routes", "1", route)]);
if (failures.length > 0) throw new Error(JSON.stringify(failures));

function resource(kind: Kind, id: string, value: object): Change {
  return { kind, id, text: JSON.stringify(value) };
}

/** The configuration with its defaults, as control passes it on. */
function checked(plugin: string, conf: object): object {
  const fault = validatorOf(plugins.get(plugin)!.schema).check(conf);
  if (fault !== null) throw new Error(fault.message);
  return conf;
}

const record = new Board().record(0);
const { certificates } = engine;
const tickets = { epoch: 0, secret: new Uint8Array(32) };
const parts = { settings, engine, certificates, tickets, record, slot: 0, accessLog: null, log: console };
const server = createHttpServer(parts);
await server.listen([{ ip: "127.0.0.1", port: Number(port), tls: false, http2: true, proxyProtocol: false }]);
process.on("SIGTERM", () => {
  server.close();
  process.exit(0);
});
