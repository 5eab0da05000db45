import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { RequestContext } from "../plugin/context.ts";
import type { Change, Kind } from "../schema/kinds.ts";
import type { Route } from "../schema/route.ts";
import { describeRequest, type DescribedRequest, type PathSettings } from "./described-request.ts";
import { explainPlan } from "./explain-plan.ts";
import { ExplainTable, type Miss } from "./explain.ts";
import { change, engineWith, route, tracingPlugin, upstream } from "./testing.ts";

const settings: PathSettings = {
  matching: { encodedSlash: false, graphqlMaxSize: 0, postArgMaxSize: 0 },
  http: { normalizeUriLikeServlet: false, deleteUriTailSlash: false },
};

function asked(fields: Partial<DescribedRequest> = {}, more: Partial<PathSettings["http"]> = {}): RequestContext {
  const plain = { method: "GET", target: "/", host: "", scheme: "http", headers: new Map(), remoteAddr: "127.0.0.1" };
  const ctx = describeRequest({ ...plain, ...fields } as DescribedRequest, {
    ...settings,
    http: { ...settings.http, ...more },
  });
  assert.ok(ctx !== null);
  return ctx;
}

function tableOf(changes: readonly Change[], table = new ExplainTable("radixtree_host_uri")): ExplainTable {
  table.sync(changes.map(({ kind, id, text }) => ({ kind, id, shown: text ?? "" })));
  return table;
}

/** The near misses as `id: condition why, …`. */
function nearOf(table: ExplainTable, ctx: RequestContext): string[] {
  const told = ({ condition, why }: Miss): string => `${condition} ${why}`;
  return table.explain(ctx).near.map(({ entry, misses }) => `${entry.id}: ${misses.map(told).join(", ")}`);
}

test("each condition that does not hold is told with what it wanted and what it got", () => {
  const table = tableOf([
    route("path", { uri: "/orders/*" }),
    route("other", { uri: "/unrelated" }),
    route("off", { uri: "/orders", status: 0 }),
    route("host", { uri: "/orders", hosts: ["a.test", "*.b.test"] }),
    route("method", { uri: "/orders", methods: ["POST", "PUT"] }),
    route("address", { uri: "/orders", remote_addrs: ["10.0.0.0/8"] }),
    route("vars", {
      uri: "/orders",
      vars: [
        ["arg_a", "==", "1"],
        ["http_x", "==", "y"],
      ],
    }),
    route("filter", { uri: "/orders", filter_func: "function (vars) { return vars.arg_a === 'z'; }" }),
    route("two", { uri: "/*", methods: ["POST"], remote_addr: "10.0.0.1" }),
  ]);
  const ctx = asked({ target: "/orders?a=1", host: "c.test:80" });
  assert.equal(table.explain(ctx).matched, null);
  assert.deepEqual(nearOf(table, ctx).sort(), [
    "address: remote_addr wanted 10.0.0.0/8, got 127.0.0.1",
    "filter: filter_func the function did not return true",
    "host: host wanted a.test or *.b.test, got c.test",
    "method: method wanted POST or PUT, got GET",
    "off: status the route is disabled (status 0)",
    "path: path /orders/* does not take /orders",
    "two: method wanted POST, got GET, remote_addr wanted 10.0.0.1, got 127.0.0.1",
    'vars: vars ["http_x","==","y"] does not hold',
  ]);
});

test("what takes the request, too, is told what comes before it", () => {
  const table = tableOf([
    change("services", "s", { hosts: ["*.test"] }),
    route("win", { uri: "/a/b", host: "x.test", priority: 3 }),
    route("wild", { uri: "/a/b", service_id: "s", priority: 9 }),
    route("any", { uri: "/a/b", priority: 9 }),
    route("short", { uri: "/a/*", host: "x.test", priority: 9 }),
    route("low", { uri: "/a/b", host: "x.test", priority: 2 }),
    route("win2", { uri: "/a/b", host: "x.test", priority: 3 }),
  ]);
  const ctx = asked({ target: "/a/b", host: "x.test" });
  assert.equal(table.explain(ctx).matched?.id, "win");
  assert.deepEqual(nearOf(table, ctx).sort(), [
    "any: precedence routes/win is for x.test, which comes before every host",
    "low: precedence routes/win has the higher priority: 3 over 2",
    "short: precedence routes/win has the more specific path /a/b",
    "wild: precedence routes/win is for x.test, which comes before *.test",
    "win2: precedence routes/win has the same path and priority, and comes first by its path's length and its id",
  ]);
});

