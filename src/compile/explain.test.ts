import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "./explain.ts";
import { change, engineWith, route, tracingPlugin, upstream } from "./testing.ts";

const plugins = ["one", "two", "three", "auth"].map((name, i) => tracingPlugin(name, 10 * (i + 1), []));

function engine(): ReturnType<typeof engineWith>["engine"] {
  const made = engineWith(plugins).engine;
  const failures = made.apply([
    change("global_rules", "g", { plugins: { one: {} } }),
    change("plugin_configs", "pc", { plugins: { two: {} } }),
    change("consumers", "jack", { username: "jack", plugins: { two: { tag: "jack" } } }),
    change("services", "s", {
      plugins: { two: { tag: "s" }, three: { _meta: { filter: [["arg_x", "==", "1"]] } } },
      upstream: upstream({ nodes: { "10.0.0.1:80": 1, "10.0.0.2:80": 1 }, type: "chash", key: "arg_user" }),
    }),
    route("taken", { uri: "/a/*", host: "a.com", service_id: "s", plugin_config_id: "pc", upstream: undefined }),
    route("wild", { uri: "/a/*", hosts: ["*.com"], plugins: { auth: { _meta: { disable: true } } } }),
    route("method", { uri: "/a/b", host: "a.com", methods: ["POST"] }),
    route("vars", {
      uri: "/a/b",
      host: "a.com",
      vars: [
        ["arg_y", "==", "1"],
        ["arg_x", "==", "2"],
      ],
    }),
    route("off", { uri: "/a/b", status: 0, remote_addr: "10.0.0.0/8" }),
    route("host", { uri: "/a/b", host: "b.org" }),
    route("slash", { uri: "/a/b/", host: "a.com" }),
    route("filter", { uri: "/a/b", host: "a.com", filter_func: "function (vars) { return false; }" }),
    route("far", { uri: "/z" }),
  ]);
  assert.deepEqual(failures, []);
  return made;
}

const asked = { method: "GET", host: "a.com", target: "/a/b?x=3&y=1&user=u1" };

test("what matches, and what keeps the others from it", () => {
  const { route: found, near_misses: misses } = explain(engine(), asked);
  assert.equal(found?.id, "taken");
  assert.deepEqual(
    misses.map(({ id, failed }) => [id, failed.map(({ condition }) => condition)]),
    [
      ["wild", []],
      ["filter", ["filter_func"]],
      ["host", ["host"]],
      ["method", ["methods"]],
      ["slash", ["uri"]],
      ["vars", ["vars"]],
      ["off", ["status", "remote_addr"]],
    ],
  );
  const why = new Map(misses.map((miss) => [miss.id, miss.why]));
  assert.equal(why.get("vars"), 'vars: ["arg_x","==","2"], and arg_x is "3"');
  assert.equal(why.get("method"), "methods: GET is none of POST");
  assert.equal(why.get("host"), "host: a.com is none of b.org");
  assert.match(why.get("wild") ?? "", /^route taken comes first/);
});

test("the plugins, where they come from, and the node", () => {
  const made = engine();
  const { plugins: found, upstream: target } = explain(made, asked);
  assert.deepEqual(
    found.map(({ name, from, filtered }) => `${name} ${from}${filtered ? " filtered" : ""}`),
    ["one global_rules/g", "three services/s filtered", "two plugin_configs/pc"],
  );
  assert.equal(target?.from, "services/s");
  assert.deepEqual(
    target?.nodes.map(({ address, healthy }) => `${address} ${healthy}`),
    ["10.0.0.1:80 true", "10.0.0.2:80 true"],
  );
  assert.equal(explain(made, asked).upstream?.node, target?.node, "nothing has turned");
  const byJack = explain(made, { ...asked, consumer: "jack" }).plugins;
  assert.deepEqual(byJack.find(({ name }) => name === "two")?.from, "consumers/jack");
});

test("no route: global rules, near misses, no upstream", () => {
  const {
    route: found,
    plugins: run,
    upstream: target,
    near_misses: misses,
  } = explain(engine(), {
    method: "GET",
    host: "none.org",
    target: "/A/B",
  });
  assert.equal(found, null);
  assert.equal(target, null);
  assert.deepEqual(
    run.map(({ from }) => from),
    ["global_rules/g"],
  );
  assert.ok(misses.some(({ id, failed }) => id === "host" && failed.length === 2));
});

test("what cannot be a request is refused", () => {
  assert.throws(() => explain(engine(), { ...asked, target: "a" }), /must begin with/);
  assert.throws(() => explain(engine(), { ...asked, remoteAddr: "x" }), /invalid IP address/);
  assert.throws(() => explain(engine(), { ...asked, consumer: "nobody" }), /there is no consumer nobody/);
});

test("headers, cookies and bodies count", () => {
  const made = engineWith().engine;
  made.apply([
    route("1", {
      uri: "/",
      vars: [
        ["http_x_a", "==", "1"],
        ["cookie_c", "==", "2"],
        ["post_arg.a", "==", 3],
      ],
    }),
  ]);
  const headers = [
    ["X-A", "1"],
    ["Cookie", "c=2"],
    ["Content-Type", "application/json"],
  ] as const;
  const request = { method: "POST", host: "a", target: "/", headers, body: '{"a":3}' };
  assert.equal(explain(made, request).route?.id, "1");
  assert.match(explain(made, { ...request, body: "{}" }).near_misses[0]?.why ?? "", /post_arg\.a is absent/);
});
