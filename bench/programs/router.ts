import { createEngine } from "../../src/compile/engine.ts";
import type { WorkerEngine } from "../../src/compile/engine.ts";
import { RememberedHost } from "../../src/compile/remembered-host.ts";
import type { RouteEntry } from "../../src/compile/route-entry.ts";
import type { RequestContext } from "../../src/plugin/context.ts";
import type { Change } from "../../src/schema/kinds.ts";
import { formatTable } from "../harness/table.ts";

/**
 * What the router costs, in one thread and without network: building a table, the
 * memory it takes, one match, one change. Run it with
 * `node --expose-gc bench/programs/router.ts`; without the flag memory is not measured.
 */

const collect = (globalThis as { gc?: () => void }).gc;

/** Routes as they are in the field: own hosts, shared hosts, prefixes, exact paths, methods, services, plugins. */
function mixedRoute(index: number): Change {
  const host = [
    `host-${index}.example.com`,
    `*.tenant-${index % 5000}.example.org`,
    `shared-${index % 50}.example.net`,
  ];
  const fields = {
    id: String(index),
    name: `route-${index}`,
    ...(index % 4 === 3 ? {} : { hosts: [host[index % 4]] }),
    uri: index % 2 === 0 ? `/api/v${index % 3}/resource-${index}/*` : `/api/v${index % 3}/item/${index}`,
    methods: index % 5 === 0 ? ["GET", "POST"] : undefined,
    priority: 0,
    status: 1,
    labels: { team: `team-${index % 97}`, env: "prod" },
    upstream_id: String(index % 10_000),
  };
  return { kind: "routes", id: fields.id, text: JSON.stringify(fields) };
}

function hostOf(index: number): string {
  switch (index % 4) {
    case 0:
      return `host-${index}.example.com`;
    case 1:
      return `x.tenant-${index % 5000}.example.org`;
    default:
      return `shared-${index % 50}.example.net`;
  }
}

function mixedRequest(index: number): RequestContext {
  const path = index % 2 === 0 ? `/api/v${index % 3}/resource-${index}/42/x` : `/api/v${index % 3}/item/${index}`;
  return requestFor(hostOf(index), path);
}

/** The reported bad case: every route has the path `/*`, one other field tells them apart. */
function sharedPathRoute(index: number, field: object): Change {
  const fields = { id: String(index), uri: "/*", ...field, priority: 0, status: 1, upstream_id: "1" };
  return { kind: "routes", id: fields.id, text: JSON.stringify(fields) };
}

function upstreamChange(index: number): Change {
  const fields = {
    id: String(index),
    type: "roundrobin",
    scheme: "http",
    pass_host: "pass",
    hash_on: "vars",
    nodes: [
      { host: "10.0.0.1", port: 8080, weight: 1, priority: 0 },
      { host: "10.0.0.2", port: 8080, weight: 1, priority: 0 },
    ],
  };
  return { kind: "upstreams", id: fields.id, text: JSON.stringify(fields) };
}

function requestFor(host: string, uri: string): RequestContext {
  const read = { host, uri, routePath: uri, method: "GET", remoteAddr: "127.0.0.1", header: () => host };
  return read as unknown as RequestContext;
}

function emptyEngine(router: "radixtree_host_uri" | "radixtree_uri"): WorkerEngine {
  const upstream = {
    keepalive: 320,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    maxHead: 4_096,
    serverName: true,
  };
  const log = { warn: console.error, error: console.error };
  return createEngine({
    settings: { router, upstream, pluginAttr: {}, trustedCertificates: null },
    plugins: new Map(),
    log,
  });
}

/**
 * Nanoseconds per call of the fastest of several rounds; requests are made beforehand. As in a gateway
 * hosts are known from earlier requests; paths are the same texts again and again, which flatters whatever interns them.
 */
function matchCost(engine: WorkerEngine, asked: readonly RequestContext[]): number {
  const hosts = new Map(asked.map(({ host }) => [host, new RememberedHost<RouteEntry>()]));
  const requests = asked.map((ctx) => ({ ctx, host: hosts.get(ctx.host) ?? null }));
  for (const { ctx, host } of requests) {
    if (!engine.match(ctx, host).found) throw new Error(`no route for ${ctx.uri}`);
  }
  let best = Infinity;
  for (let round = 0; round < 20; round++) {
    const calls = 200_000;
    const started = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) {
      const { ctx, host } = requests[i % requests.length] as (typeof requests)[number];
      engine.match(ctx, host);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - started) / calls);
  }
  return best;
}

/** Microseconds for changing one route there and back, the median of many. */
function changeCost(engine: WorkerEngine, make: (index: number) => Change, count: number): number {
  const times: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const change = make((i * 7919) % count);
    const text = JSON.stringify({ ...JSON.parse(change.text ?? ""), priority: (i % 7) + 1 });
    const started = process.hrtime.bigint();
    engine.apply([{ ...change, text }]);
    times.push(Number(process.hrtime.bigint() - started) / 1000);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
}

function megabytes(): number {
  collect?.();
  return process.memoryUsage().heapUsed / 1e6;
}

function measure(
  title: string,
  router: "radixtree_host_uri" | "radixtree_uri",
  count: number,
  make: (index: number) => Change,
  ask: (index: number) => RequestContext,
): string[] {
  const changes = Array.from({ length: count }, (_, i) => make(i));
  const upstreams = Array.from({ length: Math.min(count + 1, 10_000) }, (_, i) => upstreamChange(i));
  const before = megabytes();
  const engine = emptyEngine(router);
  const started = performance.now();
  const failures = engine.replace([...upstreams, ...changes]);
  const built = performance.now() - started;
  if (failures.length > 0) throw new Error(JSON.stringify(failures[0]));
  const memory = megabytes() - before;
  // The same number of distinct requests whatever the size, so that only the table differs.
  const requests = Array.from({ length: 1000 }, (_, i) => ask(Math.floor((i * count) / 1000)));
  const match = matchCost(engine, requests);
  const change = changeCost(engine, make, count);
  return [
    title,
    String(count),
    built.toFixed(0),
    collect === undefined ? "" : memory.toFixed(1),
    match.toFixed(0),
    change.toFixed(1),
  ];
}

function sharedPath(title: string, fieldOf: (name: string) => object): string[][] {
  const nameOf = (index: number): string => `h${index}.example.com`;
  return [1, 1_000, 15_000].map((count) =>
    measure(
      `all on /*, told apart by ${title}`,
      "radixtree_host_uri",
      count,
      (index) => sharedPathRoute(index, fieldOf(nameOf(index))),
      (index) => requestFor(nameOf(index), "/any"),
    ),
  );
}

const rows = [
  ...[1, 1_000, 50_000].map((count) =>
    measure("hosts, prefixes and paths mixed", "radixtree_host_uri", count, mixedRoute, mixedRequest),
  ),
  ...sharedPath("host", (name) => ({ host: name })),
  ...sharedPath("vars", (name) => ({ vars: [["http_x_tenant", "==", name]] })),
];
const columns = ["table", "routes", "build, ms", "memory, MB", "match, ns", "change, µs"];
const table = { title: "The router alone", columns, rows };
console.log(process.argv.includes("--json") ? JSON.stringify(table) : formatTable(table));
