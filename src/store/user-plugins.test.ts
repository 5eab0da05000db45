import assert from "node:assert/strict";
import { test } from "node:test";
import { definePlugin, type PluginDefinition } from "../plugin/plugin.ts";
import type { Change } from "../schema/kinds.ts";
import type { PluginState } from "./store.ts";
import { createStore, nodes, plugins as known, route } from "./testing.ts";

/** A plugin of a user that wants these attributes. */
const mine = (...required: string[]): PluginDefinition =>
  definePlugin({
    name: "mine",
    priority: 1,
    version: "0.1",
    schema: { type: "object", properties: { size: { type: "integer", default: required.length } }, required },
    compile: () => ({}),
  });

const state = (text: string | null, more: Partial<PluginState> = {}): PluginState => ({
  loaded: new Map(text === null ? [] : [["extra/mine.ts", text]]),
  refused: [],
  changed: new Set(["mine"]),
  ...more,
});

const refused = [{ kind: "plugins", id: "mine.ts", field: "", error: "mine.ts:1: no", serving: "previous" }] as const;
const keysOf = (changes: readonly Change[]): string[] =>
  changes.map(({ kind, id, text }) => `${text === null ? "-" : "+"}${kind}/${id}`);
const using = (conf: object): object => route("a", { upstream: { nodes }, plugins: { mine: conf } });

test("plugins of users travel with the first load, and a new version is a revision of documents", () => {
  const plugins = new Map([...known, ["mine", mine()]]);
  const { store, apply } = createStore({ plugins });
  assert.equal(store.applyPlugins(state('"one"'), 1), null, "nothing is served yet");
  const first = apply({ routes: [using({}), route("b")] });
  assert.deepEqual(keysOf(first.changes).sort(), ["+plugins/extra/mine.ts", "+routes/a", "+routes/b"]);
  plugins.set("mine", mine("more"));
  assert.match(String(store.brokenBy(new Set(["mine"]))), /^routes\/a: .*property "more" is required/);
  plugins.set("mine", { ...mine(), version: "2" });
  assert.equal(store.brokenBy(new Set(["mine"])), null);
  const second = store.applyPlugins(state('"two"'), 2);
  assert.deepEqual(
    [second?.fromRevision, second?.revision, keysOf(second?.changes ?? [])],
    [1, 2, ["+plugins/extra/mine.ts"]],
  );
  assert.notEqual(second?.hash, first.hash);
  // What the source delivers leaves them, and the same again changes nothing.
  assert.deepEqual(keysOf(apply({ routes: [using({})] }).changes), ["-routes/b"]);
  assert.equal(store.applyPlugins(state('"two"'), 3)?.revision, 3);
});

test("what could not be loaded is a rejection; what needs it is served once it is there", () => {
  const plugins = new Map<string, PluginDefinition>([...known] as [string, PluginDefinition][]);
  const { store, apply } = createStore({ plugins });
  store.applyPlugins(state(null, { refused }), 1);
  const first = apply({ plugins: [{ name: "mine" }, { name: "fragile" }], routes: [using({})] });
  assert.deepEqual(
    first.rejected.map(({ kind, id }) => `${kind}/${id}`),
    ["plugins/mine.ts", "plugins/plugins", "routes/a"],
  );
  plugins.set("mine", mine());
  const second = store.applyPlugins(state('"one"'), 2);
  assert.deepEqual(keysOf(second?.changes ?? []), ["+plugins/extra/mine.ts", "+plugins/plugins", "+routes/a"]);
  assert.deepEqual(second?.rejected, []);
});

test("with a store of its own the revision stays, and what is kept there has none of it", () => {
  const plugins = new Map([...known, ["mine", mine()]]);
  const { store } = createStore({ plugins });
  store.applyPlugins(state('"one"'), 1);
  const entries = [{ key: "routes/a", text: JSON.stringify(using({})) }];
  store.applySnapshot({ revision: 7, entries }, 1);
  const second = store.applyPlugins(state('"two"', { refused }), 2);
  assert.deepEqual([second?.fromRevision, second?.revision, second?.changes.length], [7, 7, 1]);
  assert.deepEqual(
    second?.rejected.map(({ id, revision }) => [id, revision]),
    [["mine.ts", 7]],
  );
  assert.deepEqual(store.entries(), entries);
  // Taken out: what has it keeps its version, and cannot be taken over any more.
  plugins.delete("mine");
  assert.deepEqual(keysOf(store.applyPlugins(state(null), 3)?.changes ?? []), ["-plugins/extra/mine.ts"]);
  assert.match(String(store.rejected[0]?.error), /unknown plugin \[mine\]/);
});

test("who takes over what the workers run changes nothing", () => {
  const plugins = new Map([...known, ["mine", mine()]]);
  const { store, apply } = createStore({ plugins });
  store.applyPlugins(state('"one"'), 1);
  apply({ routes: [using({})] });
  const next = createStore({ plugins, revision: 1, inherited: store.snapshot() });
  assert.equal(next.store.hash, store.hash);
  assert.deepEqual(next.store.applyPlugins(state('"one"'), 1)?.changes, []);
  const { revision, changes } = next.apply({ routes: [using({})] });
  assert.deepEqual([revision, changes], [1, []]);
});
