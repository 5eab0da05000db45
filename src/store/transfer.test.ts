import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildKeyring } from "../lib/keyring.ts";
import type { StoredValue } from "../source/repository.ts";
import { decryptResource, encryptedFieldsOf, encryptResource } from "./encryption.ts";
import { exportDocument } from "./export-document.ts";
import { planImport, type ImportPlan } from "./import-plan.ts";
import type { Cipher } from "./stored-form.ts";
import { nodes, plugins } from "./testing.ts";

const keyring = buildKeyring(["qeddd145sfvddff3"]);
const fieldsOf = encryptedFieldsOf(plugins);
const cipher: Cipher = {
  encrypt: (kind, value) => encryptResource(kind, value, keyring, fieldsOf),
  decrypt: (kind, value) => decryptResource(kind, value, keyring, fieldsOf),
};
const now = 1_700_000_000_500;

/** Texts by key as what a store holds; each was written at a revision of its own. */
function stored(texts: Readonly<Record<string, object | string>>): StoredValue[] {
  return Object.entries(texts).map(([key, value], index) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return { key, text, createRevision: index + 2, modRevision: index + 2 };
  });
}

function plan(
  document: object | string,
  values: readonly StoredValue[],
  mode: "merge" | "replace" = "merge",
): ReturnType<typeof planImport> {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  const format = typeof document === "string" ? "yaml" : "json";
  return planImport({ name: "file", text, format }, values, { mode, check: { plugins }, cipher, now });
}

function good(document: object | string, values: readonly StoredValue[], mode?: "merge" | "replace"): ImportPlan {
  const planned = plan(document, values, mode);
  assert.ok(!("findings" in planned), JSON.stringify(planned));
  return planned;
}

function apply(values: readonly StoredValue[], { changes }: ImportPlan): StoredValue[] {
  const all = new Map(values.map((value) => [value.key, value]));
  for (const { key, text } of changes) {
    if (text === null) all.delete(key);
    else all.set(key, { key, text, createRevision: 1, modRevision: 1 });
  }
  return [...all.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

const everything = {
  routes: [{ id: 1, uri: "/a", upstream_id: "u", plugins: { fragile: { sign: "shh" } } }],
  upstreams: [{ id: "u", nodes }],
  consumers: [{ username: "jack" }, { id: "jack/credentials/one", plugins: { "key-auth": { key: "hidden" } } }],
  plugin_metadata: [{ id: "fragile", size: 3 }],
  secrets: [{ id: "vault/1", uri: "http://127.0.0.1:8200", prefix: "kv", token: "root" }],
};

test("entries become keys and values as APISIX stores them, encrypted, in an order that can be written", () => {
  const { changes } = good(everything, []);
  const keys = ["secrets/vault/1", "upstreams/u", "consumers/jack", "consumers/jack/credentials/one", "plugin_metadata/fragile", "routes/1"]; // prettier-ignore
  assert.deepEqual(changes.map(({ key }) => key), keys); // prettier-ignore
  const times = { create_time: 1_700_000_000, update_time: 1_700_000_000 };
  const valueOf = (key: string): unknown => JSON.parse(changes.find((change) => change.key === key)?.text ?? "");
  assert.deepEqual(valueOf("consumers/jack"), { username: "jack", ...times });
  assert.deepEqual(valueOf("plugin_metadata/fragile"), { id: "fragile", size: 3 });
  const credential = { id: "one", plugins: { "key-auth": { key: keyring.encrypt("hidden") } }, ...times };
  assert.deepEqual(valueOf("consumers/jack/credentials/one"), credential);
  assert.equal((valueOf("routes/1") as { id: unknown }).id, "1");
  assert.equal((valueOf("secrets/vault/1") as { id: unknown }).id, "vault/1");
  assert.ok(changes.every(({ what, ifRevision }) => what === "created" && ifRevision === 0));
});

test("what is exported can be imported, and changes nothing where it came from", () => {
  const values = apply([], good(everything, []));
  const { text, count, leftOut, warnings } = exportDocument(values, cipher, "Title.");
  assert.match(text, /^# Title\.\nroutes:\n[^]*key: hidden[^]*\n#END\n$/);
  assert.deepEqual([count, leftOut, warnings], [6, [], []]);
  assert.deepEqual(good(text, values, "replace"), { changes: [], unchanged: 6 });
  const moved = apply([], good(text, []));
  assert.deepEqual(moved.map(({ key, text: json }) => [key, json]), values.map(({ key, text: json }) => [key, json])); // prettier-ignore
});

test("every text survives export and import", () => {
  const odd = fc.constantFrom("\n", "\r", "\t", " ", "#", ":", "- ", "'", '"', "\\", "|", ">", "&", "*", "!", "%", "@", "\0", "\u0085", "\u2028", "\ufeff", "\ud83d\ude00", "yes", "~", "1e3", "0x1", "1:30", "2001-01-01", "null", "#END"); // prettier-ignore
  const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: odd, maxLength: 6 }));
  fc.assert(
    fc.property(text, fc.string({ maxLength: 20 }), (desc, value) => {
      fc.pre(!desc.includes("${{") && !value.includes("${{"));
      const labels = value === "" || /\s/.test(value) ? {} : { [value]: value };
      const json = JSON.stringify({ id: "1", uri: "/", desc, labels, upstream: { nodes } });
      const { text: yaml } = exportDocument(stored({ "routes/1": json }), cipher, "Title.");
      const { changes } = good(yaml, []);
      const {
        create_time: _c,
        update_time: _u,
        ...read
      } = JSON.parse(changes[0]?.text ?? "") as Record<string, unknown>;
      assert.deepEqual(read, JSON.parse(json));
    }),
    {
      numRuns: 200,
      examples: [
        ["", "__proto__"],
        ["", "constructor"],
      ],
    },
  );
});

