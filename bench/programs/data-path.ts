// The data path in one thread, without supervisor and control: for profiles, and for
// plugins that the gateway does not have.
//   node --cpu-prof bench/programs/data-path.ts PORT ORIGIN_PORT [four]
// `four`: key-auth and request-id, and stand-ins with the cost of limit-count and prometheus.
import { Board } from "../../src/board/board.ts";
import { createEngine } from "../../src/compile/engine.ts";
import type { BuiltPlugins } from "../../src/plugin/plugin.ts";
import { plugins } from "../../src/plugins/index.ts";
import type { Change, Kind } from "../../src/schema/kinds.ts";
import { settingsWith } from "../../src/worker/fixtures.ts";
import { createHttpServer } from "../../src/worker/http-server.ts";
import { counterStandIn, histogramStandIn } from "./stand-ins.ts";

const [port, origin, variant] = process.argv.slice(2);
const fourPlugins = {
  "key-auth": { header: "apikey", query: "apikey", hide_credentials: false, realm: "key" },
  "request-id": { header_name: "X-Request-Id", include_in_response: true, algorithm: "uuid" },
  [counterStandIn.name]: { count: 1_000_000_000 },
  [histogramStandIn.name]: {},
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
const registry: BuiltPlugins = new Map([
  ...plugins,
  ...[counterStandIn, histogramStandIn].map((plugin) => [plugin.name, plugin] as const),
]);
const engine = createEngine({ settings, plugins: registry, log: console });
const failures = engine.replace([resource("consumers", "bench", consumer), resource("routes", "1", route)]);
if (failures.length > 0) throw new Error(JSON.stringify(failures));

function resource(kind: Kind, id: string, value: object): Change {
  return { kind, id, text: JSON.stringify(value) };
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
