import assert from "node:assert/strict";
import { test } from "node:test";
import { certificate, privateKey } from "../../test/support/certificate.ts";
import type { Change } from "../schema/kinds.ts";
import type { Store } from "./store.ts";
import { createStore, nodes, route } from "./testing.ts";

const keysOf = (changes: readonly Change[]): string[] =>
  changes.map(({ kind, id, text }) => `${text === null ? "-" : "+"}${kind}/${id}`);
const errorsOf = ({ rejected }: { readonly rejected: Store["rejected"] }): string[] =>
  rejected.map(({ kind, id, error, serving }) => `${kind}/${id} [${serving}] ${error}`);

test("a document becomes changes, the next one the difference", () => {
  const { store, apply } = createStore();
  const first = apply({ routes: [route("a"), route("b")], upstreams: [{ id: 1, nodes }] });
  assert.deepEqual(
    [first.revision, keysOf(first.changes), first.rejected],
    [1, ["+routes/a", "+routes/b", "+upstreams/1"], []],
  );
  assert.equal(
    first.changes[2]?.text,
    '{"hash_on":"vars","id":"1","nodes":{"127.0.0.1:80":1},"pass_host":"pass","scheme":"http","type":"roundrobin"}',
  );
  const second = apply({
    routes: [{ upstream: { nodes }, uri: "/a", id: "a" }, route("c")],
    upstreams: [{ id: "1", nodes }],
  });
  assert.deepEqual([second.revision, keysOf(second.changes)], [2, ["+routes/c", "-routes/b"]]);
  const third = apply({});
  assert.deepEqual(
    [third.revision, keysOf(third.changes), third.hash],
    [3, ["-routes/a", "-upstreams/1", "-routes/c"], 0n],
  );
  assert.equal(apply({}).revision, 4);
  assert.deepEqual(store.snapshot(), []);
});

test("a rejected resource keeps its previous version until it is repaired or gone", () => {
  const { apply } = createStore();
  apply({ routes: [route("a"), route("b")] });
  const bad = { routes: [route("a", { upstream: {} }), route("b"), route("c", { plugins: { nope: {} } })] };
  const second = apply(bad, 100);
  assert.deepEqual(second.changes, []);
  assert.deepEqual(second.rejected, [
    {
      kind: "routes",
      id: "a",
      field: "upstream",
      error:
        'property "upstream" validation failed: value should match only one schema, but matches none ' +
        '(exactly one of ["nodes"] or ["service_name","discovery_type"])',
      serving: "previous",
      since: 100,
      revision: 2,
    },
    {
      kind: "routes",
      id: "c",
      field: "plugins.nope",
      error: "unknown plugin [nope]",
      serving: "nothing",
      since: 100,
      revision: 2,
    },
  ]);
  const third = apply(bad, 200);
  assert.deepEqual([third.revision, third.rejected], [3, second.rejected]);
  const fourth = apply({ routes: [route("a", { upstream_id: 1 })] }, 300);
  assert.deepEqual(keysOf(fourth.changes), ["-routes/b"]);
  assert.deepEqual(
    fourth.rejected.map(({ id, since, revision }) => [id, since, revision]),
    [["a", 300, 4]],
  );
  const fifth = apply({ routes: [] }, 400);
  assert.deepEqual([keysOf(fifth.changes), fifth.rejected], [["-routes/a"], []]);
});

test("references: missing ones, rejected ones, all the way", () => {
  const { apply } = createStore();
  const result = apply({
    routes: [
      route("a", { upstream_id: "none" }),
      route("b", { upstream_id: "bad" }),
      route("c", { service_id: "s" }),
      route("d", { service_id: 1, plugin_config_id: "p" }),
    ],
    upstreams: [{ id: "bad", nodes: { "x y": 1 } }],
    services: [{ id: "s", upstream_id: "bad" }, { id: "1" }],
    consumers: [{ username: "jack", group_id: "g" }],
  });
  assert.deepEqual(keysOf(result.changes), ["+services/1"]);
  const bad = "upstreams/bad, which was rejected: invalid address of a node: x y";
  assert.deepEqual(errorsOf(result), [
    "upstreams/bad [nothing] invalid address of a node: x y",
    "routes/a [nothing] upstream_id of routes/a refers to upstreams/none, which does not exist",
    `routes/b [nothing] upstream_id of routes/b refers to ${bad}`,
    "routes/d [nothing] plugin_config_id of routes/d refers to plugin_configs/p, which does not exist",
    `services/s [nothing] upstream_id of services/s refers to ${bad}`,
    "consumers/jack [nothing] group_id of consumers/jack refers to consumer_groups/g, which does not exist",
    "routes/c [nothing] service_id of routes/c refers to services/s, which was rejected: " +
      `upstream_id of services/s refers to ${bad}`,
  ]);
  assert.deepEqual(
    result.rejected.map(({ field }) => field),
    ['nodes["x y"]', "upstream_id", "upstream_id", "plugin_config_id", "upstream_id", "group_id", "service_id"],
  );
});

