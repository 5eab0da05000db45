import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kind } from "../schema/kinds.ts";
import { checkResource, servingFault, validate } from "../store/check-resource.ts";
import { field, NONE } from "./conf-answers.ts";
import { serviceConfs } from "./conf-cases-services.ts";
import { trafficConfs } from "./conf-cases-traffic.ts";
import { resourceCheckFor } from "./resource-check.ts";

const check = resourceCheckFor(null);
const route = { id: "r", uri: "/", upstream: { nodes: { "127.0.0.1:80": 1 } } };

/** What the Admin API would say of a configuration on a route, without what every answer begins with. */
function answer(name: string, conf: unknown, more: object = {}): string | null {
  const said = validate("routes", "r", { ...route, plugins: { [name]: conf } }, { ...check, ...more });
  return said?.replace(`failed to check the configuration of plugin ${name} err: `, "") ?? null;
}

const confs = { ...trafficConfs, ...serviceConfs };

/** Plugins that take any configuration, or are configured by metadata alone. */
const anything = "ai batch-requests error-page inspect log-rotate node-status server-info ocsp-stapling".split(" ");
/** Further ones that have the schema of another one. */
const twins = {
  "serverless-post-function": "serverless-pre-function",
  "ext-plugin-post-req": "ext-plugin-pre-req",
  "ext-plugin-post-resp": "ext-plugin-pre-req",
};

test("configurations of plugins are taken and refused as in APISIX", () => {
  for (const [name, [good, bad, expected]] of Object.entries(confs)) {
    assert.equal(answer(name, good), null, name);
    assert.equal(answer(name, bad), expected, name);
    assert.equal(answer(name, { ...bad, _meta: { disable: true } }), null, name);
  }
  for (const [name, twin] of Object.entries(twins)) {
    const [good = {}, bad = {}, expected] = confs[twin] ?? [];
    assert.deepEqual([answer(name, good), answer(name, bad)], [null, expected], name);
  }
  for (const name of anything) assert.equal(answer(name, { any: 1 }), null, name);
  for (const meta of [[], { filter: {} }]) assert.equal(answer("key-auth", { _meta: meta }), null, "Lua's empty table");
});

test("no plugin is forgotten here", () => {
  const elsewhere = [
    "error-log-logger",
    "example-plugin",
    "exit-transformer",
    "mqtt-proxy",
    "prometheus",
    "proxy-buffering",
    "proxy-control",
  ];
  const tested = new Set([...Object.keys(confs), ...Object.keys(twins), ...anything, ...elsewhere]);
  assert.deepEqual(
    [...check.plugins.keys()].filter((name) => !tested.has(name)),
    [],
  );
});

const says = (kind: Kind, id: string, value: object, expected: string | null): void =>
  assert.equal(validate(kind, id, value, check), expected, JSON.stringify(value));
const prefix = "invalid plugins configuration: failed to check the configuration of plugin";

test("configurations of consumers have schemas and rules of their own", () => {
  const consumer = (plugins: object, expected: string | null): void =>
    says("consumers", "ann", { username: "ann", plugins }, expected);
  consumer(
    { "key-auth": { key: "k" }, "wolf-rbac": { appid: "a" }, "limit-count": { count: 1, time_window: 1 } },
    null,
  );
  consumer(
    { "jwt-auth": { key: "k" } },
    `${prefix} jwt-auth err: property "secret" is required when using HS based algorithms`,
  );
  consumer({ "jwt-auth": { key: "k", algorithm: "ES256", public_key: "p" } }, null);
  consumer(
    { "jwt-auth": { key: "k", secret: "no base64", base64_secret: true } },
    `${prefix} jwt-auth err: base64_secret required but the secret is not in base64 format`,
  );
  consumer(
    { "jwe-decrypt": { key: "k", secret: "short" } },
    `${prefix} jwe-decrypt err: the secret length should be 32 chars`,
  );
  consumer({ "basic-auth": { username: "u" } }, `${prefix} basic-auth err: property "password" is required`);
  consumer({ "key-auth": { key: "$secret://vault/1/ann/key" } }, null);
  consumer({ nope: {} }, "invalid plugins configuration: unknown plugin [nope]");
  says(
    "credentials",
    "ann/credentials/c",
    { plugins: { cors: {} } },
    "only supports auth type plugins in consumer credential",
  );
});

test("streams have plugins of their own", () => {
  const stream = (plugins: object, expected: string | null): void =>
    says("stream_routes", "1", { upstream: route.upstream, plugins }, expected);
  stream({ "mqtt-proxy": { protocol_level: 4 }, syslog: { host: "h", port: 1 } }, null);
  stream(
    { "mqtt-proxy": {} },
    'failed to check the configuration of stream plugin [mqtt-proxy]: property "protocol_level" is required',
  );
  stream({ cors: {} }, "unknown plugin [cors]");
  says("routes", "r", { ...route, plugins: { "mqtt-proxy": { protocol_level: 4 } } }, "unknown plugin [mqtt-proxy]");
});

