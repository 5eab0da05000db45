import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { keyOf } from "../source/keyed-layout.ts";
import type { KeyedEntry } from "../source/source.ts";
import { createStore, nodes } from "./testing.ts";
import { entries } from "./testing-entries.ts";

const text = (value: unknown): string => JSON.stringify(value);
const steps = fc.array(fc.array(entries, { maxLength: 4 }), { minLength: 1, maxLength: 12 });

test("steps lead where snapshots of the same lead", () => {
  let rejections = 0;
  fc.assert(
    fc.property(steps, (sequence) => {
      const byStep = createStore().store;
      const bySnapshot = createStore().store;
      const all = new Map<string, string>();
      byStep.applySnapshot({ revision: 1, entries: [] }, 0);
      for (const [index, changes] of sequence.entries()) {
        for (const { key, text: value } of changes) {
          if (value === null) all.delete(key);
          else all.set(key, value);
        }
        const revision = index + 2;
        const before = new Map(byStep.snapshot().map(({ kind, id: own, text: value }) => [`${kind}/${own}`, value]));
        const step = byStep.applyStep({ revision, changes }, index);
        const entries = Array.from(all, ([key, value]) => ({ key, text: value }));
        const whole = bySnapshot.applySnapshot({ revision, entries }, index);
        const sorted = (list: readonly object[]): string[] => list.map((one) => JSON.stringify(one)).sort();
        assert.deepEqual(sorted(byStep.snapshot()), sorted(bySnapshot.snapshot()));
        // Of several faults either may be the one that is named.
        const names = (list: typeof step.rejected): string[] =>
          sorted(list.map(({ kind, id: own, serving }) => ({ kind, id: own, serving })));
        assert.deepEqual(names(step.rejected), names(whole.rejected));
        assert.deepEqual([step.revision, step.hash], [revision, whole.hash]);
        for (const { kind, id: own, text: value } of step.changes) {
          if (value === null) assert.ok(before.delete(`${kind}/${own}`), "deleted what was not there");
          else before.set(`${kind}/${own}`, value);
        }
        const after = new Map(byStep.snapshot().map(({ kind, id: own, text: value }) => [`${kind}/${own}`, value]));
        assert.deepEqual([...before].sort(), [...after].sort());
        rejections += step.rejected.length;
      }
    }),
    { numRuns: 1_500 },
  );
  assert.ok(rejections > 1_000, `${rejections} rejections`);
});

test("the key says who it is; what is no resource is passed over", () => {
  const { store } = createStore();
  const { changes, rejected } = store.applySnapshot(
    {
      revision: 7,
      entries: [
        { key: "routes/1", text: text({ id: "other", uri: "/a", upstream: { nodes } }) },
        { key: "plugins", text: text([{ name: "nothing" }]) },
        { key: "data_plane/server_info/1", text: "{}" },
        { key: "routes", text: "init_dir" },
        { key: "consumers/jack/credentials/one", text: text({ plugins: { "key-auth": { key: "k" } } }) },
        { key: "consumers/jack", text: text({ username: "jack" }) },
      ],
    },
    0,
  );
  assert.deepEqual(rejected, []);
  assert.deepEqual(
    changes.map(({ kind, id: own }) => `${kind}/${own}`),
    ["consumers/jack", "credentials/jack/credentials/one", "routes/1"],
  );
  assert.match(changes[2]?.text ?? "", /"id":"1"/);
});

test("the list of rejections is the same one until something of it changes, however many there are", () => {
  const { store } = createStore();
  const route = (id: string, fields: object): KeyedEntry => ({
    key: keyOf("routes", id),
    text: text({ uri: `/${id}`, ...fields }),
  });
  const dangling = ["1", "2", "3"].map((one) => route(one, { service_id: "gone" }));
  const first = store.applySnapshot({ revision: 1, entries: dangling }, 0);
  assert.equal(first.rejected.length, 3);
  const other = store.applyStep({ revision: 2, changes: [route("4", { upstream: { nodes } })] }, 1);
  assert.equal(other.rejected, first.rejected);
  const fewer = store.applyStep({ revision: 3, changes: [{ key: keyOf("routes", "1"), text: null }] }, 2);
  assert.deepEqual(fewer.rejected, first.rejected.slice(1));
});

test("values that are no configuration are rejected alone, those without end too", () => {
  const { store } = createStore();
  const deep = `{"id":"d","plugins":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`;
  const entries = [
    { key: "routes/a", text: text({ uri: "/a", upstream: { nodes } }) },
    { key: "routes/b", text: "{" },
    { key: "routes/c", text: "[]" },
    { key: "routes/d", text: deep },
  ];
  const { changes, rejected } = store.applySnapshot({ revision: 1, entries }, 0);
  assert.equal(changes.length, 1);
  assert.deepEqual(
    rejected.map(({ id, error }) => `${id}: ${error}`),
    [
      "b: the stored value is no JSON",
      "c: the stored value is no JSON object",
      "d: the stored value is nested deeper than 64",
    ],
  );
});
