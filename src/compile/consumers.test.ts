import assert from "node:assert/strict";
import { test } from "node:test";
import type { PluginDefinition } from "../plugin/plugin.ts";
import { ConsumerIndex, NO_PLUGINS, ownerOf } from "./consumers.ts";
import { tracingPlugin } from "./testing.ts";

function indexWith(): ConsumerIndex {
  const plugins: PluginDefinition[] = [
    tracingPlugin("key-auth", 2500, [], { type: "auth", consumerKey: "key" }),
    tracingPlugin("jwt-auth", 2510, [], { type: "auth", consumerKey: "key" }),
    tracingPlugin("limit", 1000, []),
  ];
  return new ConsumerIndex(new Map(plugins.map((plugin) => [plugin.name, plugin])));
}

const ann = { id: "ann", username: "ann", plugins: { "key-auth": { key: "ann-key" }, limit: { tag: "ann" } } };

test("a consumer is found by the attribute of the plugin that asks, and by name", () => {
  const index = indexWith();
  index.setConsumer("ann", { ...ann, labels: { custom_id: "c-7" } });
  const found = index.byKey("key-auth", "ann-key");
  assert.equal(found?.username, "ann");
  assert.equal(found.customId, "c-7");
  assert.equal(found.credentialId, null);
  assert.deepEqual(found.authConf, { key: "ann-key" });
  assert.deepEqual(found.plugins, { limit: { tag: "ann" } });
  assert.equal(index.byKey("key-auth", "ann-keY"), undefined);
  assert.equal(index.byKey("key-auth", "ann-key "), undefined);
  assert.equal(index.byKey("key-auth", ""), undefined);
  assert.equal(index.byKey("jwt-auth", "ann-key"), undefined);
  assert.equal(index.byKey("no-such-plugin", "ann-key"), undefined);
  assert.equal(index.byName("ann")?.username, "ann");
  assert.equal(index.byName("bob"), undefined);
});

test("the same object is given until something changes, then another one", () => {
  const index = indexWith();
  index.setConsumer("ann", ann);
  const first = index.byKey("key-auth", "ann-key");
  assert.equal(index.byKey("key-auth", "ann-key"), first);
  index.setConsumer("bob", { id: "bob", username: "bob" });
  assert.equal(index.byKey("key-auth", "ann-key"), first);
  index.setConsumer("ann", { ...ann, desc: "changed" });
  assert.notEqual(index.byKey("key-auth", "ann-key"), first);
});

test("a changed or removed key is no longer recognised", () => {
  const index = indexWith();
  index.setConsumer("ann", ann);
  index.setConsumer("ann", { ...ann, plugins: { "key-auth": { key: "new" } } });
  assert.equal(index.byKey("key-auth", "ann-key"), undefined);
  assert.equal(index.byKey("key-auth", "new")?.username, "ann");
  index.setConsumer("ann", null);
  assert.equal(index.byKey("key-auth", "new"), undefined);
  assert.equal(index.byName("ann"), undefined);
});

test("a disabled authentication plugin recognises nobody", () => {
  const index = indexWith();
  index.setConsumer("ann", { ...ann, plugins: { "key-auth": { key: "k", _meta: { disable: true } } } });
  assert.equal(index.byKey("key-auth", "k"), undefined);
});

test("a credential leads to its consumer, whichever came first, and ends with either", () => {
  const index = indexWith();
  index.setCredential("ann/credentials/c1", { id: "c1", plugins: { "key-auth": { key: "c1-key" } } });
  assert.equal(index.byKey("key-auth", "c1-key"), undefined);
  index.setConsumer("ann", ann);
  const found = index.byKey("key-auth", "c1-key");
  assert.equal(found?.credentialId, "c1");
  assert.deepEqual(found.plugins, { limit: { tag: "ann" } });
  index.setConsumer("ann", { ...ann, plugins: {} });
  assert.equal(index.byKey("key-auth", "c1-key")?.plugins, NO_PLUGINS);
  index.setConsumer("ann", null);
  assert.equal(index.byKey("key-auth", "c1-key"), undefined);
  index.setConsumer("ann", ann);
  index.setCredential("ann/credentials/c1", null);
  assert.equal(index.byKey("key-auth", "c1-key"), undefined);
  assert.equal(index.byKey("key-auth", "ann-key")?.username, "ann");
});

test("a group's plugins come below the consumer's own, without authentication", () => {
  const index = indexWith();
  index.setConsumer("ann", { ...ann, group_id: "g" });
  index.setConsumer("bob", { id: "bob", username: "bob", group_id: "g", plugins: { "key-auth": { key: "bob" } } });
  const before = index.byName("bob");
  assert.equal(before?.plugins, NO_PLUGINS);
  index.setGroup("g", { id: "g", plugins: { limit: { tag: "group" }, "key-auth": {} } });
  const bob = index.byName("bob");
  const found = index.byName("ann");
  assert.ok(bob !== undefined && found !== undefined);
  assert.deepEqual(bob.plugins, { limit: { tag: "group" } });
  assert.deepEqual(found.plugins, { limit: { tag: "ann" } });
  assert.equal(ownerOf(bob, "limit"), "consumer_groups/g");
  assert.equal(ownerOf(found, "limit"), "consumers/ann");
  index.setConsumer("bob", { id: "bob", username: "bob" });
  index.setGroup("g", null);
  assert.equal(index.byName("bob")?.plugins, NO_PLUGINS);
});

test("of two consumers with one key every worker takes the same, and the other when it goes", () => {
  const key = { "key-auth": { key: "same" } };
  for (const order of [
    ["ann", "bob"],
    ["bob", "ann"],
  ]) {
    const index = indexWith();
    for (const username of order) index.setConsumer(username, { id: username, username, plugins: key });
    assert.equal(index.byKey("key-auth", "same")?.username, "ann");
    index.setConsumer("ann", null);
    assert.equal(index.byKey("key-auth", "same")?.username, "bob");
  }
});