test("the table follows what changes, services' hosts too", () => {
  const service = (hosts?: string[]): Change => change("services", "s", hosts === undefined ? {} : { hosts });
  const table = tableOf([service(["a.test"]), route("r", { service_id: "s" })]);
  const matches = (host: string): boolean => table.explain(asked({ host })).matched?.id === "r";
  assert.deepEqual([matches("a.test"), matches("b.test")], [true, false]);
  tableOf([service(["b.test"]), route("r", { service_id: "s" })], table);
  assert.deepEqual([matches("a.test"), matches("b.test")], [false, true]);
  tableOf([route("r", { service_id: "s" })], table);
  assert.ok(matches("c.test"));
  tableOf([], table);
  assert.deepEqual([matches("c.test"), nearOf(table, asked())], [false, []]);
});

test("near misses are limited, the nearest come first", () => {
  const many = Array.from({ length: 30 }, (_, i) => route(`r${i}`, { methods: ["POST"], remote_addr: "10.0.0.1" }));
  const { near, nearCount } = tableOf([...many, route("near", { methods: ["POST"] })]).explain(asked());
  assert.deepEqual([near.length, nearCount, near[0]?.entry.id], [20, 31, "near"]);
});

test("paths are read as the data path reads them", () => {
  const path = (target: string, more: Partial<PathSettings["http"]> = {}): string => asked({ target }, more).routePath;
  assert.equal(path("//a/./b/../%63?x=%2F"), "/a/c");
  assert.equal(path("/a;x=1/b/", { normalizeUriLikeServlet: true, deleteUriTailSlash: true }), "/a/b");
  assert.equal(describeRequest({ ...asked(), target: "/..", headers: new Map() }, settings), null);
  const ctx = asked({ target: "/?a=1&b=x+y%21", headers: new Map([["cookie", "k=1; k=2"]]) });
  assert.deepEqual(
    [ctx.argument("a"), ctx.argument("b"), ctx.argument("c"), ctx.cookie("k")],
    ["1", "x y!", undefined, "2"],
  );
});

test("texts beyond ASCII are compared as a request would bring them", () => {
  const holds = (condition: readonly unknown[], fields: Partial<DescribedRequest>): boolean =>
    tableOf([route("one", { uri: "/*", vars: [condition] })]).explain(asked(fields)).matched?.id === "one";
  assert.ok(holds(["http_x", "==", "Köln 中"], { headers: new Map([["x", "Köln 中"]]) }));
  assert.ok(holds(["cookie_x", "==", "Köln"], { headers: new Map([["cookie", "x=Köln"]]) }));
  for (const target of ["/?x=Köln", "/?x=K%C3%B6ln"]) assert.ok(holds(["arg_x", "==", "Köln"], { target }), target);
  for (const target of ["/Köln", "/K%C3%B6ln"]) assert.ok(holds(["uri", "==", "/Köln"], { target }), target);
});

