import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { setImmediate } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { addHash, contentHash } from "../lib/content-hash.ts";
import type { Consumer, ResponseHead } from "../plugin/context.ts";
import type { PluginDefinition } from "../plugin/plugin.ts";
import type { Change } from "../schema/kinds.ts";
import type { WorkerEngine } from "./engine.ts";
import type { Plan } from "./plan.ts";
import { change, consumer, engineWith, removal, request, route, runPhase, tracingPlugin, upstream } from "./testing.ts";
import type { Trace } from "./testing.ts";

function plan(engine: WorkerEngine, uri: string): Plan {
  return engine.match(request({ uri }), null);
}

/** An engine whose plugins `one` … `three` note what happens to them. */
function traced(): { engine: WorkerEngine; trace: Trace; logged: string[] } {
  const trace: Trace = [];
  const plugins: PluginDefinition[] = [
    tracingPlugin("one", 100, trace),
    tracingPlugin("two", 200, trace),
    tracingPlugin("three", 300, trace),
    tracingPlugin("auth", 2500, trace, { type: "auth", consumerKey: "key" }),
  ];
  return { trace, ...engineWith(plugins) };
}

const compiled = (trace: Trace): string[] => trace.filter((line) => line.startsWith("compile"));

test("a route is found and carries its names and its upstream", () => {
  const { engine } = engineWith();
  const failures = engine.apply([
    change("services", "s", { name: "pay" }),
    route("1", {
      uri: "/hello",
      name: "hello",
      service_id: "s",
      upstream: upstream({ nodes: { "127.0.0.1:80": 1 } }),
    }),
  ]);
  assert.deepEqual(failures, []);
  const found = plan(engine, "/hello");
  assert.equal(found.found, true);
  const { patterns, ...names } = found.route;
  assert.deepEqual(patterns?.uris, ["/hello"]);
  assert.deepEqual(names, { id: "1", name: "hello", serviceId: "s", serviceName: "pay" });
  assert.equal(found.upstream?.nodes[0]?.address, "127.0.0.1:80");
  assert.equal(plan(engine, "/hello/").found, false);
});

test("the hash is the sum over what is applied, in whatever order it came", () => {
  const { engine } = engineWith();
  const all = [route("1", { uri: "/1" }), route("2", { uri: "/2" }), change("protos", "p", { content: "x" })];
  engine.apply(all);
  const expected = all.reduce((sum, { kind, id, text }) => addHash(sum, contentHash(kind, id, text ?? "")), 0n);
  assert.equal(engine.hash, expected);
  engine.apply([route("1", { uri: "/other" }), removal("routes", "2"), removal("routes", "never-there")]);
  const other = engineWith().engine;
  other.replace(engine.resources().toReversed());
  assert.equal(other.hash, engine.hash);
  engine.apply(engine.resources().map(({ kind, id }) => removal(kind, id)));
  assert.equal(engine.hash, 0n);
  assert.deepEqual(engine.resources(), []);
});

test("replace removes what is not named and keeps the plans of what is the same", () => {
  const { engine, trace } = traced();
  const kept = route("kept", { uri: "/kept", plugins: { one: { tag: "kept" } } });
  const changed = (tag: string): Change => route("changed", { uri: "/changed", plugins: { one: { tag } } });
  engine.replace([kept, changed("a"), route("gone", { uri: "/gone" })]);
  const before = plan(engine, "/kept");
  plan(engine, "/changed");
  trace.length = 0;
  engine.replace([changed("b"), kept]);
  assert.equal(plan(engine, "/kept"), before);
  assert.equal(plan(engine, "/gone").found, false);
  plan(engine, "/changed");
  assert.deepEqual(compiled(trace), ["compile one:b"]);
});

test("a resource that cannot be compiled is reported, and the last good one goes on", () => {
  const { engine } = traced();
  engine.apply([route("1", { uri: "/1" })]);
  const { hash } = engine;
  const failures = engine.apply([
    route("1", { uri: "/1", vars: [["arg_a", "nope", "1"]] }),
    route("2", { uri: "/2", remote_addr: "10.0.0.0/33" }),
    { kind: "routes", id: "3", text: "{" },
    change("upstreams", "u", upstream({ nodes: undefined, service_name: "s", discovery_type: "nacos" })),
    change("global_rules", "g", { plugins: { one: { tag: "fails" } } }),
  ]);
  assert.deepEqual(
    failures.map(({ kind, id }) => `${kind}/${id}`),
    ["upstreams/u", "global_rules/g", "routes/1", "routes/2", "routes/3"],
  );
  assert.match(failures[3]?.error ?? "", /10\.0\.0\.0\/33/);
  assert.equal(engine.hash, hash);
  assert.equal(plan(engine, "/1").route.id, "1");
  assert.equal(plan(engine, "/2").found, false);
});

