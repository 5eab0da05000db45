import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { addHash, contentHash } from "../lib/content-hash.ts";
import { createStore, nodes, route, type Lists } from "./testing.ts";

/** Few ids and fields, so that documents overlap, collide and break. */
const id = fc.constantFrom("1", "2", "3");
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
const pluginConfs = fc.record(
  {
    "key-auth": fc.constantFrom<object[]>({}, { header: "x" }, { header: 1 }),
    fragile: fc.constantFrom({}, { fail: true }),
    nope: fc.constant({}),
  },
  { requiredKeys: [] },
);
const upstream = fc.constantFrom<object[]>({ nodes }, { nodes: { "a:1": 2 } }, {}, { nodes: { "x y": 1 } });
const clean = (value: object): object => JSON.parse(JSON.stringify(value)) as object;
const documents = fc
  .record({
    routes: fc.array(
      fc.record({
        id,
        uri: fc.constantFrom("/a", "/b"),
        service_id: maybe(id),
        upstream_id: maybe(id),
        plugin_config_id: maybe(id),
        plugins: maybe(pluginConfs),
        upstream: maybe(upstream),
      }),
      { maxLength: 4 },
    ),
    services: fc.array(fc.record({ id, upstream_id: maybe(id), plugins: maybe(pluginConfs) }), { maxLength: 3 }),
    upstreams: fc.array(
      fc.tuple(id, upstream).map(([own, fields]) => ({ id: own, ...fields })),
      { maxLength: 3 },
    ),
    plugin_configs: fc.array(fc.record({ id, plugins: pluginConfs }), { maxLength: 2 }),
    consumer_groups: fc.array(fc.record({ id, plugins: pluginConfs }), { maxLength: 2 }),
    global_rules: fc.array(fc.record({ id, plugins: pluginConfs }), { maxLength: 2 }),
    consumers: fc.array(
      fc.oneof(
        fc.record({
          username: fc.constantFrom("a", "b", "c"),
          group_id: maybe(id),
          plugins: maybe(fc.record({ "key-auth": fc.record({ key: fc.constantFrom("k1", "k2", "k3") }) })),
        }),
        fc.record({
          id: fc.constantFrom("a/credentials/1", "b/credentials/1"),
          plugins: fc.record({ "key-auth": fc.record({ key: fc.constantFrom("k1", "k2", "k3") }) }),
        }),
      ),
      { maxLength: 5 },
    ),
  })
  .map((lists) => clean(lists) as Lists);

const referring: Readonly<Record<string, string>> = {
  service_id: "services",
  upstream_id: "upstreams",
  plugin_config_id: "plugin_configs",
  group_id: "consumer_groups",
};

/** Every reference holds, every key is there once. */
function assertSound(held: ReadonlyMap<string, string>): void {
  const keys = new Set<string>();
  for (const [key, text] of held) {
    const value = JSON.parse(text) as Record<string, unknown> & { plugins?: Record<string, { key?: string }> };
    for (const [field, kind] of Object.entries(referring)) {
      if (value[field] !== undefined)
        assert.ok(held.has(`${kind}/${String(value[field])}`), `${key}: ${field} dangles`);
    }
    const [kind, consumer] = key.split("/");
    if (kind === "credentials") assert.ok(held.has(`consumers/${consumer}`), `${key}: its consumer is gone`);
    const identity = value.plugins?.["key-auth"]?.key;
    if (identity === undefined) continue;
    assert.ok(!keys.has(identity), `${key}: key twice`);
    keys.add(identity);
  }
}

test("changes lead from any state to the next, sound and with the same hash", () => {
  let served = 0;
  fc.assert(
    fc.property(fc.array(documents, { minLength: 1, maxLength: 8 }), (sequence) => {
      const { store, apply } = createStore();
      const held = new Map<string, string>();
      for (const [step, lists] of sequence.entries()) {
        const { changes, hash, revision, rejected } = apply(lists, step);
        for (const { kind, id: own, text } of changes) {
          if (text === null) assert.ok(held.delete(`${kind}/${own}`), "deleted what was not there");
          else held.set(`${kind}/${own}`, text);
        }
        assert.equal(revision, step + 1);
        assert.deepEqual(held, new Map(store.snapshot().map(({ kind, id: own, text }) => [`${kind}/${own}`, text])));
        let sum = 0n;
        for (const { kind, id: own, text } of store.snapshot()) sum = addHash(sum, contentHash(kind, own, text ?? ""));
        assert.equal(hash, sum);
        assertSound(held);
        for (const { kind, id: own, serving } of rejected) {
          if (serving === "previous") assert.ok(held.has(`${kind}/${own}`));
        }
        served += held.size;
        // The same document again changes nothing.
        const again = createStore({ revision, inherited: store.snapshot() }).apply(lists, step);
        assert.deepEqual([again.revision, again.changes], [revision, []]);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(served > 1_000, `${served} served`);
});

test("reasons never show secrets", () => {
  const secret = fc.string({ minLength: 4, maxLength: 20 }).filter((text) => !/^[\w ]*$/.test(text));
  fc.assert(
    fc.property(secret, fc.nat(5), (text, place) => {
      const { apply } = createStore();
      const entries: readonly Lists[] = [
        { consumers: [{ username: "a", plugins: { "key-auth": { key: `!${text}` } } }] },
        { consumers: [{ username: "a", plugins: { "key-auth": { key: { of: text } } } }] },
        { routes: [route("a", { plugins: { fragile: { fail: true, sign: text } } })] },
        { routes: [route("a", { plugins: { fragile: { fail: true, opts: { inner: text } } } })] },
        { routes: [route("a", { plugins: { fragile: { fail: true, password: [text] } } })] },
        { ssls: [{ id: 1, sni: "a", cert: text, key: text }] },
      ];
      const { rejected } = apply(entries[place] ?? {});
      assert.equal(rejected.length, 1);
      const shown = rejected[0]?.error ?? "";
      assert.ok(!shown.includes(text) && !shown.includes(JSON.stringify(text).slice(1, -1)), shown);
    }),
    { numRuns: 500 },
  );
});