test("merge adds and overwrites, replace deletes the rest after it, other nodes' keys stay", () => {
  const values = [
    ...stored({ "data_plane/server_info/x": "{}", plugins: "[]" }),
    ...apply([], good(everything, [])).map((value, index) => ({ ...value, modRevision: 50 + index })),
  ];
  const changed = { routes: [{ id: "1", uri: "/b", upstream: { nodes } }], consumers: [{ username: "jack" }] };
  const merged = good(changed, values);
  assert.deepEqual(merged.changes.map(({ key, what, ifRevision }) => [key, what, ifRevision]), [["routes/1", "changed", 53]]); // prettier-ignore
  assert.equal(merged.unchanged, 1);
  const replaced = good(changed, values, "replace");
  const order = ["routes/1", "plugin_metadata/fragile", "consumers/jack/credentials/one", "upstreams/u", "secrets/vault/1"]; // prettier-ignore
  assert.deepEqual(replaced.changes.map(({ key }) => key), order); // prettier-ignore
  assert.ok(replaced.changes.slice(1).every(({ what, text }) => what === "deleted" && text === null));
});

test("the times of what changed: made when it was made, changed now", () => {
  const text = { id: "1", uri: "/a", upstream: { nodes }, create_time: 5, update_time: 6 };
  const { changes } = good({ routes: [{ id: 1, uri: "/b", upstream: { nodes } }] }, stored({ "routes/1": text }));
  const { create_time, update_time } = JSON.parse(changes[0]?.text ?? "") as Record<string, unknown>;
  assert.deepEqual([create_time, update_time], [5, 1_700_000_000]);
});

test("mistakes are named with line and field; what the store has counts in a merge only", () => {
  const values = apply([], good({ upstreams: everything.upstreams, consumers: everything.consumers }, []));
  const document = `routes:
  - {id: 1, uri: /a, upstream_id: u}
  - {id: 2, uri: 5, upstream_id: u}
consumers:
  - username: jill
    plugins: {key-auth: {key: hidden}}
#END
`;
  const found = (mode: "merge" | "replace", text = document): string[] => {
    const planned = plan(text, values, mode);
    return "findings" in planned
      ? planned.findings.map(({ line, field, message }) => `${line} ${field}: ${message}`)
      : [];
  };
  const merged = found("merge");
  assert.match(merged.join("\n"), /^3 routes\[1\]\.uri: wrong type/);
  assert.match(merged.join("\n"), /6 consumers\[0\]\.plugins\.key-auth\.key: .*duplicate key.*jack/);
  assert.equal(merged.length, 2);
  const replaced = found("replace").join("\n");
  assert.match(replaced, /2 routes\[0\]\.upstream_id: .*upstreams\/u, which does not exist/);
  assert.doesNotMatch(replaced, /duplicate/);
  assert.deepEqual(found("merge", "plugins: [{name: key-auth}]\n#END\n"), [
    "0 plugins: a store has no list of plugins; enable plugins in config.yaml and leave this list out",
  ]);
  assert.match(found("merge", "routes: []\n").join(), /#END is missing/);
});

test("what cannot be exported is named", () => {
  const values = stored({ "data_plane/x/y": "{}", "routes/1": "{", "routes/2": "[]", "routes/3": { uri: "/${{A}}" }, plugins: "[]" }); // prettier-ignore
  const { count, leftOut, warnings } = exportDocument(values, cipher, "Title.");
  assert.equal(count, 1);
  assert.deepEqual(leftOut.map((reason) => reason.split(":")[0]), ["data_plane/x/y", "routes/1", "routes/2", "plugins"]); // prettier-ignore
  assert.match(warnings.join(), /^routes\/3: \$\{\{…\}\}/);
  assert.equal(exportDocument([], cipher, "Title.").text, "# Title.\n#END\n");
});