test("plugins are taken whole: route over plugin config over service", () => {
  const { engine, trace } = traced();
  engine.apply([
    change("services", "s", { plugins: { one: { tag: "s" }, two: { tag: "s" }, three: { tag: "s", more: 1 } } }),
    change("plugin_configs", "pc", { plugins: { one: { tag: "pc" }, two: { tag: "pc" } } }),
    route("1", { uri: "/1", service_id: "s", plugin_config_id: "pc", plugins: { one: { tag: "r" } } }),
    route("2", { uri: "/2", service_id: "s", plugin_config_id: "pc" }),
    route("3", { uri: "/3", service_id: "s", plugins: { three: { _meta: { disable: true } } } }),
    route("4", { uri: "/4", service_id: "s" }),
  ]);
  assert.deepEqual(runPhase(plan(engine, "/1"), "access", trace), ["three:s", "two:pc", "one:r"]);
  assert.deepEqual(runPhase(plan(engine, "/2"), "access", trace), ["three:s", "two:pc", "one:pc"]);
  assert.deepEqual(runPhase(plan(engine, "/3"), "access", trace), ["two:s", "one:s"]);
  assert.deepEqual(runPhase(plan(engine, "/4"), "access", trace), ["three:s", "two:s", "one:s"]);
});

test("the upstream: the route's before the service's, an id before an inline one", () => {
  const { engine } = engineWith();
  const at = (port: number): object => upstream({ nodes: { [`127.0.0.1:${port}`]: 1 } });
  engine.apply([
    change("upstreams", "u1", at(1)),
    change("upstreams", "u2", at(2)),
    change("services", "by-id", { upstream_id: "u1", upstream: at(3), enable_websocket: true }),
    change("services", "inline", { upstream: at(4) }),
    route("a", { uri: "/a", upstream: undefined, service_id: "by-id" }),
    route("b", { uri: "/b", upstream: undefined, service_id: "by-id", upstream_id: "u2" }),
    route("c", { uri: "/c", upstream: at(5), service_id: "by-id", enable_websocket: false }),
    route("d", { uri: "/d", upstream: at(5), upstream_id: "u2" }),
    route("e", {
      uri: "/e",
      upstream: undefined,
      service_id: "inline",
      timeout: { connect: 1, send: 2, read: 3.5 },
    }),
    route("f", { uri: "/f", upstream: undefined, upstream_id: "missing" }),
    route("g", { uri: "/g", upstream: undefined, plugins: {} }),
  ]);
  const port = (uri: string): number | undefined => plan(engine, uri).upstream?.nodes[0]?.port;
  assert.deepEqual(["/a", "/b", "/c", "/d", "/e"].map(port), [1, 2, 5, 2, 4]);
  assert.equal(plan(engine, "/e").upstream?.readTimeoutMs, 3500);
  assert.equal(plan(engine, "/e").upstream?.key, "services/inline");
  assert.equal(plan(engine, "/a").enableWebsocket, true);
  assert.equal(plan(engine, "/c").enableWebsocket, false);
  assert.equal(plan(engine, "/f").found, true);
  assert.equal(plan(engine, "/f").upstream, null);
  assert.equal(plan(engine, "/g").upstream, null);
});

test("global rules run before the route in every phase, and where no route matches", () => {
  const { engine, trace } = traced();
  engine.apply([
    change("global_rules", "1", { plugins: { one: { tag: "g" } } }),
    change("global_rules", "2", { plugins: { two: { tag: "g" } } }),
    route("1", { uri: "/1", plugins: { three: { tag: "r" }, one: { tag: "r" } } }),
  ]);
  assert.deepEqual(runPhase(plan(engine, "/1"), "access", trace), ["two:g", "one:g", "three:r", "one:r"]);
  const missing = plan(engine, "/none");
  assert.equal(missing.found, false);
  assert.deepEqual(runPhase(missing, "rewrite", trace), ["two:g", "one:g"]);
  assert.equal(missing.withConsumer(consumer("ann", { one: {} })).found, false);
  engine.apply([removal("global_rules", "2")]);
  assert.deepEqual(runPhase(plan(engine, "/1"), "access", trace), ["one:g", "three:r", "one:r"]);
  assert.deepEqual(runPhase(plan(engine, "/none"), "access", trace), ["one:g"]);
});

