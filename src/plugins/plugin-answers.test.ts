import assert from "node:assert/strict";
import { test } from "node:test";
import { pluginMetaSchema } from "../schema/plugins.ts";
import { knownPlugins } from "./catalogue/index.ts";
import { streamPlugins } from "./catalogue/index.ts";
import { describePlugins, enabledPlugins, pluginNames, pluginSchema } from "./plugin-answers.ts";

const known = (name: string) => {
  const plugin = knownPlugins.get(name);
  assert.ok(plugin, name);
  return plugin;
};

test("names come by descending priority, streams have plugins of their own", () => {
  const names = ["key-auth", "ext-plugin-post-resp", "mqtt-proxy", "real-ip", "syslog", "nope"];
  const { http, stream } = enabledPlugins(names, streamPlugins);
  assert.deepEqual(pluginNames(http, "http"), ["real-ip", "key-auth", "syslog", "ext-plugin-post-resp"]);
  assert.deepEqual(pluginNames(stream, "stream"), [
    "ip-restriction",
    "limit-conn",
    "mqtt-proxy",
    "traffic-split",
    "syslog",
  ]);
});

test("a schema is shown with what every plugin has, without what is ours", () => {
  assert.deepEqual(pluginSchema(known("node-status"), null), {
    type: "object",
    $comment: "this is a mark for our injected plugin schema",
    properties: { _meta: pluginMetaSchema },
  });
  assert.deepEqual(pluginSchema(known("error-page"), "metadata"), {
    $comment: "this is a mark for our injected plugin schema",
    properties: { _meta: pluginMetaSchema },
  });
  const { properties } = pluginSchema(known("key-auth"), null) as { properties: Record<string, unknown> };
  assert.deepEqual(properties.query, { type: "string", default: "apikey" });
  const { properties: tags } = pluginSchema(known("datadog"), null) as { properties: Record<string, unknown> };
  // Lua writes an empty list as an empty object.
  assert.deepEqual(tags.constant_tags, { type: "array", items: { type: "string" }, default: {} });
});

test("consumers have schemas of their own, or none", () => {
  assert.deepEqual(pluginSchema(known("key-auth"), "consumer"), {
    type: "object",
    properties: { key: { type: "string" } },
    required: ["key"],
    encrypt_fields: ["key"],
  });
  assert.equal(pluginSchema(known("cors"), "consumer"), null);
});

test("everything about all plugins", () => {
  const { http } = enabledPlugins(["limit-count", "jwt-auth"], []);
  const described = describePlugins(http, "http");
  assert.deepEqual(Object.keys(described), ["jwt-auth", "limit-count"]);
  assert.deepEqual(
    [described["limit-count"]?.priority, described["limit-count"]?.version, described["limit-count"]?.type],
    [1002, 0.5, undefined],
  );
  assert.deepEqual([described["jwt-auth"]?.type, described["jwt-auth"]?.consumer_schema?.required], ["auth", ["key"]]);
});