test("a certificate for nodes has to be of type client, now and after a change of it", () => {
  const { apply } = createStore();
  const pair = { id: "1", cert: certificate, key: privateKey };
  const upstreams = [{ id: "u", nodes, tls: { client_cert_id: "1" } }];
  const error = "upstreams/u [nothing] tls.client_cert_id of upstreams/u refers to ssls/1, which is not of type client";
  assert.deepEqual(errorsOf(apply({ ssls: [{ ...pair, sni: "a.test" }], upstreams })), [error]);
  assert.deepEqual(errorsOf(apply({ ssls: [{ ...pair, type: "client" }], upstreams })), []);
  assert.deepEqual(errorsOf(apply({ ssls: [{ ...pair, sni: "a.test" }], upstreams })), [
    error.replace("nothing", "previous"),
  ]);
});

test("what a previous version refers to stays as long as it is needed", () => {
  const { apply } = createStore();
  apply({
    routes: [route("a", { service_id: "s" })],
    services: [{ id: "s", upstream_id: "u" }],
    upstreams: [{ id: "u", nodes }],
  });
  const broken = apply({ routes: [route("a", { service_id: "s", priority: "high" })] });
  assert.deepEqual(broken.changes, []);
  assert.deepEqual(
    broken.rejected.map(({ id, serving }) => [id, serving]),
    [["a", "previous"]],
  );
  const deleted = apply({ routes: [route("a", { service_id: "s" })] });
  assert.deepEqual(deleted.changes, []);
  assert.deepEqual(errorsOf(deleted), [
    "routes/a [previous] service_id of routes/a refers to services/s, which does not exist",
  ]);
  const repaired = apply({ routes: [route("a")] });
  assert.deepEqual(keysOf(repaired.changes), ["+routes/a", "-services/s", "-upstreams/u"]);
});

test("a credential goes with its consumer", () => {
  const { apply } = createStore();
  const credential = { id: "jack/credentials/c", plugins: { "key-auth": { key: "k1" } } };
  const first = apply({ consumers: [{ username: "jack" }, credential] });
  assert.deepEqual(keysOf(first.changes), ["+consumers/jack", "+credentials/jack/credentials/c"]);
  assert.deepEqual(JSON.parse(first.changes[1]?.text ?? ""), { id: "c", plugins: { "key-auth": { key: "k1" } } });
  const second = apply({ consumers: [credential] });
  assert.deepEqual(keysOf(second.changes), ["-consumers/jack", "-credentials/jack/credentials/c"]);
  assert.deepEqual(errorsOf(second), [
    "credentials/jack/credentials/c [nothing] id of credentials/jack/credentials/c refers to consumers/jack, which does not exist",
  ]);
});

test("a consumer's key is there once, and whoever has it keeps it", () => {
  const { apply } = createStore();
  const consumer = (username: string, key: string, more: object = {}) => ({
    username,
    plugins: { "key-auth": { key } },
    ...more,
  });
  const first = apply({
    consumers: [
      consumer("a", "k1"),
      consumer("b", "k1"),
      { id: "a/credentials/c", plugins: { "key-auth": { key: "k2" } } },
      consumer("c", "k2"),
    ],
  });
  assert.deepEqual(errorsOf(first), [
    "consumers/b [nothing] duplicate key of plugin key-auth found with consumer: a",
    "consumers/c [nothing] duplicate key of plugin key-auth found with credential: c of consumer: a",
  ]);
  // `a` is rejected and keeps k1, so that `b` cannot have it.
  const second = apply({ consumers: [consumer("b", "k1"), consumer("a", "k9", { nonsense: 1 })] });
  assert.deepEqual(errorsOf(second), [
    "consumers/a [previous] additional properties forbidden, found nonsense",
    "consumers/b [nothing] duplicate key of plugin key-auth found with consumer: a",
  ]);
  const third = apply({ consumers: [consumer("b", "k1"), consumer("a", "k9")] });
  assert.deepEqual([keysOf(third.changes), third.rejected], [["+consumers/b", "+consumers/a"], []]);
});