test("_meta.filter is judged once per request and holds for every phase", () => {
  const { engine, trace } = traced();
  const meta = { filter: [["arg_m", "==", "1"]] };
  engine.apply([route("1", { uri: "/1", plugins: { one: { _meta: meta }, two: {} } })]);
  const { rewrite, access, headerFilter, log } = plan(engine, "/1");
  for (const [uri, expected] of [
    ["/1?m=1", ["two:", "one:"]],
    ["/1?m=2", ["two:"]],
  ] as const) {
    const ctx = request({ uri });
    trace.length = 0;
    for (const { run } of rewrite ?? []) void run(ctx);
    // What the filter reads may change later: it is not looked at again.
    Object.assign(ctx, { argument: () => undefined });
    for (const { run } of access ?? []) void run(ctx);
    for (const { run } of headerFilter ?? []) run(ctx, {} as ResponseHead);
    for (const { run } of log ?? []) run(ctx);
    const phases = ["rewrite", "access", "header_filter", "log"];
    assert.deepEqual(
      trace,
      phases.flatMap((phase) => expected.map((name) => `${phase} ${name}`)),
    );
  }
});

test("vars decide between routes of one path, and fall through", () => {
  const { engine } = engineWith();
  engine.apply([
    route("v", { uri: "/x", priority: 10, vars: [["arg_a", "==", "1"]] }),
    route("d", { uri: "/x", priority: 1 }),
  ]);
  assert.deepEqual(
    ["/x?a=1", "/x?a=2", "/x"].map((uri) => plan(engine, uri).route.id),
    ["v", "d", "d"],
  );
});

test("_meta: priority orders, disable leaves out, error_response replaces the body of errors", async () => {
  const refusing: PluginDefinition = {
    name: "refusing",
    priority: 1,
    version: "1.0",
    schema: { type: "object" },
    compile: (conf) => ({
      access: () => ({ status: (conf as { status: number }).status, headers: [["X-A", "b"]], body: "own" }),
      rewrite: async () => ({ status: 403, headers: [], body: "own" }),
    }),
  };
  const trace: Trace = [];
  const { engine } = engineWith([tracingPlugin("one", 100, trace), tracingPlugin("two", 200, trace), refusing]);
  const meta = { error_response: { message: "custom" } };
  engine.apply([
    route("1", { uri: "/1", plugins: { one: { _meta: { priority: 999 } }, two: {} } }),
    route("2", { uri: "/2", plugins: { one: { _meta: { disable: true } }, two: {} } }),
    route("3", { uri: "/3", plugins: { refusing: { status: 401, _meta: meta } } }),
    route("4", { uri: "/4", plugins: { refusing: { status: 200, _meta: { error_response: "text" } } } }),
  ]);
  assert.deepEqual(runPhase(plan(engine, "/1"), "access", trace), ["one:", "two:"]);
  assert.deepEqual(runPhase(plan(engine, "/2"), "access", trace), ["two:"]);
  const ctx = request({ uri: "/" });
  const refused = { status: 401, headers: [["X-A", "b"]], body: '{"message":"custom"}\n' };
  assert.deepEqual(plan(engine, "/3").access?.[0]?.run(ctx), refused);
  assert.deepEqual(plan(engine, "/4").access?.[0]?.run(ctx), { status: 200, headers: [["X-A", "b"]], body: "own" });
  assert.deepEqual(await plan(engine, "/4").rewrite?.[0]?.run(ctx), { status: 403, headers: [], body: "text" });
});

