import assert from "node:assert/strict";
import { test } from "node:test";
import type { InlineUpstream } from "../schema/upstream.ts";
import { NodeTlsSource, TrustedAuthorities } from "../upstream/node-tls.ts";
import type { Target } from "../upstream/targets.ts";
import { request, routerSettings, upstream } from "./testing.ts";
import { compileBalancing } from "./balancing.ts";
import { compileUpstream, withTimeout } from "./upstreams.ts";

function compile(
  fields: object,
  targets: Readonly<Record<string, readonly Target[]>> = {},
): ReturnType<typeof compileUpstream> {
  const known = new Map(Object.entries(targets));
  const surroundings = {
    defaults: routerSettings.upstream,
    targets: known,
    health: null,
    tls: new NodeTlsSource(new TrustedAuthorities(null)),
    clientCertificate: (id: string) => `ssls/${id} is not there`,
  };
  return compileUpstream("upstreams/1", upstream(fields) as InlineUpstream, surroundings);
}

test("defaults are APISIX's", () => {
  const compiled = compile({ nodes: { "a.example:1": 1, "b.example:2": 3 } });
  assert.equal(compiled.retries, 1);
  assert.equal(compiled.retryTimeoutMs, 0);
  assert.equal(compiled.connectTimeoutMs, 60_000);
  assert.equal(compiled.sendTimeoutMs, 60_000);
  assert.equal(compiled.readTimeoutMs, 60_000);
  assert.equal(compiled.keepalive, 320);
  assert.equal(compiled.keepaliveTimeoutMs, 60_000);
  assert.equal(compiled.keepaliveRequests, 1000);
  for (const { poolKey, address } of compiled.nodes) assert.equal(poolKey, address);
});

test("what is configured wins, in milliseconds and never rounded to none", () => {
  const compiled = compile({
    retries: 5,
    retry_timeout: 1.5,
    timeout: { connect: 0.5, send: 0.0001, read: 6 },
    keepalive_pool: { size: 10, idle_timeout: 2.5, requests: 7 },
    pass_host: "rewrite",
    upstream_host: "x.example",
    scheme: "https",
  });
  assert.equal(compiled.retries, 5);
  assert.equal(compiled.retryTimeoutMs, 1500);
  assert.deepEqual([compiled.connectTimeoutMs, compiled.sendTimeoutMs, compiled.readTimeoutMs], [500, 1, 6000]);
  assert.deepEqual([compiled.keepalive, compiled.keepaliveTimeoutMs, compiled.keepaliveRequests], [10, 2500, 7]);
  const [node] = compiled.nodes;
  assert.notEqual(node?.poolKey, node?.address, "connections of its own");
  assert.deepEqual([compiled.passHost, compiled.upstreamHost, compiled.scheme], ["rewrite", "x.example", "https"]);
});

const nodes: readonly (readonly [conf: object, scheme: string, address: string, host: string, hostHeader: string])[] = [
  [{ "127.0.0.1:1980": 1 }, "http", "127.0.0.1:1980", "127.0.0.1", "127.0.0.1:1980"],
  [{ "127.0.0.1": 1 }, "http", "127.0.0.1:80", "127.0.0.1", "127.0.0.1"],
  [{ "a.example": 1 }, "https", "a.example:443", "a.example", "a.example"],
  [{ "a.example:80": 1 }, "https", "a.example:80", "a.example", "a.example:80"],
  [{ "[::1]:8080": 1 }, "http", "[::1]:8080", "::1", "[::1]:8080"],
  [{ "::1": 1 }, "http", "[::1]:80", "::1", "[::1]"],
  [[{ host: "::1", port: 9, weight: 1 }], "http", "[::1]:9", "::1", "[::1]:9"],
  [[{ host: "a.example", weight: 1 }], "grpcs", "a.example:443", "a.example", "a.example"],
];

for (const [conf, scheme, address, host, hostHeader] of nodes) {
  test(`${JSON.stringify(conf)} over ${scheme} is ${address}`, () => {
    const [node] = compile({ nodes: conf, scheme }).nodes;
    assert.deepEqual([node?.address, node?.host, node?.hostHeader], [address, host, hostHeader]);
  });
}

test("weights and priorities are kept", () => {
  const compiled = compile({ nodes: [{ host: "a", port: 1, weight: 5, priority: -1 }] });
  assert.deepEqual([compiled.nodes[0]?.weight, compiled.nodes[0]?.priority], [5, -1]);
});

