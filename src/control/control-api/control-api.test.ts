import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { ExplainTable } from "../../compile/explain.ts";
import type { Kind } from "../../schema/kinds.ts";
import type { Repository, StoredValue } from "../../source/repository.ts";
import { createApiSource } from "../../source/api-driven.ts";
import { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import { createStore, nodes, plugins, route, type Lists } from "../../store/testing.ts";
import { buildLoadedView } from "../../store/store-view.ts";
import { controlEndpoints, type ControlDeps } from "./endpoints.ts";
import type { HealthReport } from "./healthcheck.ts";
import { indexesOfPushes, indexesOfRepository, indexesOfRevision } from "./indexes.ts";
import { createControlApi, listenControlApi } from "./server.ts";

interface Reply {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  readonly json: unknown;
}

/** A Control API over a store with these resources. */
async function startApi(t: TestContext, lists: Lists = {}, more: Partial<ControlDeps> = {}) {
  const { store, apply } = createStore();
  apply(lists);
  const done: string[] = [];
  const errors: string[] = [];
  const table = new ExplainTable("radixtree_host_uri");
  const endpoints = controlEndpoints({
    loaded: Promise.resolve(buildLoadedView(store, { plugins, settled: () => Promise.resolve(true) })),
    indexes: indexesOfRevision(() => store.revision),
    prefix: "/apisix",
    drain: (on) => void done.push(on ? "drain" : "undrain"),
    faults: null,
    plugins: ["key-auth"],
    users: new UserPluginTable(),
    streamPlugins: ["ip-restriction"],
    reloadPlugins: () => Promise.resolve(),
    health: () => [],
    nodeHealth: () => null,
    targets: { get: () => undefined },
    discovery: { dns: null, consul: null, kubernetes: [] },
    discovered: { targets: () => [], clusters: () => [] },
    registry: plugins,
    settings: {
      matching: { encodedSlash: false, graphqlMaxSize: 0, postArgMaxSize: 0 },
      http: { normalizeUriLikeServlet: false, deleteUriTailSlash: false },
      upstream: { keepalive: 1, keepaliveRequests: 1, keepaliveTimeoutMs: 1, maxHead: 4_096, serverName: true },
    },
    routes() {
      table.sync(store.held.values());
      return Promise.resolve(table);
    },
    ...more,
  });
  const server = createControlApi(endpoints, { error: (message) => void errors.push(message) });
  const { port } = await listenControlApi(server, { ip: "127.0.0.1", port: 0 });
  t.after(() => server.close());
  const ask = async (path: string, init: RequestInit = {}): Promise<Reply> => {
    const headers = { Connection: "close" };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, ...init });
    const text = await response.text();
    const type = response.headers.get("content-type");
    return {
      status: response.status,
      type,
      text,
      json: type === "application/json" ? JSON.parse(text || "null") : null,
    };
  };
  return { ask, apply, done, errors };
}

const bodyOf = async (reply: Promise<Reply>): Promise<unknown> => (await reply).json;

test("without resources lists are empty lists, and single ones are not there", async (t) => {
  const { ask } = await startApi(t);
  for (const path of ["routes", "services", "upstreams", "plugin_metadatas", "healthcheck"]) {
    assert.deepEqual(await bodyOf(ask(`/v1/${path}`)), [], path);
  }
  for (const [path, error] of [
    ["route/x", "route[x] not found"],
    ["service/x", "service[x] not found"],
    ["upstream/x", "upstream[x] not found"],
    ["plugin_metadata/x", "plugin metadata[x] not found"],
  ] as const) {
    const { status, json } = await ask(`/v1/${path}`);
    assert.deepEqual([status, json], [404, { error_msg: error }]);
  }
});

const pem = `-----BEGIN PRIVATE KEY-----\n${"x".repeat(64)}`;

