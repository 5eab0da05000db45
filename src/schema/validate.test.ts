import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kind } from "./kinds.ts";
import { checkRules } from "./rules.ts";
import { validateResource } from "./validate.ts";

const up = { upstream: { type: "roundrobin", nodes: { "127.0.0.1:80": 1 } } };
const nodes = { nodes: { "127.0.0.1:80": 1 } };
const pem = "x".repeat(128);

/** What APISIX 3.18 answers, without `invalid configuration: ` before it; `null`: accepted. */
const answers: readonly (readonly [kind: Kind, value: unknown, error: string | null])[] = [
  ["routes", up, "allOf 1 failed: value should match only one schema, but matches none"],
  ["routes", { uri: "", ...up }, 'property "uri" validation failed: string too short, expected at least 1, got 0'],
  ["routes", { uri: 1, ...up }, 'property "uri" validation failed: wrong type: expected string, got number'],
  ["routes", { uri: ["/a"], ...up }, 'property "uri" validation failed: wrong type: expected string, got table'],
  ["routes", { uri: `/${"a".repeat(4095)}`, ...up }, null],
  [
    "routes",
    { uri: `/${"测".repeat(4096)}`, ...up },
    'property "uri" validation failed: string too long, expected at most 4096, got 4097',
  ],
  [
    "routes",
    { uri: "/a", uris: ["/a"], ...up },
    "allOf 1 failed: value should match only one schema, but matches both schemas 1 and 2",
  ],
  ["routes", { uris: [], ...up }, 'property "uris" validation failed: expect array to have at least 1 items'],
  [
    "routes",
    { uris: ["/a", "/a"], ...up },
    'property "uris" validation failed: expected unique items but items 1 and 2 are equal',
  ],
  [
    "routes",
    { uris: [1], ...up },
    'property "uris" validation failed: failed to validate item 1: wrong type: expected string, got number',
  ],
  [
    "routes",
    { uris: { "1": "/a" }, ...up },
    'property "uris" validation failed: wrong type: expected array, got table',
  ],
  [
    "routes",
    { uri: "/a", ...up, priority: 1.5 },
    'property "priority" validation failed: wrong type: expected integer, got number',
  ],
  ["routes", { uri: "/a", ...up, priority: 1000.0 }, null],
  ["routes", { uri: "/a", ...up, status: 2 }, 'property "status" validation failed: matches none of the enum values'],
  ["routes", { uri: "/a", ...up, vars: {} }, null],
  [
    "routes",
    { uri: "/a", ...up, vars: { a: 1 } },
    'property "vars" validation failed: wrong type: expected array, got table',
  ],
  ["routes", { uri: "/a", ...up, plugins: [] }, null],
  [
    "routes",
    { uri: "/a", ...up, remote_addr: "127.0.0.256" },
    'property "remote_addr" validation failed: object matches none of the required',
  ],
  ["routes", { uri: "/a", ...up, remote_addr: "fe80::/32" }, null],
  [
    "routes",
    { uri: "/a", ...up, remote_addr: "::1", remote_addrs: ["::1"] },
    "only one of remote_addr or remote_addrs is allowed",
  ],
  ["routes", { uri: "/a", ...up, host: "a", hosts: ["b"] }, "only one of host or hosts is allowed"],
  [
    "routes",
    { uri: "/a", ...up, timeout: { connect: 0, send: 1, read: 1 } },
    'property "timeout" validation failed: property "connect" validation failed: expected 0 to be greater than 0',
  ],
  ["routes", { uri: "/a", ...up, timeout: [] }, 'property "timeout" validation failed: property "connect" is required'],
  [
    "routes",
    { uri: "/a", ...up, filter_func: "return function() end" },
    'property "filter_func" validation failed: failed to match pattern "^function" with "return function() end"',
  ],
  [
    "routes",
    { uri: "/a", ...up, script: "local _M = {} return _M", plugins: {} },
    "value wasn't supposed to match schema",
  ],
  ["routes", { uri: "/a", ...up, nonsense: 1 }, "additional properties forbidden, found nonsense"],
  [
    "routes",
    { uri: "/a" },
    'object matches none of the required: ["plugins","uri"] or ["upstream","uri"] or ["upstream_id","uri"] or ' +
      '["service_id","uri"] or ["plugins","uris"] or ["upstream","uris"] or ["upstream_id","uris"] or ' +
      '["service_id","uris"] or ["script","uri"] or ["script","uris"]',
  ],
  ["routes", { id: "a b", uri: "/a", ...up }, 'property "id" validation failed: object matches none of the required'],
  ["services", {}, null],
  [
    "services",
    { upstream: {} },
    'property "upstream" validation failed: value should match only one schema, but matches none',
  ],
  [
    "services",
    { labels: { a: "b c" } },
    'property "labels" validation failed: failed to validate a (matching ".*"): failed to match pattern "^\\\\S+$" with "b c"',
  ],
  ["services", { upstream: { nodes: { "127.0.0.1:99999": 1 } } }, "invalid port 99999"],
  ["upstreams", { type: "roundrobin" }, "value should match only one schema, but matches none"],
  [
    "upstreams",
    { service_name: "a", discovery_type: "dns", ...nodes },
    "value should match only one schema, but matches both schemas 1 and 2",
  ],
  [
    "upstreams",
    { nodes: { "127.0.0.1:80": 1.5 } },
    'property "nodes" validation failed: object matches none of the required',
  ],
  ["upstreams", { nodes: [{ host: "127.0.0.1", weight: 1 }] }, null],
  ["upstreams", { nodes: [] }, null],
  ["upstreams", { nodes: { "::1": 1, "[::1]:80": 1, "a.test:80": 1, "127.0.0.1": 0 } }, null],
  ["upstreams", { nodes: { "127.0.0.1:0": 1 } }, "invalid port 0"],
  [
    "upstreams",
    { nodes: [{ host: "::1", port: 80, weight: 1 }] },
    "invalid configuration: IPv6 address must be enclosed with '[' and ']'",
  ],
  ["upstreams", { ...nodes, type: "chash" }, "missing key"],
  ["upstreams", { ...nodes, type: "chash", hash_on: "consumer" }, null],
  [
    "upstreams",
    { ...nodes, type: "chash", hash_on: "header", key: "X A" },
    'invalid configuration: failed to match pattern "^[a-zA-Z0-9-_]+$" with "X A"',
  ],
  [
    "upstreams",
    { ...nodes, type: "chash", key: "http_x" },
    'invalid configuration: failed to match pattern "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$" with "http_x"',
  ],
  ["upstreams", { ...nodes, pass_host: "rewrite" }, "`upstream_host` can't be empty when `pass_host` is `rewrite`"],
  [
    "upstreams",
    { ...nodes, checks: {} },
    'property "checks" validation failed: object matches none of the required: ["active"] or ["active","passive"]',
  ],
  [
    "upstreams",
    { ...nodes, checks: [] },
    'property "checks" validation failed: object matches none of the required: ["active"] or ["active","passive"]',
  ],
  [
    "upstreams",
    { ...nodes, checks: { active: { healthy: { successes: 255 } } } },
    'property "checks" validation failed: property "active" validation failed: property "healthy" validation failed: property "successes" validation failed: expected 255 to be at most 254',
  ],
  ["upstreams", { ...nodes, retries: -1 }, 'property "retries" validation failed: expected -1 to be at least 0'],
  ["consumers", {}, 'property "username" is required'],
  [
    "credentials",
    { plugins: { a: {}, b: {} } },
    'property "plugins" validation failed: expect object to have at most 1 properties',
  ],
  [
    "credentials",
    { id: "a b" },
    'property "id" validation failed: value should match only one schema, but matches none',
  ],
  ["consumer_groups", { plugins: {} }, 'property "id" is required'],
  ["global_rules", { id: "1", plugins: {}, name: "n" }, "additional properties forbidden, found name"],
  ["ssls", { sni: "a", cert: pem, key: pem }, null],
  ["ssls", { cert: pem, key: pem }, "then clause did not match"],
  ["ssls", { type: "client", cert: pem, key: pem }, null],
  ["ssls", { sni: "a", cert: pem, key: pem, certs: [pem] }, "mismatched number of certs and keys"],
  [
    "ssls",
    { sni: "a", cert: pem, key: pem, client: { depth: 1 } },
    'property "client" validation failed: property "ca" is required',
  ],
  ["protos", { content: "" }, 'property "content" validation failed: string too short, expected at least 1, got 0'],
  ["stream_routes", { ...up, server_port: 0 }, 'property "server_port" validation failed: expected 0 to be at least 1'],
  ["stream_routes", { ...up, protocol: { name: "redis" } }, "unknown protocol [redis]"],
  ["plugins", [{}], 'failed to validate item 1: property "name" is required'],
  // Where APISIX is wrong: it takes these, or crashes.
  [
    "upstreams",
    { ...nodes, type: "nonsense" },
    'invalid configuration: property "type" validation failed: matches none of the enum values',
  ],
  ["upstreams", { nodes: { "a b:80": 1 } }, "invalid address of a node: a b:80"],
  ["upstreams", { nodes: { "127.0.0.1:x": 1 } }, "invalid port x"],
  ["upstreams", { nodes: { "http://a.test": 1 } }, "invalid address of a node: http://a.test"],
  ["upstreams", { nodes: { "::1:41901": 1 } }, "invalid address of a node: ::1:41901"],
  ["upstreams", { nodes: { "[::1:41901]:80": 1 } }, "invalid address of a node: [::1:41901]:80"],
  ["upstreams", { nodes: null }, 'property "nodes" validation failed: object matches none of the required'],
  [
    "routes",
    { uri: "/a", ...up, remote_addr: "::1/129" },
    'invalid configuration: property "remote_addr" validation failed: object matches none of the required',
  ],
  ["routes", null, "wrong type: expected object, got null"],
  ["routes", [], "wrong type: expected object, got table"],
];