test("weights without measure leave nothing behind", () => {
  const picked = (weight: number): number => {
    const nodes = { "127.0.0.1:1": weight, "127.0.0.1:2": weight, "127.0.0.1:3": 1 };
    const { picker } = compile({ nodes });
    const addresses = Array.from({ length: 1_000 }, () => picker.pick([], request({ uri: "/" }))?.address);
    return addresses.filter((address) => address === "127.0.0.1:1").length;
  };
  assert.ok(Math.abs(picked(1e308) - 500) <= 1);
  assert.ok(Math.abs(picked(1) - 333) <= 2, "the turn goes on with weights that were mended");
});

test("no nodes: no node to pick, and no retries", () => {
  const compiled = compile({ nodes: {} });
  assert.equal(compiled.picker.pick([], request({ uri: "/" })), null);
  assert.equal(compiled.retries, 0);
});

test("a scheme of streams is refused", () => {
  assert.throws(() => compile({ scheme: "tcp" }), { message: "scheme tcp cannot serve HTTP routes" });
});

test("a route's timeouts change nothing else", () => {
  const compiled = compile({});
  const own = withTimeout(compiled, { connect: 1, send: 2, read: 3 });
  assert.deepEqual([own.connectTimeoutMs, own.sendTimeoutMs, own.readTimeoutMs], [1000, 2000, 3000]);
  assert.equal(own.picker, compiled.picker);
  assert.equal(own.key, compiled.key);
});

const address = (host: string, more: Partial<Target> = {}): Target => ({
  host,
  port: null,
  weight: 1,
  priority: 0,
  ...more,
});

test("names give way to their addresses, which share the weight; the Host stays the name", () => {
  const targets = { "name/a.example": [address("10.0.0.1"), address("10.0.0.2")], "name/none.example": [] };
  const conf = {
    nodes: { "A.example:8080": 3, "10.0.0.9": 1, "soon.example": 1, "none.example": 1, "zero.example": 0 },
  };
  const { nodes, retries } = compile(conf, { ...targets, "name/zero.example": [address("10.0.0.7")] });
  assert.deepEqual(
    nodes.map((node) => [node.address, node.hostHeader, node.weight]),
    [
      ["10.0.0.1:8080", "A.example:8080", 3],
      ["10.0.0.2:8080", "A.example:8080", 3],
      ["10.0.0.9:80", "10.0.0.9", 2],
      ["soon.example:80", "soon.example", 2],
      ["10.0.0.7:80", "zero.example", 0],
    ],
  );
  assert.equal(retries, 4);
  const lost = compile({ nodes: { "none.example": 1, "10.0.0.9": 0 } }, targets);
  assert.deepEqual(
    lost.nodes.map((node) => node.address),
    ["none.example:80", "10.0.0.9:80"],
    "nobody else could be asked",
  );
});

test("nodes of a service", () => {
  const conf = { nodes: undefined, service_name: "shop", discovery_type: "dns", scheme: "http" };
  assert.deepEqual(compile(conf).nodes, []);
  const found = [address("10.0.0.1", { port: 81, weight: 60, priority: -10 }), address("10.0.0.2")];
  assert.deepEqual(
    compile(conf, { "dns/shop": found }).nodes.map((node) => [node.address, node.weight, node.priority]),
    [
      ["10.0.0.1:81", 60, -10],
      ["10.0.0.2:80", 1, 0],
    ],
  );
});

const hashed: readonly (readonly [fields: object, key: string])[] = [
  [{ hash_on: "vars", key: "arg_user" }, "ann"],
  [{ hash_on: "vars", key: "uri" }, "/x"],
  [{ hash_on: "header", key: "X-User" }, "bob"],
  [{ hash_on: "vars_combinations", key: "$request_uri$remote_addr" }, "/x?user=ann127.0.0.1"],
  [{ hash_on: "vars_combinations", key: "$arg_none-$http_x_user" }, "-bob"],
  [{ hash_on: "vars_combinations", key: "$arg_none-${http_none}" }, "127.0.0.1"],
  [{ hash_on: "vars_combinations", key: "constant" }, "127.0.0.1"],
  [{ hash_on: "vars", key: "arg_none" }, "127.0.0.1"],
  [{ hash_on: "consumer" }, "127.0.0.1"],
  [{ hash_on: "vars" }, "127.0.0.1"],
];

for (const [fields, key] of hashed) {
  test(`chash over ${JSON.stringify(fields)}`, () => {
    const balancing = compileBalancing(upstream({ type: "chash", ...fields }) as InlineUpstream);
    assert.ok(balancing.type === "chash");
    assert.equal(balancing.keyOf(request({ uri: "/x?user=ann", headers: { "x-user": "bob" } })), key);
  });
}
