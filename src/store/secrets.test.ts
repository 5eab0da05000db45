import assert from "node:assert/strict";
import { test } from "node:test";
import { buildKeyring } from "../lib/keyring.ts";
import type { Kind } from "../schema/kinds.ts";
import { decryptResource, encryptResource } from "./encryption.ts";
import type { ReferenceLookup } from "./secret-references.ts";
import { createStore, nodes, route } from "./testing.ts";

/** Secrets that a test changes. */
function vault(): { readonly values: Map<string, string>; readonly lookupSecret: ReferenceLookup } {
  const values = new Map<string, string>();
  const lookupSecret: ReferenceLookup = (reference) => {
    const value = values.get(reference);
    return value === undefined ? { error: "nothing is there" } : { value };
  };
  return { values, lookupSecret };
}

const consumer = (key: string): object => ({ username: "jack", plugins: { "key-auth": { key } } });

test("references stand for what they refer to; only workers get that", () => {
  const { values, lookupSecret } = vault();
  values.set("$env://KEY", "from-the-environment");
  const { store, apply } = createStore({ lookupSecret });
  const { changes, rejected } = apply({ consumers: [consumer("$env://KEY")] });
  assert.deepEqual(rejected, []);
  assert.match(changes[0]?.text ?? "", /"key":"from-the-environment"/);
  assert.match(store.held.get("consumers/jack")?.shown ?? "", /"key":"\$env:\/\/KEY"/);
  assert.deepEqual([...store.references()], ["$env://KEY"]);
});

test("what is not known rejects the resource, which comes when it is known and follows it", () => {
  const { values, lookupSecret } = vault();
  const { store, apply } = createStore({ lookupSecret });
  const first = apply({ consumers: [consumer("$secret://vault/1/jack/key")], routes: [route("a")] });
  assert.deepEqual(
    first.rejected.map(({ kind, id, field, error, serving }) => ({ kind, id, field, error, serving })),
    [
      {
        kind: "consumers",
        id: "jack",
        field: "plugins.key-auth.key",
        error: 'property "plugins.key-auth.key": $secret://vault/1/jack/key cannot be resolved: nothing is there',
        serving: "nothing",
      },
    ],
  );
  values.set("$secret://vault/1/jack/key", "first");
  const second = store.recheck(new Set(["$secret://vault/1/jack/key"]), 2);
  assert.deepEqual([second.revision, second.rejected, second.changes.length], [first.revision, [], 1]);
  values.set("$secret://vault/1/jack/key", "second");
  assert.match(store.recheck(new Set(["$secret://vault/1/jack/key"]), 3).changes[0]?.text ?? "", /"second"/);
  values.clear();
  const gone = store.recheck(new Set(["$secret://vault/1/jack/key"]), 4);
  assert.deepEqual([gone.changes, gone.rejected[0]?.serving], [[], "previous"]);
  assert.deepEqual(store.recheck(new Set(["$env://OTHER"]), 5).changes, []);
});

test("a keyed source's encrypted fields are checked and served in clear text, and kept as stored", () => {
  const keyring = buildKeyring(["qeddd145sfvddff3"]);
  const fieldsOf = (plugin: string): readonly string[] => (plugin === "key-auth" ? ["key"] : []);
  const decrypt = (kind: Kind, value: unknown): unknown => decryptResource(kind, value, keyring, fieldsOf);
  const { store } = createStore({ decrypt });
  const stored = JSON.stringify(encryptResource("consumers", consumer("open sesame"), keyring, fieldsOf));
  assert.ok(!stored.includes("open sesame"));
  const entries = [
    { key: "consumers/jack", text: stored },
    { key: "routes/1", text: JSON.stringify({ uri: "/a", upstream: { nodes } }) },
  ];
  const { changes, rejected } = store.applySnapshot({ revision: 3, entries }, 1);
  assert.deepEqual(rejected, []);
  assert.match(changes[0]?.text ?? "", /"key":"open sesame"/);
  assert.deepEqual(store.entries(), entries);
});