test("a consumer's plugins replace the route's from access on; only new ones run their rewrite", () => {
  const { engine, trace } = traced();
  engine.apply([
    change("consumers", "ann", {
      username: "ann",
      group_id: "g",
      plugins: { auth: { key: "k" }, one: { tag: "ann" } },
    }),
    change("consumers", "dan", { username: "dan", plugins: { auth: { key: "d" } } }),
    change("consumer_groups", "g", { plugins: { one: { tag: "g" }, two: { tag: "g" } } }),
    route("1", { uri: "/1", plugins: { auth: {}, one: { tag: "r" }, three: { tag: "r" } } }),
  ]);
  const ann = lookup(engine, "ann");
  const base = plan(engine, "/1");
  const merged = base.withConsumer(ann);
  assert.equal(base.withConsumer(ann), merged);
  assert.equal(merged.withConsumer(ann), merged);
  assert.equal(base.consumerRewrite, null);
  assert.equal(merged.rewrite, base.rewrite);
  assert.deepEqual(runPhase(merged, "consumerRewrite", trace), ["two:g"]);
  assert.deepEqual(runPhase(merged, "access", trace), ["auth:", "three:r", "two:g", "one:ann"]);
  assert.equal(merged.upstream, base.upstream);
  const dan = lookup(engine, "dan");
  assert.equal(base.withConsumer(dan), base);
  assert.equal(merged.withConsumer(dan), base);
  engine.apply([change("consumer_groups", "g", { plugins: { two: { tag: "g2" } } })]);
  assert.equal(plan(engine, "/1"), base);
  const again = base.withConsumer(lookup(engine, "ann"));
  assert.deepEqual(runPhase(again, "access", trace), ["auth:", "three:r", "two:g2", "one:ann"]);
});

/** The consumer as plugins find it. */
function lookup(engine: WorkerEngine, username: string): Consumer {
  return engine.consumers.byName(username) ?? assert.fail(`no consumer ${username}`);
}

test("a change drops just the plans that were made from it", () => {
  const { engine } = traced();
  engine.apply([
    change("upstreams", "u1", upstream()),
    change("upstreams", "u2", upstream()),
    change("services", "s1", { upstream_id: "u1", plugins: { one: {} } }),
    change("services", "s2", { upstream_id: "u2" }),
    change("plugin_configs", "pc", { plugins: { two: {} } }),
    route("1", { uri: "/1", upstream: undefined, service_id: "s1" }),
    route("2", { uri: "/2", upstream: undefined, service_id: "s2", plugin_config_id: "pc" }),
    route("3", { uri: "/3", upstream: undefined, upstream_id: "u1", plugins: { three: {} } }),
    route("4", { uri: "/4" }),
  ]);
  const uris = ["/1", "/2", "/3", "/4"];
  const expect = (changes: readonly Change[], dropped: readonly string[]): void => {
    const before = uris.map((uri) => plan(engine, uri));
    assert.deepEqual(engine.apply(changes), []);
    const after = uris.filter((uri, i) => plan(engine, uri) !== before[i]);
    assert.deepEqual(after, dropped, JSON.stringify(changes));
  };
  expect([change("upstreams", "u1", upstream({ retries: 3 }))], ["/1", "/3"]);
  expect([change("upstreams", "u1", upstream({ retries: 3 }))], []);
  expect([change("upstreams", "u3", upstream())], []);
  expect([change("services", "s2", { upstream_id: "u1" })], ["/2"]);
  expect([change("upstreams", "u2", upstream({ retries: 3 }))], []);
  expect([change("plugin_configs", "pc", { plugins: {} })], ["/2"]);
  expect([change("plugin_metadata", "three", { a: 1 })], ["/3"]);
  expect([change("global_rules", "g", { plugins: { two: {} } })], uris);
  expect([change("plugin_metadata", "two", { a: 1 })], uris);
  expect([change("consumers", "ann", { username: "ann" })], []);
  expect([route("4", { uri: "/4", name: "new" })], ["/4"]);
  expect([route("5", { uri: "/5" })], []);
});

test("a compiled plugin outlives every change but that of its own configuration", () => {
  const { engine, trace } = traced();
  const withPlugins = (tag: string, name: string): Change =>
    route("1", { uri: "/1", name, service_id: "s", plugins: { one: { tag }, two: { tag: "same" } } });
  engine.apply([change("services", "s", { plugins: { three: { tag: "s" } } }), withPlugins("a", "first")]);
  engine.apply([route("2", { uri: "/2", service_id: "s" })]);
  plan(engine, "/1");
  plan(engine, "/2");
  assert.deepEqual(compiled(trace).sort(), ["compile one:a", "compile three:s", "compile two:same"]);
  trace.length = 0;
  engine.apply([withPlugins("a", "second"), change("services", "s", { name: "s", plugins: { three: { tag: "s" } } })]);
  plan(engine, "/1");
  plan(engine, "/2");
  assert.deepEqual(trace, []);
  engine.apply([withPlugins("b", "second")]);
  plan(engine, "/1");
  assert.deepEqual(trace, ["compile one:b"]);
});