test("shows what is loaded: defaults, nodes as a list, indexes, no private key", async (t) => {
  const { ask } = await startApi(t, {
    routes: [route("1", { upstream: { nodes: { "example.test": 1, "[::1]:81": 2 } }, plugins: { fragile: {} } })],
    services: [{ id: "s", upstream_id: "u" }],
    upstreams: [
      {
        id: "u",
        nodes: [{ host: "127.0.0.1", port: 80, weight: 1 }],
        tls: { client_cert: "c".repeat(128), client_key: pem },
      },
    ],
    plugin_metadata: [{ id: "fragile", size: 3 }],
  });
  const first = {
    key: "/apisix/routes/1",
    value: {
      id: "1",
      uri: "/1",
      priority: 0,
      status: 1,
      plugins: { fragile: { _meta: {}, fail: false } },
      upstream: {
        type: "roundrobin",
        scheme: "http",
        pass_host: "pass",
        hash_on: "vars",
        nodes: [
          { host: "[::1]", port: 81, weight: 2 },
          { host: "example.test", port: 80, weight: 1 },
        ],
      },
    },
    has_domain: true,
    modifiedIndex: 1,
    orig_modifiedIndex: 1,
  };
  assert.deepEqual(await bodyOf(ask("/v1/routes")), [first]);
  for (const path of ["1", "1/", "1/x", "%31"]) assert.deepEqual(await bodyOf(ask(`/v1/route/${path}`)), first);
  assert.deepEqual(await bodyOf(ask("/v1/service/s")), {
    key: "/apisix/services/s",
    value: { id: "s", upstream_id: "u" },
    has_domain: false,
    modifiedIndex: 1,
  });
  const upstream = await ask("/v1/upstream/u");
  assert.ok(upstream.text.includes('"client_cert"'));
  assert.ok(!upstream.text.includes("PRIVATE KEY"));
  assert.deepEqual(await bodyOf(ask("/v1/plugin_metadata/fragile")), { id: "fragile", size: 3 });
  assert.deepEqual(await bodyOf(ask("/v1/plugin_metadatas")), [{ id: "fragile", size: 3 }]);
});

test("other methods and paths are 404 and say what there is; several slashes are one", async (t) => {
  const { ask } = await startApi(t);
  assert.equal((await ask("//v1//routes")).status, 200);
  for (const path of [
    "/",
    "/v1",
    "/v1/",
    "/v1/nonsense",
    "/v1/routes/",
    "/V1/ROUTES",
    "/v1/route",
    "/v1/discovery/dns/dump",
  ]) {
    const { status, json } = await ask(path);
    assert.equal(status, 404, path);
    assert.ok((json as { endpoints: string[] }).endpoints.includes("GET /v1/routes"), path);
  }
  for (const [method, path] of [
    ["POST", "/v1/routes"],
    ["HEAD", "/v1/routes"],
    ["GET", "/v1/gc"],
    ["GET", "/v1/plugins/reload"],
    ["GET", "/v1/drain"],
    ["DELETE", "/v1/route/x"],
  ] as const) {
    assert.equal((await ask(path, { method })).status, 404, `${method} ${path}`);
  }
  assert.equal((await ask("/v1/route/%zz")).status, 400);
});

test("drain, gc and reload", async (t) => {
  const { ask, done } = await startApi(t);
  const post = (path: string, method = "POST"): Promise<Reply> => ask(path, { method });
  assert.deepEqual(await bodyOf(post("/v1/drain")), { draining: true });
  assert.deepEqual(await bodyOf(post("/v1/undrain")), { draining: false });
  assert.deepEqual(done, ["drain", "undrain"]);
  const { status, type, text } = await post("/v1/gc");
  assert.deepEqual([status, type, text], [200, "text/plain; charset=utf-8", ""]);
  assert.equal((await post("/v1/plugins/reload", "PUT")).text, "done");
  assert.equal((await post("/v1/faults?fault=control-crash")).status, 404);
});