test("matches what the engine matches", () => {
  const uris = ["/", "/a", "/a/*", "/a/b", "/*", "/a/b/*"];
  const hosts = ["a.test", "*.test", "b.a.test"];
  const routes = fc.array(
    fc.record(
      {
        uris: fc.uniqueArray(fc.constantFrom(...uris), { minLength: 1, maxLength: 2 }),
        hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 2 }),
        methods: fc.constantFrom(["GET"], ["POST"]),
        priority: fc.integer({ min: 0, max: 2 }),
        status: fc.constantFrom(0, 1),
      },
      { requiredKeys: ["uris", "priority", "status"] },
    ),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(
      routes,
      fc.constantFrom("/", "/a", "/a/", "/a/b", "/a/b/c", "/x"),
      fc.constantFrom("", "a.test", "b.a.test", "x.org"),
      (list, target, host) => {
        const changes = list.map((fields, i) => route(`r${i}`, { uri: undefined, ...fields }));
        const { engine } = engineWith();
        engine.apply(changes);
        const ctx = asked({ target, host });
        const { matched, near } = tableOf(changes).explain(ctx);
        assert.equal(matched?.id ?? "", engine.match(ctx, null).route.id);
        // Whatever is told of a route that does not match must be a reason.
        for (const { entry, misses } of near) assert.ok(misses.length > 0, entry.id);
      },
    ),
  );
});

test("the plan: each plugin with the resource it comes from, and what does not count", () => {
  const resources = resourcesOf([
    change("global_rules", "g", { plugins: { log: {}, off: { _meta: { disable: true } } } }),
    change("services", "s", { plugins: { a: { of: "service" }, b: {} }, upstream_id: "u", enable_websocket: true }),
    change("plugin_configs", "p", { plugins: { a: { of: "config" }, c: {} } }),
    change("consumer_groups", "cg", { plugins: { c: { of: "group" }, auth: { key: "no" } } }),
    change("consumers", "jack", { group_id: "cg", plugins: { auth: { key: "k" }, d: {} } }),
    change("upstreams", "u", upstream()),
  ]);
  const registry = new Map(
    [
      tracingPlugin("auth", 100, [], { type: "auth" }),
      ...["log", "a", "b", "c", "d", "off"].map((name, i) => tracingPlugin(name, i, [])),
    ].map((one) => [one.name, one]),
  );
  const conf = { id: "r", uri: "/", service_id: "s", plugin_config_id: "p", timeout: { connect: 1, send: 2, read: 3 } };
  const plugins = { auth: {}, a: { _meta: { priority: 1000 } }, b: { _meta: { disable: true } } };
  const r = { ...conf, plugins } as unknown as Route;
  const told = (consumer: string | null): unknown => {
    const plan = explainPlan(r, { resources, registry, consumer, request });
    return [
      plan.plugins.map(({ name, from }) => `${name} ${from}`),
      plan.superseded.map(({ name, from, why }) => `${name} ${from}: ${why}`),
      plan.missing,
    ];
  };
  const superseded = [
    "a services/s: plugin_configs/p has this plugin, too",
    "a plugin_configs/p: routes/r has this plugin, too",
    "b services/s: routes/r has this plugin, too",
  ];
  const disabled = ["b routes/r: it is disabled", "off global_rules/g: it is disabled"];
  assert.deepEqual(told(null), [
    ["log global_rules/g", "a routes/r", "auth routes/r", "c plugin_configs/p"],
    [...superseded, ...disabled],
    [],
  ]);
  assert.deepEqual(told("jack"), [
    ["log global_rules/g", "a routes/r", "auth routes/r", "d consumers/jack", "c consumer_groups/cg"],
    [...superseded, "c plugin_configs/p: consumer_groups/cg has this plugin, too", ...disabled],
    [],
  ]);
  assert.deepEqual((told("nobody") as unknown[])[2], ["consumers/nobody"]);
  const open = { id: "open", uri: "/" } as unknown as Route;
  const { plugins: run, superseded: idle } = explainPlan(open, { resources, registry, consumer: "jack", request });
  assert.deepEqual(
    [run.map(({ name }) => name), idle.map(({ name, why }) => `${name}: ${why}`)],
    [
      ["log"],
      ["c: nothing authenticates the consumer", "d: nothing authenticates the consumer", "off: it is disabled"],
    ],
  );
  const { settings: own, upstream: found } = explainPlan(r, { resources, registry, consumer: null, request });
  assert.deepEqual(
    [Object.entries(own).map(([name, { from }]) => `${name} ${from}`), found?.from],
    [["timeout routes/r", "enable_websocket services/s"], "upstreams/u"],
  );
});