test("metadata has the schema of its plugin", () => {
  const metadata = (id: string, value: object, expected: string | null): void =>
    says("plugin_metadata", id, { id, ...value }, expected);
  metadata("http-logger", { log_format: { host: "$host" } }, null);
  metadata(
    "http-logger",
    { max_pending_entries: 0 },
    `invalid configuration: ${field("max_pending_entries", "expected 0 to be at least 1")}`,
  );
  metadata("error-log-logger", {}, `invalid configuration: ${NONE}`);
  metadata("limit-req", { any: 1 }, null);
  metadata("nope", {}, "invalid plugin name");
});

test("what needs metadata is asked for it", () => {
  const none = { metadata: () => undefined };
  assert.equal(answer("file-logger", {}, none), 'property "path" is not set in either the plugin conf or the metadata');
  assert.equal(answer("file-logger", {}, { metadata: () => ({ path: "x" }) }), null);
});

test("what is valid may still be beyond this version", () => {
  const cannot = (kind: Kind, value: object): string | null => servingFault(kind, "r", value, check);
  const later = (name: string): string => `plugin ${name} is not available in this version`;
  const plugged = { ...route, plugins: { "chaitin-waf": {} } };
  says("routes", "r", plugged, null);
  assert.equal(cannot("routes", plugged), later("chaitin-waf"));
  assert.equal(cannot("routes", { ...route, plugins: { "chaitin-waf": { _meta: { disable: true } } } }), null);
  assert.equal(cannot("consumers", { username: "ann", plugins: { "wolf-rbac": { appid: "a" } } }), later("wolf-rbac"));
  assert.equal(cannot("stream_routes", { plugins: { "ip-restriction": { whitelist: ["::1"] } } }), null);
  assert.equal(
    cannot("stream_routes", { plugins: { "mqtt-proxy": { protocol_level: 4 } } }),
    "plugin mqtt-proxy is not available for streams in this version",
  );
  assert.equal(cannot("plugin_metadata", { id: "http-logger" }), null);
  const lua = { ...route, filter_func: "function(vars) return true end" };
  says("routes", "r", lua, null);
  assert.match(cannot("routes", lua) ?? "", /^property "filter_func" validation failed: .*Lua is not run/);
  const reference = { ...route, upstream: { ...route.upstream, scheme: "$env://SCHEME" } };
  says("routes", "r", reference, null);
  assert.match(cannot("routes", reference) ?? "", /property "upstream.scheme": references such as/);
});

test("only what config.yaml enables may be named", () => {
  const some = resourceCheckFor({ plugins: ["key-auth"], streamPlugins: [], pluginAttr: {} });
  const said = (name: string): string | null => validate("routes", "r", { ...route, plugins: { [name]: {} } }, some);
  assert.deepEqual([said("key-auth"), said("cors")], [null, "unknown plugin [cors]"]);
});

test("the answer begins as APISIX's does, whatever the fault is", () => {
  says(
    "routes",
    "r",
    { ...route, uri: 1 },
    `invalid configuration: ${field("uri", "wrong type: expected string, got number")}`,
  );
  says("routes", "r", { ...route, host: "a", hosts: ["a"] }, "only one of host or hosts is allowed");
  says(
    "routes",
    "r",
    { ...route, vars: [["a", "=", "b"]] },
    "failed to validate the 'vars' expression: invalid operator '='",
  );
  says("routes", "r", [], `invalid configuration: allOf 1 failed: ${NONE}`);
  says("services", "s", [1], "invalid configuration: additional properties forbidden, found 1");
  says("services", "s", [], "invalid configuration: wrong type: expected object, got table");
  says("upstreams", "u", { type: "chash", nodes: { a: 1 } }, "missing key");
  const filter = { _meta: { filter: [["a", "=", "b"]] } };
  says(
    "routes",
    "r",
    { ...route, plugins: { "key-auth": filter } },
    "failed to validate the 'vars' expression: invalid operator '='",
  );
});

test("metadata that a plugin could not work with is kept from the workers", () => {
  const cases: readonly (readonly [plugin: string, metadata: object, reason: RegExp])[] = [
    ["opentelemetry", { collector: { address: "[" } }, /^collector.address: no address of HTTP: /],
    ["error-page", { enable: true, error_404: { body: "x", content_type: "a\nb: c" } }, /control characters/],
    ["http-logger", { log_format: { a: "$post_arg.$..a" } }, /of JSONPath only/],
  ];
  for (const [id, metadata, reason] of cases) {
    const checked = checkResource("plugin_metadata", id, { id, ...metadata }, check);
    assert.match("error" in checked ? checked.error : "", reason, id);
    assert.equal(validate("plugin_metadata", id, { id, ...metadata }, check), null, `${id}: valid for APISIX`);
  }
});