test("plugins: unknown, wrong, not to be compiled, disabled", () => {
  const { apply } = createStore();
  const plugged = (id: string, configured: object) => route(id, { plugins: configured });
  const result = apply({
    routes: [
      plugged("a", { "key-auth": {} }),
      plugged("b", { "key-auth": { header: 1 } }),
      plugged("c", { fragile: { fail: true } }),
      plugged("d", { fragile: { fail: "yes", _meta: { disable: true } } }),
      plugged("e", { "key-auth": { _meta: { disable: 1 } } }),
      plugged("f", { cors: {} }),
      plugged("g", { "key-auth": [] }),
      plugged("h", { "key-auth": "x" }),
      plugged("i", { "key-auth": { _meta: { priority: 1 } } }),
      plugged("k", { nope: {} }),
      plugged("l", { cors: { _meta: { disable: true } } }),
    ],
    consumers: [
      { username: "x", plugins: { "key-auth": {} } },
      { id: "x/credentials/1", plugins: { fragile: {} } },
    ],
    stream_routes: [{ id: 1, plugins: { "key-auth": {} } }],
    plugin_metadata: [{ id: "fragile", size: "x" }, { id: "fragil" }, {}],
    global_rules: [
      { id: "1", plugins: { fragile: {} } },
      { id: "2", plugins: { fragile: { _meta: { disable: true } } } },
      { plugins: {} },
    ],
  });
  const failed = "failed to check the configuration of plugin";
  assert.deepEqual(errorsOf(result), [
    `routes/b [nothing] ${failed} key-auth err: property "header" validation failed: wrong type: expected string, got number`,
    `routes/c [nothing] ${failed} fragile err: cannot work with {"fail":true}`,
    `routes/e [nothing] ${failed} key-auth err: property "_meta" validation failed: property "disable" validation failed: wrong type: expected boolean, got number`,
    "routes/f [nothing] plugin cors is not available in this version",
    `routes/h [nothing] ${failed} key-auth err: wrong type: expected object, got string`,
    "routes/k [nothing] unknown plugin [nope]",
    `consumers/x [nothing] invalid plugins configuration: ${failed} key-auth err: property "key" is required`,
    "credentials/x/credentials/1 [nothing] only supports auth type plugins in consumer credential",
    "stream_routes/1 [nothing] unknown plugin [key-auth]",
    'plugin_metadata/fragile [nothing] property "size" validation failed: wrong type: expected integer, got string',
    "plugin_metadata/fragil [nothing] invalid plugin name; did you mean fragile?",
    "plugin_metadata/arr_3 [nothing] missing plugin name",
    'global_rules/arr_3 [nothing] property "id" is required',
    "global_rules/2 [nothing] plugin 'fragile' already exists in global rule with id '1'",
  ]);
  const texts = new Map(result.changes.map(({ id, text }) => [id, JSON.parse(text ?? "{}") as { plugins: unknown }]));
  assert.deepEqual(texts.get("a")?.plugins, { "key-auth": { header: "apikey" } });
  assert.deepEqual(texts.get("d")?.plugins, { fragile: { fail: "yes", _meta: { disable: true } } });
  assert.deepEqual(texts.get("g")?.plugins, { "key-auth": { header: "apikey" } });
  assert.deepEqual(texts.get("i")?.plugins, { "key-auth": { header: "apikey", _meta: { priority: 1 } } });
});

test("a document's own list of plugins limits the others", () => {
  const { apply } = createStore();
  const guarded = { routes: [route("a", { plugins: { "key-auth": {} } })] };
  assert.deepEqual(apply({ ...guarded, plugins: [{ name: "key-auth" }] }).rejected, []);
  assert.deepEqual(
    errorsOf(apply({ ...guarded, plugins: [{ name: "fragile" }, { name: "mqtt-proxy", stream: true }] })),
    ["routes/a [previous] unknown plugin [key-auth]"],
  );
  assert.deepEqual(errorsOf(apply({ ...guarded, plugins: [{ name: "key-aut" }] })), [
    "plugins/plugins [previous] unknown plugin [key-aut]; did you mean key-auth?",
    "routes/a [previous] unknown plugin [key-auth]",
  ]);
  assert.deepEqual(apply(guarded).rejected, []);
});

