import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kind } from "../schema/kinds.ts";
import { upstream } from "./testing.ts";
import { checkSupport } from "./unsupported.ts";

const accepted: readonly (readonly [kind: Kind, conf: object])[] = [
  ["routes", { uri: "/", upstream: upstream(), vars: [["arg_a", "==", "1"]], remote_addr: "10.0.0.0/8" }],
  ["routes", { uri: "/", filter_func: "function (vars) { return true; }", vars: [["post_arg.a", "==", "1"]] }],
  ["routes", { uri: "/", vars: [], plugins: { any: { _meta: { filter: [["arg_a", "==", "1"]] } } } }],
  // The configuration of a disabled plugin is not looked at.
  ["routes", { uri: "/", plugins: { any: { _meta: { disable: true, filter: [["x"]] } } } }],
  ["services", { hosts: ["a.com"], upstream: upstream({ type: "ewma" }) }],
  ["upstreams", upstream({ type: "chash", hash_on: "cookie", key: "sid" })],
  ["upstreams", upstream({ scheme: "tcp" })],
  ["upstreams", upstream({ nodes: undefined, service_name: "s", discovery_type: "dns" })],
  ["ssls", {}],
  ["stream_routes", { server_addr: "::1", remote_addr: "10.0.0.0/8", upstream: upstream({ scheme: "tcp" }) }],
  ["stream_routes", { sni: "*.a.com", service_id: "1" }],
];

for (const [kind, conf] of accepted) {
  test(`${kind} ${JSON.stringify(conf)} can be served`, () => {
    assert.equal(checkSupport(kind, conf), null);
  });
}

const refused: readonly (readonly [kind: Kind, conf: object, reason: string])[] = [
  ["routes", { vars: [["arg_a", "===", "1"]] }, "failed to validate the 'vars' expression: invalid operator '==='"],
  [
    "routes",
    { filter_func: "function() end" },
    "property \"filter_func\" validation failed: filter_func is not JavaScript: Unexpected identifier 'end'; Lua is not run. " +
      'Write: function (vars) { return vars.arg_name === "a"; }',
  ],
  ["routes", { script: "local _M = {}" }, 'property "script" is not supported: Lua is not run'],
  [
    "stream_routes",
    { protocol: { name: "redis" } },
    'property "protocol" is not supported: nothing above TCP and UDP is read',
  ],
  [
    "stream_routes",
    { upstream: upstream({ scheme: "udp", nodes: [{ host: "a.com", weight: 1 }] }) },
    'property "upstream" validation failed: property "nodes": a.com has no port',
  ],
  [
    "routes",
    { upstream: upstream({ scheme: "kafka" }) },
    'property "upstream" validation failed: property "scheme": kafka cannot serve HTTP routes',
  ],
  ["routes", { script_id: "1" }, 'property "script_id" is not supported: Lua is not run'],
  [
    "routes",
    { remote_addrs: ["10.0.0.1", "::/129"] },
    'property "remote_addrs" validation failed: invalid IP address or CIDR: ::/129',
  ],
  [
    "upstreams",
    upstream({ nodes: { "127.0.0.1:99999": 1 } }),
    'property "nodes" validation failed: invalid port 99999',
  ],
  [
    "upstreams",
    upstream({ nodes: undefined, service_name: "s", discovery_type: "nacos" }),
    'property "discovery_type": nacos is not supported yet',
  ],
  [
    "upstreams",
    upstream({ tls: { client_cert: "no certificate", client_key: "---", verify: false } }),
    'property "tls": failed to parse cert: no certificate in PEM form',
  ],
  [
    "global_rules",
    { plugins: { any: { _meta: { filter: [["arg_a", "nope", "1"]] } } } },
    "plugin any: property \"_meta.filter\": failed to validate the 'vars' expression: invalid operator 'nope'",
  ],
  [
    "plugin_configs",
    { plugins: { any: { _meta: { pre_function: "return 1" } } } },
    'plugin any: property "_meta.pre_function" is not supported: Lua is not run',
  ],
];

for (const [kind, conf, reason] of refused) {
  test(`${kind} ${JSON.stringify(conf)} is refused`, () => {
    assert.equal(checkSupport(kind, conf), reason);
  });
}
