import assert from "node:assert/strict";
import { test } from "node:test";
import { createApiSource, type ApiSourceOptions, type PushedConfiguration } from "../../source/api-driven.ts";
import { createStore, nodes, plugins, route } from "../../store/testing.ts";
import { buildConfigsHandler, type AppliedOutcome } from "./configs.ts";
import type { AdminAnswer } from "./exchange.ts";

const OK = { applied: true, laggards: [] };

/** A handler on a store; `follow: false`: control does not follow the source yet. */
function createNode(options: { wait?: AppliedOutcome; follow?: boolean; source?: ApiSourceOptions } = {}) {
  const { store } = createStore();
  const source = createApiSource(options.source);
  const waits: [number, number][] = [];
  let documents = 0;
  const ignore = (): void => undefined;
  const sink = { snapshot: ignore, step: ignore, failed: ignore, recovered: ignore };
  if (options.follow !== false) {
    source.start({
      ...sink,
      document(document) {
        documents++;
        store.applyDocument(document, 1);
      },
    });
  }
  const handler = buildConfigsHandler({
    source,
    check: { plugins },
    idle: () => Promise.resolve(),
    loaded: () => store,
    waitApplied(revision, limitMs) {
      waits.push([revision, limitMs]);
      return Promise.resolve(options.wait ?? OK);
    },
    now: () => 1_700_000_000_999,
  });
  let pushes = 0;
  const ask = async (
    method: string,
    path: string,
    body: unknown = "",
    headers: Readonly<Record<string, string>> = {},
  ): Promise<AdminAnswer> => {
    const [pathname = "", query = ""] = path.split("?");
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return await handler({
      method,
      path: pathname.split("/"),
      query: new URLSearchParams(query),
      headers: { "x-digest": `d${++pushes}`, "content-type": "application/json", ...headers },
      body: text,
    });
  };
  const serving = (): string[] => store.snapshot().map(({ kind, id }) => `${kind}/${id}`);
  const uri = (id: string): unknown =>
    (JSON.parse(store.snapshot().find((one) => one.id === id)?.text ?? "{}") as { uri?: unknown }).uri;
  return {
    store,
    source,
    ask,
    put: (body: unknown, query = "", headers = {}) => ask("PUT", `configs${query}`, body, headers),
    get: async () => (await ask("GET", "configs")).body as Record<string, unknown>,
    serving,
    uri,
    waits,
    documents: () => documents,
  };
}

const r1 = (uri: unknown, more: object = {}): object => ({ id: "r1", uri, upstream: { nodes }, ...more });

test("before the first push every version is 0 and there is no digest", async () => {
  const { ask } = createNode();
  const answer = await ask("GET", "configs");
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.headers, { "Content-Type": "application/json" });
  const body = answer.body as Record<string, unknown>;
  assert.equal(body["routes_conf_version"], 0);
  assert.equal(body["stream_routes_conf_version"], 0);
  assert.equal(Object.keys(body).length, 13);
  assert.deepEqual(await ask("HEAD", "configs"), { status: 200, body: null, headers: answer.headers });
});

test("a push replaces everything, and GET shows it with its digest and time", async () => {
  const { ask, put, get, serving } = createNode();
  const answer = await put({ routes: [r1("/a")], upstreams: [{ id: 1, nodes }] }, "", { "x-digest": "one" });
  assert.deepEqual(answer, {
    status: 202,
    body: null,
    headers: {
      "X-Digest": "one",
      "X-Last-Modified": "1700000000",
      "Content-Type": "application/json",
      "X-Turnpike-Revision": "1",
    },
  });
  const head = await ask("HEAD", "configs");
  assert.deepEqual(
    [head.body, head.headers?.["X-Digest"], head.headers?.["X-Last-Modified"]],
    [null, "one", "1700000000"],
  );
  const { routes, upstreams, routes_conf_version: version } = await get();
  assert.deepEqual([routes, upstreams, version], [[r1("/a")], [{ id: 1, nodes }], 1]);
  await put({});
  assert.deepEqual([serving(), (await get())["routes"], (await get())["routes_conf_version"]], [[], undefined, 2]);
});

test("the same digest is the same configuration; none at all is refused", async () => {
  const { put, documents, waits } = createNode();
  await put({ routes: [r1("/a")] }, "", { "x-digest": "one" });
  const again = await put({}, "", { "x-digest": "one" });
  assert.deepEqual([again.status, again.body, again.headers?.["X-Turnpike-Revision"]], [204, null, "1"]);
  assert.equal((await put({}, "?wait=5", { "x-digest": "one" })).status, 204);
  assert.deepEqual([documents(), waits], [1, [[1, 5]]]);
  assert.deepEqual(await put({}, "", { "x-digest": "" }), {
    status: 400,
    body: { error_msg: "missing digest header" },
  });
});