test("the answers are those of APISIX", () => {
  for (const [kind, value, error] of answers) {
    const outcome = validateResource(kind, value);
    const found = "error" in outcome ? outcome.error : (checkRules(kind, outcome.value)[0]?.message ?? null);
    assert.equal(found, error, `${kind} ${JSON.stringify(value)}`);
  }
});

test("secrets are checked by the schema of their manager", () => {
  const vault = { uri: "http://127.0.0.1", prefix: "p", token: "t" };
  assert.ok("value" in validateResource("secrets", vault, "vault/1"));
  const refused = (value: unknown, id: string): string | null => {
    const outcome = validateResource("secrets", value, id);
    return "error" in outcome ? outcome.error : null;
  };
  assert.equal(refused({ ...vault, token: undefined }, "vault/1"), 'property "token" is required');
  assert.equal(refused({}, "gcp/1"), "value should match only one schema, but matches none");
  assert.equal(refused({}, "nope/1"), "invalid secret manager: nope");
});

test("defaults go into a copy, ids become strings", () => {
  const route = { id: 7, uri: "/a", service_id: 1, upstream: { nodes: [{ host: "a", weight: 1 }] } };
  const before = structuredClone(route);
  const outcome = validateResource("routes", route);
  assert.deepEqual(route, before);
  assert.deepEqual("value" in outcome && outcome.value, {
    id: "7",
    uri: "/a",
    service_id: "1",
    priority: 0,
    status: 1,
    upstream: {
      nodes: [{ host: "a", weight: 1, priority: 0 }],
      type: "roundrobin",
      scheme: "http",
      pass_host: "pass",
      hash_on: "vars",
    },
  });
});