test("health checks: all, one, and why there is none", async (t) => {
  const counter = { success: 1, http_failure: 0, tcp_failure: 0, timeout_failure: 0 };
  const report: HealthReport = {
    name: "/apisix/upstreams/u",
    type: "http",
    nodes: [{ hostname: "127.0.0.1", ip: "127.0.0.1", port: 80, status: "unhealthy", counter }],
  };
  const lists = {
    upstreams: [
      { id: "u", nodes },
      { id: "v", nodes },
    ],
    routes: [route("1", { upstream_id: "u" })],
  };
  const { ask } = await startApi(t, lists, { health: () => [report], nodeHealth: () => "unhealthy" });
  assert.deepEqual(await bodyOf(ask("/v1/healthcheck")), [report]);
  assert.deepEqual(await bodyOf(ask("/v1/healthcheck/upstreams/u/y")), report);
  for (const path of ["/v1/healthcheck", "/v1/healthcheck/upstreams/u"]) {
    const page = await ask(path, { headers: { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" } });
    assert.deepEqual([page.status, page.type], [200, "text/html; charset=utf-8"]);
    assert.match(page.text, /<td>\/apisix\/upstreams\/u<\/td><td>http<\/td><td>127\.0\.0\.1:80<\/td><td>unhealthy</);
  }
  for (const [path, status, error] of [
    ["routes", 404, "missing src id for src type routes"],
    ["upstreams/x", 404, "upstreams[x] not found"],
    ["upstreams/v", 404, "no checker for upstreams[v]"],
    ["nonsense/x", 400, "invalid src type nonsense"],
    ["consumers/x", 400, "invalid src type consumers"],
  ] as const) {
    const reply = await ask(`/v1/healthcheck/${path}`);
    assert.deepEqual([reply.status, reply.json], [status, { error_msg: error }]);
  }
  const explained = (await bodyOf(ask("/v1/explain?path=/1"))) as { upstream: Record<string, unknown> };
  assert.deepEqual(
    [explained.upstream["nodes"], explained.upstream["node"]],
    [[{ address: "127.0.0.1:80", weight: 1, priority: 0, health: "unhealthy" }], "127.0.0.1:80"],
    "where no node is healthy all of them are used",
  );
});

test("schemas of kinds and plugins", async (t) => {
  const { ask } = await startApi(t);
  const { main, plugins: shown } = (await bodyOf(ask("/v1/schema"))) as Record<string, Record<string, never>>;
  assert.ok(["route", "upstream", "consumer", "plugins", "upstream_hash_vars_schema"].every((name) => main?.[name]));
  const keyAuth = shown?.["key-auth"] as unknown as Record<string, unknown>;
  assert.deepEqual([keyAuth["priority"], keyAuth["version"], keyAuth["type"]], [2500, 0.1, "auth"]);
  assert.ok("_meta" in (keyAuth["schema"] as { properties: object }).properties);
  assert.ok("consumer_schema" in keyAuth);
});

test("explain: the node of chash is that of the consumer and the route, and open where the hash is not known", async (t) => {
  const nodes = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`127.0.0.1:${i + 1}`, 1]));
  const chash = (id: string, on: object, fields: object = {}): object =>
    route(id, { upstream: { type: "chash", nodes, ...on }, ...fields });
  const { ask } = await startApi(t, {
    consumers: ["ann", "bob", "eve", "jim", "kay"].map((username) => ({ username })),
    routes: [
      chash("header", { hash_on: "header", key: "x-name" }),
      chash("consumer", { hash_on: "consumer" }, { plugins: { "key-auth": {} } }),
      chash("open", { hash_on: "consumer" }),
      chash("port", { key: "remote_port" }),
      chash("arg", { key: "arg_remote_port" }),
      chash("many", { hash_on: "vars_combinations", key: "$uri-${remote_port}" }),
      chash("route", { hash_on: "vars_combinations", key: "$route_id" }),
    ],
  });
  const nodeOf = async (query: string): Promise<unknown> => {
    const { upstream } = (await bodyOf(ask(`/v1/explain?path=/${query}`))) as { upstream: { node: unknown } };
    return upstream.node;
  };
  for (const name of ["ann", "bob", "eve", "jim", "kay"]) {
    assert.equal(await nodeOf(`consumer&consumer=${name}`), await nodeOf(`header&header=X-Name:${name}`), name);
  }
  assert.equal(await nodeOf("route"), await nodeOf("header&header=X-Name:route"));
  assert.equal(await nodeOf("open"), await nodeOf("header"), "nobody authenticates: by the client's address");
  for (const path of ["consumer", "port", "many"]) assert.equal(await nodeOf(path), null, path);
  assert.notEqual(await nodeOf("arg"), null);
});