test("ids: positions, duplicates, odd entries, unknown kinds", () => {
  const { apply } = createStore();
  const result = apply({
    routes: [
      { uri: "/x", upstream: { nodes } },
      route("r"),
      { ...route("r"), uri: "/other" },
      null,
      "x",
      { ...route("1"), id: 1 },
      route("1"),
      { ...route("m"), modifiedIndex: 5 },
    ],
    secrets: [{ id: "vault/1", uri: "http://127.0.0.1", prefix: "p", token: "t" }, { id: "1" }, { id: "nope/1" }],
    credentials: [{ id: "c" }],
    rotues: [],
  });
  assert.deepEqual(keysOf(result.changes), [
    "+routes/arr_1",
    "+routes/r",
    "+routes/1",
    "+routes/m",
    "+secrets/vault/1",
  ]);
  assert.ok(!result.changes.at(-2)?.text?.includes("modifiedIndex"));
  assert.deepEqual(errorsOf(result), [
    "routes/arr_4 [nothing] wrong type: expected object, got null",
    "routes/arr_5 [nothing] wrong type: expected object, got string",
    "secrets/1 [nothing] invalid secret id: 1",
    "secrets/nope/1 [nothing] invalid secret manager: nope",
    "credentials/c [nothing] invalid credential id: c, expected <username>/credentials/<id>",
    "routes/r [nothing] found duplicate id r in routes: entry 3 is left out",
    "routes/1 [nothing] found duplicate id 1 in routes: entry 7 is left out",
    "rotues/ [nothing] unknown kind rotues; did you mean routes?",
  ]);
});

test("what this version cannot serve is rejected", () => {
  const { apply } = createStore({ checkSupport: (kind) => (kind === "protos" ? "no gRPC yet" : null) });
  assert.deepEqual(errorsOf(apply({ protos: [{ id: 1, content: "x" }], routes: [route("a")] })), [
    "protos/1 [nothing] no gRPC yet",
  ]);
});

test("a control thread takes over where the last one left", () => {
  const lists = { routes: [route("a", { upstream_id: 1 })], upstreams: [{ id: 1, nodes }] };
  const { store, apply } = createStore();
  apply(lists);
  apply(lists);
  const successor = (): ReturnType<typeof createStore> =>
    createStore({ revision: store.revision, inherited: store.snapshot() });
  const same = successor();
  assert.deepEqual([same.store.hash, same.store.revision], [store.hash, 2]);
  assert.deepEqual(keysOf(same.apply(lists).changes), []);
  assert.equal(same.store.revision, 2);
  assert.equal(same.apply(lists).revision, 3);
  const other = successor().apply({ ...lists, routes: [route("a", { upstream_id: 2 })], upstreams: [] });
  assert.deepEqual([other.revision, other.changes], [2, []]);
  assert.deepEqual(
    other.rejected.map(({ serving }) => serving),
    ["previous"],
  );
});

test("loads that were accepted and never delivered keep their numbers, whatever the next one changes", () => {
  const lists = { routes: [route("a")] };
  const { store, apply } = createStore();
  apply(lists);
  const behind = { revision: 1, accepted: 3, inherited: store.snapshot() };
  for (const next of [lists, { routes: [route("a"), route("b")] }]) {
    const successor = createStore(behind);
    assert.equal(successor.store.revision, 1);
    assert.equal(successor.apply(next).revision, 3);
    assert.equal(successor.apply(next).revision, 4);
  }
});

test("a check that throws rejects its resource alone, and its message is not shown", () => {
  const { apply } = createStore({
    checkSupport: (_, conf) => {
      if ((conf as { readonly id: string }).id === "b") throw new TypeError("with a secret");
      return null;
    },
  });
  const { changes, rejected } = apply({ routes: [route("a"), route("b"), route("c")] });
  assert.deepEqual(keysOf(changes), ["+routes/a", "+routes/c"]);
  assert.match(
    String(rejected[0]?.error),
    /^cannot be checked, by a fault of the gateway: TypeError in src\/store\/[\w.-]+:\d+$/,
  );
});