test("versions: lower is refused, equal keeps, higher replaces, absent counts on", async () => {
  const { put, get, uri } = createNode();
  const refused = async (version: unknown): Promise<unknown> =>
    ((await put({ routes_conf_version: version })).body as { error_msg: string }).error_msg;
  await put({ routes_conf_version: 10, routes: [r1("/a")] });
  assert.equal(await refused(9), "routes_conf_version must be greater than or equal to (10)");
  assert.equal(await refused(1.5), "routes_conf_version must be greater than or equal to (10)");
  for (const wrong of ["x", null, true, []]) assert.equal(await refused(wrong), "routes_conf_version must be a number");
  await put({ routes_conf_version: 10, routes: [r1(5)] });
  assert.deepEqual([uri("r1"), (await get())["routes_conf_version"]], ["/a", 10]);
  await put({ routes_conf_version: 11, routes: [r1("/b")] });
  assert.equal(uri("r1"), "/b");
  await put({ routes: [r1("/c")] });
  assert.deepEqual([uri("r1"), (await get())["routes_conf_version"]], ["/c", 12]);
});

test("a modifiedIndex that has not moved keeps the resource, unless that one is not served", async () => {
  const { put, uri, get } = createNode();
  await put({ routes: [r1("/a", { modifiedIndex: 10 })] });
  await put({ routes: [r1("/b", { modifiedIndex: 10 }), route("r2")] });
  assert.equal(uri("r1"), "/a");
  assert.deepEqual((await get())["routes"], [r1("/a", { modifiedIndex: 10 }), route("r2")]);
  await put({ routes: [r1("/c", { modifiedIndex: 5 })] });
  assert.equal(uri("r1"), "/c");
  await put({ routes: [r1(7, { modifiedIndex: 6 })] }, "?partial=true");
  assert.equal(uri("r1"), "/c");
  await put({ routes: [r1("/d", { modifiedIndex: 6 })] });
  assert.equal(uri("r1"), "/d");
});

test("a push is taken whole or not at all", async () => {
  const { put, uri, get, documents } = createNode();
  await put({ routes: [r1("/a")] }, "", { "x-digest": "one" });
  const one = await put({ routes: [r1("/b")], upstreams: [{ id: "u" }] });
  assert.deepEqual(one, {
    status: 400,
    body: { error_msg: "invalid configuration: value should match only one schema, but matches none" },
    headers: { "X-Turnpike-Resource": "upstreams[0] u" },
  });
  const several = await put({ routes: [r1(1), { id: "r2", uri: "/x", upstream: { nodes }, nope: 1 }, r1("/z")] });
  assert.deepEqual((several.body as { errors: unknown }).errors, [
    {
      resource_type: "routes",
      resource_id: "r1",
      index: 0,
      error: 'invalid configuration: property "uri" validation failed: wrong type: expected string, got number',
    },
    {
      resource_type: "routes",
      resource_id: "r2",
      index: 1,
      error: "invalid configuration: additional properties forbidden, found nope",
    },
    { resource_type: "routes", resource_id: "r1", index: 2, error: "found duplicate id r1 in routes" },
  ]);
  assert.deepEqual([uri("r1"), documents(), (await get())["routes"]], ["/a", 1, [r1("/a")]]);
});

const wordings: readonly (readonly [body: object, error: string])[] = [
  [
    {
      routes: [
        { uri: "/x", id: 1, upstream: { nodes } },
        { uri: "/x", id: "1", upstream: { nodes } },
      ],
    },
    "found duplicate id 1 in routes",
  ],
  [{ consumers: [{ username: "a" }, { username: "a" }] }, "found duplicate username a in consumers"],
  [{ consumers: [{}] }, 'invalid configuration: property "username" is required'],
  [{ upstreams: [{ id: "u", type: "chash", nodes }] }, "missing key"],
  [{ upstreams: [{ id: "u", nodes: { "127.0.0.1:99999": 1 } }] }, "invalid port 99999"],
  [{ routes: [r1("/a", { plugins: { nonsense: {} } })] }, "unknown plugin [nonsense]"],
  [
    { routes: [r1("/a", { modifiedIndex: "x" })] },
    'invalid configuration: property "modifiedIndex" validation failed: wrong type: expected integer, got string',
  ],
  [
    { consumers: [{ username: "a" }, { id: "a/credentials/c", plugins: { fragile: {} } }] },
    "only supports auth type plugins in consumer credential",
  ],
  [{ global_rules: [{ plugins: {} }] }, 'invalid configuration: property "id" is required'],
  [{ plugin_metadata: [{ id: "fragil" }] }, "invalid plugin name"],
  [{ plugin_metadata: [{}] }, "missing plugin name"],
  [{ secrets: [{ id: "1" }] }, "invalid secret id: 1"],
  [{ secrets: [{ id: "nope/1" }] }, "invalid secret manager: nope"],
  [{ routes: ["x"] }, "invalid configuration: wrong type: expected object, got string"],
  [{ plugins: [{ name: "nope" }] }, "unknown plugin [nope]"],
  [{ plugins: [{ name: "key-auth" }], routes: [r1("/a", { plugins: { fragile: {} } })] }, "unknown plugin [fragile]"],
];