test("timeouts: the route's, else those of its upstream, wherever that comes from", () => {
  const timeout = { connect: 1, send: 2, read: 3 };
  const resources = resourcesOf([
    change("services", "s", { upstream: { ...upstream(), timeout } }),
    change("upstreams", "u", { ...upstream(), timeout }),
  ]);
  const from = (fields: object): unknown => {
    const parts = { resources, registry: new Map(), consumer: null, request };
    return explainPlan({ id: "r", uri: "/", ...fields } as unknown as Route, parts).settings["timeout"];
  };
  assert.deepEqual(from({ upstream_id: "u" }), { value: timeout, from: "upstreams/u" });
  assert.deepEqual(from({ service_id: "s" }), { value: timeout, from: "services/s" });
  const own = { ...timeout, read: 9 };
  assert.deepEqual(from({ service_id: "s", timeout: own }), { value: own, from: "routes/r" });
  assert.equal(from({ upstream: upstream() }), undefined);
});

test("the upstream: the route's before the service's, an id before an inline one; none at all", () => {
  const resources = resourcesOf([
    change("services", "s", { upstream: upstream() }),
    change("upstreams", "u", upstream()),
  ]);
  const from = (fields: object): unknown => {
    const parts = { resources, registry: new Map(), consumer: null, request };
    const { upstream: found, missing } = explainPlan({ id: "r", uri: "/", ...fields } as unknown as Route, parts);
    return [found?.from ?? null, ...missing];
  };
  assert.deepEqual(from({ upstream_id: "u", upstream: upstream(), service_id: "s" }), ["upstreams/u"]);
  assert.deepEqual(from({ upstream: upstream(), service_id: "s" }), ["routes/r"]);
  assert.deepEqual(from({ service_id: "s" }), ["services/s"]);
  assert.deepEqual(from({ upstream_id: "gone" }), [null, "upstreams/gone"]);
  assert.deepEqual(from({}), [null]);
});

test("the plan: plugins whose filters do not hold; equals by name, as they run", () => {
  const filtered = (filter: unknown): object => ({ _meta: { priority: 7, filter } });
  const resources = resourcesOf([
    change("global_rules", "g", { plugins: { b: filtered([["http_x", "==", "1"]]) } }),
    change("services", "s", {
      plugins: {
        d: filtered([["arg_a", "==", "1"]]),
        c: filtered([["OR", ["arg_a", "==", "2"], ["request_method", "!", "==", "GET"]]]),
        a: filtered([["status", "==", "500"]]),
      },
    }),
  ]);
  const told = (target: string): unknown => {
    const parts = { resources, registry: new Map(), consumer: null, request: asked({ target }) };
    const plan = explainPlan({ id: "r", uri: "/", service_id: "s" } as unknown as Route, parts);
    return [plan.plugins.map(({ name }) => name).join(" "), plan.superseded.map(({ name, why }) => `${name}: ${why}`)];
  };
  const [global, d, c] = [
    'b: its filter [["http_x","==","1"]] does not hold',
    'd: its filter [["arg_a","==","1"]] does not hold',
    'c: its filter [["OR",["arg_a","==","2"],["request_method","!","==","GET"]]] does not hold',
  ];
  assert.deepEqual(told("/?a=1"), ["a d", [c, global]]);
  assert.deepEqual(told("/?a=2"), ["a c", [d, global]]);
});

const request = asked();

function resourcesOf(changes: readonly Change[]) {
  return {
    get: (kind: Kind, id: string) => {
      const text = changes.find((one) => one.kind === kind && one.id === id)?.text ?? null;
      return text === null ? undefined : (JSON.parse(text) as Record<string, unknown>);
    },
    ids: (kind: Kind) => changes.flatMap((one) => (one.kind === kind ? [one.id] : [])),
  };
}
