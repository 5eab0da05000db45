import assert from "node:assert/strict";
import { test } from "node:test";
import type { InlineUpstream } from "../schema/upstream.ts";
import { routerSettings, upstream } from "./testing.ts";
import { compileUpstream, withTimeout } from "./upstreams.ts";

function compile(fields: object): ReturnType<typeof compileUpstream> {
  return compileUpstream("upstreams/1", upstream(fields) as InlineUpstream, routerSettings.upstream);
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

test("no nodes: no node to pick, and no retries", () => {
  const compiled = compile({ nodes: {} });
  assert.equal(compiled.picker.pick([]), null);
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