test("faults are worded as APISIX words them", async () => {
  const { put } = createNode();
  for (const [body, error] of wordings) {
    const answer = await put(body);
    assert.deepEqual([answer.status, answer.body], [400, { error_msg: error }]);
  }
});

test("what is no configuration is refused and loses nothing", async () => {
  const { put, uri } = createNode();
  await put({ routes: [r1("/a")] });
  const refused: readonly (readonly [body: string, error: RegExp, type?: string])[] = [
    ["", /^invalid request body: empty request body$/],
    ["{", /^invalid request body: line 1, column 2: /],
    ["[]", /^invalid request body: expected an object with lists of resources by kind, got a list$/],
    ['"x"', /got a string$/],
    ["null", /got null$/],
    ['{"routes":{}}', /^invalid configuration: property "routes" .* expected array, got table$/],
    ['{"routes":null}', /expected array, got null$/],
    ["routes: []", /^invalid request body: line 1/],
    ["x", /^invalid request body: invalid yaml request body$/, "application/yaml"],
    ["a: [", /^invalid request body: invalid yaml request body: line 1, column \d+: /, "application/yaml"],
    ["- a", /got a list$/, "application/yaml"],
    ["routes: !!python/x 1", /invalid yaml request body: line 1/, "application/yaml"],
    ["routes: []\n---\nroutes: []\n", /invalid yaml request body: line/, "application/yaml"],
  ];
  for (const [body, error, type = "application/json"] of refused) {
    const answer = await put(body, "", { "content-type": type });
    assert.equal(answer.status, 400, body);
    assert.match((answer.body as { error_msg: string }).error_msg, error);
  }
  assert.equal(uri("r1"), "/a");
});

test("YAML goes in and comes out; text in it never becomes something else", async () => {
  const { put, ask, get } = createNode();
  const text =
    'routes:\n  - id: 01\n    uri: /a\n    desc: 2026-01-01\n    name: "yes"\n    upstream: {nodes: {"127.0.0.1:80": 1}}\n';
  assert.equal((await put(text, "", { "content-type": "application/yaml; charset=utf-8" })).status, 202);
  const [first] = (await get())["routes"] as Record<string, unknown>[];
  assert.deepEqual([first?.["id"], first?.["desc"], first?.["name"]], [1, "2026-01-01", "yes"]);
  const shown = await ask("GET", "configs", "", { accept: "application/yaml" });
  assert.equal(shown.headers?.["Content-Type"], "application/yaml");
  const back = createNode();
  await back.put(String(shown.body), "", { "content-type": "application/yaml" });
  assert.deepEqual((await back.get())["routes"], [first]);
});

test("partial: 99 of 100 are taken, the previous version of the bad one serves", async () => {
  const { put, uri, serving, store } = createNode();
  const hundred = Array.from({ length: 100 }, (_, i) => route(`r${i}`));
  await put({ routes: hundred });
  const changed = hundred.map((one, i) => (i === 42 ? { ...one, uri: 5 } : { ...one, uri: `/new${i}` }));
  assert.equal((await put({ routes: changed })).status, 400);
  const answer = await put({ routes: changed }, "?partial=true");
  assert.equal(answer.status, 202);
  assert.equal(answer.headers?.["X-Turnpike-Rejected"], "1");
  const { rejected } = answer.body as { rejected: Record<string, unknown>[] };
  assert.equal(rejected.length, 1);
  assert.deepEqual(rejected[0], {
    kind: "routes",
    id: "r42",
    field: "uri",
    error: 'property "uri" validation failed: wrong type: expected string, got number',
    serving: "previous",
  });
  assert.deepEqual([serving().length, uri("r42"), uri("r41"), store.rejected.length], [100, "/r42", "/new41", 1]);
});

test("what was rejected does not stand in the way of a push that leaves its kind alone", async () => {
  const { put, serving } = createNode();
  await put({ routes_conf_version: 1, routes: [r1(5)] }, "?partial=true");
  const answer = await put({ routes_conf_version: 1, upstreams: [{ id: "u", nodes }] });
  assert.deepEqual([answer.status, serving()], [202, ["upstreams/u"]]);
});