test("plans are compiled on the first match, once", () => {
  const { engine, trace } = traced();
  engine.apply([route("1", { uri: "/1", plugins: { one: {} } }), route("2", { uri: "/2", plugins: { one: {} } })]);
  assert.deepEqual(trace, []);
  assert.equal(plan(engine, "/1"), plan(engine, "/1"));
  assert.deepEqual(trace, ["compile one:"]);
});

test("metadata reaches the plugin, and a change of it compiles anew", () => {
  const seen: unknown[] = [];
  const plugin: PluginDefinition = {
    name: "reads",
    priority: 1,
    version: "1.0",
    schema: { type: "object" },
    compile: (_conf, env) => {
      seen.push(env.metadata);
      return {};
    },
  };
  const { engine } = engineWith([plugin]);
  engine.apply([route("1", { uri: "/1", plugins: { reads: {} } })]);
  plan(engine, "/1");
  engine.apply([change("plugin_metadata", "reads", { size: 1 })]);
  plan(engine, "/1");
  engine.apply([removal("plugin_metadata", "reads")]);
  plan(engine, "/1");
  assert.deepEqual(seen, [undefined, { id: "reads", size: 1 }, undefined]);
});

test("fails closed: a route whose plugins cannot be compiled answers 500 and says why", () => {
  const { engine, logged } = traced();
  engine.apply([
    route("1", { uri: "/1", plugins: { one: { tag: "fails" } } }),
    route("2", { uri: "/2", plugins: { unknown: {} } }),
    route("3", { uri: "/3", plugin_config_id: "missing" }),
  ]);
  for (const uri of ["/1", "/2", "/3"]) {
    const { rewrite, upstream: proxied } = plan(engine, uri);
    assert.deepEqual(rewrite?.[0]?.run(request({ uri })), { status: 500, headers: [], body: "" });
    assert.equal(proxied, null);
    plan(engine, uri);
  }
  assert.deepEqual(logged, [
    "routes/1: plugin one: cannot work",
    "routes/2: unknown plugin [unknown]",
    "routes/3: plugin config missing not found",
  ]);
});

test("a route whose service is gone is not found, until it is back", () => {
  const { engine } = engineWith();
  const service = change("services", "s", { hosts: ["svc.example"] });
  engine.apply([route("1", { uri: "/1", service_id: "s" }), service]);
  const asked = request({ uri: "/1", host: "svc.example" });
  assert.equal(engine.match(asked, null).found, true);
  assert.equal(plan(engine, "/1").found, false);
  engine.apply([removal("services", "s")]);
  assert.equal(engine.match(asked, null).found, false);
  engine.apply([service]);
  assert.equal(engine.match(asked, null).found, true);
});

test("a host with a port is compared with the Host header as it came", () => {
  const { engine } = engineWith();
  engine.apply([
    route("port", { uri: "/*", host: "a.com:8080" }),
    route("plain", { uri: "/*", host: "a.com" }),
    route("six", { uri: "/*", host: "::1" }),
  ]);
  const id = (host: string, header: string): string =>
    engine.match(request({ uri: "/", host, headers: { host: header } }), null).route.id;
  assert.equal(id("a.com", "A.com:8080"), "port");
  assert.equal(id("a.com", "a.com"), "plain");
  assert.equal(id("[::1]", "[::1]:9080"), "six");
});

test("an instance is disposed of when neither configuration nor request holds it any more", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { engine, trace } = traced();
  engine.apply([route("1", { uri: "/1", plugins: { one: { tag: "old" } } })]);
  // Stands for a request in flight.
  let held: Plan | null = plan(engine, "/1");
  engine.apply([route("1", { uri: "/1", plugins: { one: { tag: "new" } } })]);
  collect();
  await setImmediate();
  assert.ok(!trace.includes("dispose one:old"));
  runPhase(held, "access", []);
  held = null;
  for (let tries = 0; tries < 100 && !trace.includes("dispose one:old"); tries++) {
    collect();
    await setImmediate();
  }
  assert.ok(trace.includes("dispose one:old"));
  plan(engine, "/1");
  assert.ok(!trace.includes("dispose one:new"));
  engine.close();
  assert.equal(trace.filter((line) => line === "dispose one:new").length, 1);
});