test("explain: the same by POST and GET; secrets are masked; what is asked wrongly is said", async (t) => {
  const { ask } = await startApi(t, {
    global_rules: [{ id: "g", plugins: { fragile: {} } }],
    routes: [
      route("1", {
        upstream: { nodes: { "127.0.0.1:80": 1, "127.0.0.1:81": 1 } },
        methods: ["PUT"],
        plugins: { fragile: { opts: { password: "topsecret" } } },
      }),
    ],
  });
  const request = { method: "PUT", path: "/1?a=b", host: "x.test", headers: { "X-A": "1" }, remote_addr: "::1" };
  const posted = await ask("/v1/explain", { method: "POST", body: JSON.stringify(request) });
  const got = await ask("/v1/explain?method=PUT&path=/1%3Fa=b&host=x.test&header=X-A:%201&remote_addr=::1");
  assert.deepEqual([posted.status, posted.json], [200, got.json]);
  const { matched, plugins: shown, upstream } = posted.json as Record<string, unknown>;
  assert.equal((matched as { route: string }).route, "routes/1");
  assert.deepEqual((shown as { conf: unknown }[])[1]?.conf, { fail: false, opts: { password: "***" } });
  const { node, candidates } = upstream as { node: unknown; candidates: unknown };
  assert.deepEqual([node, candidates], [null, ["127.0.0.1:80", "127.0.0.1:81"]]);
  const missed = (await bodyOf(ask("/v1/explain?path=/1"))) as Record<string, unknown>;
  assert.deepEqual([missed["matched"], missed["answer"]], [null, "404 Route Not Found"]);
  assert.deepEqual(
    (missed["plugins"] as { from: string }[]).map(({ from }) => from),
    ["global_rules/g"],
    "global rules run where no route matched, too",
  );
  for (const [query, error] of [
    ["", /"path" is required/],
    ["path=a", /property "path" validation failed/],
    ["path=/a&x=1", /additional properties forbidden, found x/],
    ["path=/a&remote_addr=y", /remote_addr: y is no address/],
    ["path=/a&header=x", /header: expected Name: value/],
    ["path=/..", /is refused with 400/],
  ] as const) {
    const { status, text } = await ask(`/v1/explain?${query}`);
    assert.equal(status, 400, query);
    assert.match(text.replaceAll("\\", ""), error);
  }
  for (const body of ["{", "[]", "5", '{"path":1}']) {
    assert.equal((await ask("/v1/explain", { method: "POST", body })).status, 400, body);
  }
  const large = await ask("/v1/explain", { method: "POST", body: "x".repeat(70_000) }).catch(() => null);
  assert.ok(large === null || large.status === 413);
});

test("a failure of ours is 500 and in the log", async (t) => {
  const { ask, errors } = await startApi(t, {}, { health: () => Promise.reject(new Error("gone")) });
  assert.equal((await ask("/v1/healthcheck")).status, 500);
  assert.deepEqual(errors, ["control: GET /v1/healthcheck: gone"]);
});

test("indexes: of a store by key, of pushes, and without a store that answers", async () => {
  const value: StoredValue = { key: "routes/1", text: "{}", createRevision: 3, modRevision: 5 };
  const repository = {
    get: (key: string) => Promise.resolve(key === "routes/1" ? value : null),
    list: () => Promise.resolve({ revision: 5, values: [value] }),
  } as unknown as Repository;
  const stored = indexesOfRepository(repository);
  const expected = { createdIndex: 3, modifiedIndex: 5 };
  assert.deepEqual(
    [await stored.of("routes", "1"), await stored.of("routes", "2"), (await stored.all("routes"))("1")],
    [expected, {}, expected],
  );
  const down = { get: () => Promise.reject(new Error()), list: () => Promise.reject(new Error()) };
  const lost = indexesOfRepository(down as unknown as Repository);
  assert.deepEqual([await lost.of("routes", "1"), (await lost.all("routes"))("1")], [{}, {}]);
  const routes = [{ uri: "/x" }, { id: "b", modifiedIndex: 9 }];
  const lists: Partial<Record<Kind, unknown[]>> = { routes };
  const source = createApiSource({ restored: { digest: "", lastModified: 0, versions: { routes: 4 }, lists } });
  const pushed = await indexesOfPushes(source).all("routes");
  assert.deepEqual([pushed("arr_1"), pushed("b"), pushed("c")], [{ modifiedIndex: 4 }, { modifiedIndex: 9 }, {}]);
});

test("what Consul has told, with what it was asked by; its token is masked", async (t) => {
  const consul = {
    servers: ["http://c:8500"],
    token: "hunter2",
    answerMs: 1,
    waitMs: null,
    intervalMs: 3_000,
    weight: 1,
    skipped: ["internal"],
    fallback: { host: "10.0.0.9", port: 80, weight: 2 },
  };
  const target = { host: "10.0.0.1", port: 8080, weight: 5, priority: 0 };
  const { ask } = await startApi(
    t,
    {},
    {
      discovery: { dns: null, consul, kubernetes: [] },
      discovered: {
        targets: () => [
          ["consul/shop", [target]],
          ["name/a.test", [target]],
        ],
        clusters: () => [],
      },
    },
  );
  assert.deepEqual((await ask("/v1/discovery/consul/dump")).json, {
    config: {
      servers: ["http://c:8500"],
      token: "***",
      keepalive: false,
      fetch_interval: 3,
      weight: 1,
      skip_services: ["internal"],
      default_service: { host: "10.0.0.9", port: 80, metadata: { weight: 2 } },
    },
    services: { shop: [{ host: "10.0.0.1", port: 8080, weight: 5 }] },
  });
  assert.equal((await ask("/v1/discovery/kubernetes/dump")).status, 404);
});