test("what hangs together with the rest is rejected alone, and said in a header", async () => {
  const { put, serving } = createNode();
  const answer = await put({ routes: [r1("/a"), { id: "r2", uri: "/b", upstream_id: "none" }], rotues: [] });
  assert.deepEqual([answer.status, answer.body, answer.headers?.["X-Turnpike-Rejected"]], [202, null, "2"]);
  assert.deepEqual(serving(), ["routes/r1"]);
});

test("wait: answers when all workers have it, or names the ones that do not", async () => {
  const laggards = [{ id: 1, state: "running", revision: 0 }];
  const live = createNode();
  assert.deepEqual((await live.put({}, "?wait=250")).body, { revision: 1, ...OK, rejected: [] });
  assert.deepEqual(live.waits, [[1, 250]]);
  const late = createNode({ wait: { applied: false, laggards } });
  const answer = await late.put({}, "?wait=250");
  assert.deepEqual(
    [answer.status, answer.headers?.["X-Turnpike-Revision"], answer.body],
    [202, "1", { revision: 1, applied: false, laggards, rejected: [] }],
  );
  for (const query of ["?wait=", "?wait=-1", "?wait=1s", "?wait=600001", "?partial=yes"]) {
    assert.equal((await live.put({}, query)).status, 400, query);
  }
});

test("validate lists everything and takes nothing over", async () => {
  const { ask, documents } = createNode();
  const validate = async (body: unknown, headers = {}): Promise<unknown[]> => {
    const answer = await ask("POST", "configs/validate", body, headers);
    return [answer.status, answer.body];
  };
  assert.deepEqual(await validate({ routes: [r1("/a")], routes_conf_version: 0 }), [200, {}]);
  assert.deepEqual(await validate({ routes_conf_version: "x", routes: [{ uri: 1 }], upstreams: [{ id: 7 }] }), [
    400,
    {
      error_msg: "Configuration validation failed",
      errors: [
        { resource_type: "routes", error: "routes_conf_version must be a number, got string" },
        {
          resource_type: "routes",
          resource_id: "",
          index: 0,
          error: 'invalid configuration: property "uri" validation failed: wrong type: expected string, got number',
        },
        {
          resource_type: "upstreams",
          resource_id: 7,
          index: 0,
          error: "invalid configuration: value should match only one schema, but matches none",
        },
      ],
    },
  ]);
  assert.deepEqual(await validate("null"), [
    400,
    {
      error_msg: "Configuration validation failed",
      errors: [{ error: "invalid request body: expected an object with lists of resources by kind, got null" }],
    },
  ]);
  assert.equal((await validate("{"))[0], 400);
  assert.equal(documents(), 0);
});

test("other methods and paths are not there", async () => {
  const { ask } = createNode();
  for (const [method, path] of [
    ["POST", "configs"],
    ["PATCH", "configs"],
    ["DELETE", "configs"],
    ["GET", "configs/routes"],
    ["GET", "configs/validate"],
    ["POST", "configs/validate/x"],
  ] as const) {
    assert.equal((await ask(method, path)).status, 404, `${method} ${path}`);
  }
});

test("what was pushed is kept, and goes on after a restart", async () => {
  const kept: PushedConfiguration[] = [];
  const before = createNode({ source: { restored: null, keep: (one) => void kept.push(one) } });
  await before.put({ routes_conf_version: 7, routes: [r1("/a")] }, "", { "x-digest": "one" });
  const restored = JSON.parse(JSON.stringify(kept.at(-1))) as PushedConfiguration;
  const after = createNode({ source: { restored } });
  assert.deepEqual([after.uri("r1"), (await after.put({}, "", { "x-digest": "one" })).status], ["/a", 204]);
  assert.equal((await after.put({ routes_conf_version: 6 })).status, 400);
});

test("a push before control follows the source, or after, is for later", async () => {
  const node = createNode({ follow: false });
  assert.equal((await node.put({ routes: [r1("/a")] })).status, 503);
  assert.equal(node.source.current, null);
});

test("what is nested without end is refused, in JSON and YAML", async () => {
  const { put, ask } = createNode();
  const deep = `{"routes": [{"id": "a", "plugins": {"echo": ${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}}]}`;
  for (const answer of [
    await put(deep),
    await put(deep, "", { "content-type": "application/yaml" }),
    await ask("POST", "configs/validate", deep),
  ]) {
    assert.equal(answer.status, 400);
    assert.match((answer.body as { error_msg: string }).error_msg, /^invalid request body: /);
  }
});

test("an id that is no text of Unicode is refused like any other", async () => {
  const answer = await createNode().put(`{"routes": [{"id": "\\ud800", "uri": "/a", "plugins": {}}]}`);
  assert.equal(answer.status, 400);
  assert.match(answer.headers?.["X-Turnpike-Resource"] ?? "", /^routes\[0\] %EF%BF%BD$/);
});
