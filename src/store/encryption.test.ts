import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildKeyring } from "../lib/keyring.ts";
import { kinds, type Kind } from "../schema/kinds.ts";
import {
  decryptResource,
  encryptResource,
  hasUnreadableKey,
  noEncryptedFields,
  type EncryptedFields,
} from "./encryption.ts";

const keyring = buildKeyring(["qeddd145sfvddff3", "edd1c9f0985e76a2"]);
const golden = "QStWcXKl6rz1RvB8hCaCkQ==";

const table: Readonly<Record<string, readonly string[]>> = {
  "csrf conf": ["key"],
  "key-auth consumer": ["key"],
  "limit-count conf": ["redis.password", "redis_password"],
  "limit-count consumer": ["redis.password", "redis_password"],
  "ai-proxy conf": ["auth.header", "instances.auth.query", "list"],
  "azure-functions metadata": ["master_apikey"],
};
const fieldsOf: EncryptedFields = (plugin, part) => table[`${plugin} ${part}`] ?? [];

const encrypt = (kind: Kind, value: unknown): unknown => encryptResource(kind, value, keyring, fieldsOf);
const decrypt = (kind: Kind, value: unknown): unknown => decryptResource(kind, value, keyring, fieldsOf);

test("fields of plugins, in every kind that has plugins", () => {
  const withPlugins = [
    "routes",
    "services",
    "global_rules",
    "plugin_configs",
    "consumer_groups",
    "stream_routes",
  ] as const satisfies readonly Kind[];
  for (const kind of withPlugins) {
    const clear = { id: "e", plugins: { csrf: { key: "golden", name: "key" }, other: { key: "golden" } } };
    const stored = { id: "e", plugins: { csrf: { key: golden, name: "key" }, other: { key: "golden" } } };
    assert.deepEqual(encrypt(kind, clear), stored, kind);
    assert.deepEqual(decrypt(kind, stored), clear, kind);
    assert.deepEqual(decrypt(kind, clear), clear, "clear text in the store is read as it is");
    assert.equal(encrypt(kind, clear) === clear, false);
  }
  for (const kind of ["consumers", "credentials"] as const) {
    const clear = { plugins: { "key-auth": { key: "golden" }, csrf: { key: "golden" } } };
    assert.deepEqual(encrypt(kind, clear), { plugins: { "key-auth": { key: golden }, csrf: { key: "golden" } } });
  }
  const metadata = { id: "azure-functions", master_apikey: "golden", master_clientid: "x" };
  assert.deepEqual(encrypt("plugin_metadata", metadata), { ...metadata, master_apikey: golden });
  assert.equal(encryptResource("plugin_metadata", metadata, keyring, noEncryptedFields), metadata);
});

test("paths go through objects and lists, and end at texts, lists and mappings of texts", () => {
  const plugins = (text: string): object => ({
    plugins: {
      "limit-count": { redis: { password: text, host: "golden" }, redis_password: 5 },
      "ai-proxy": {
        auth: { header: { Authorization: text, "a.b": text, n: 1 } },
        instances: [{ auth: { query: { k: text } } }, { auth: null }, "golden", { auth: { query: text } }],
        list: [text, 1, null, text],
      },
    },
  });
  const clear = plugins("golden");
  const stored = plugins(golden);
  assert.deepEqual(encrypt("routes", clear), stored);
  assert.deepEqual(decrypt("routes", stored), clear);
  assert.deepEqual(clear, plugins("golden"), "the resource itself is not changed");
});

test("references and ciphertext in a plugin's field are encrypted as any text is", () => {
  const stored = (key: string): unknown => encrypt("consumers", { plugins: { "key-auth": { key } } });
  assert.deepEqual(stored("$secret://vault/1/jack/key"), {
    plugins: { "key-auth": { key: "KsQ/zEONkRkSmlgdK85trqBSztc1tzlhVbuCzNeFFVk=" } },
  });
  assert.deepEqual(decrypt("consumers", stored(golden)), { plugins: { "key-auth": { key: golden } } });
});

const pem = `-----BEGIN PRIVATE KEY-----\n${"x".repeat(80)}\n-----END PRIVATE KEY-----\n`;

test("private keys, also where fields are not encrypted, and once only", () => {
  const cipher = keyring.encrypt(pem);
  const cases: readonly (readonly [kind: Kind, of: (key: string) => object])[] = [
    ["ssls", (key) => ({ cert: pem, key, keys: [key, key], certs: [pem] })],
    ["upstreams", (key) => ({ nodes: {}, tls: { client_cert: pem, client_key: key } })],
    ["routes", (key) => ({ uri: "/", upstream: { tls: { client_key: key } } })],
    ["services", (key) => ({ upstream: { tls: { client_key: key } } })],
    ["stream_routes", (key) => ({ upstream: { tls: { client_key: key } } })],
  ];
  for (const [kind, of] of cases) {
    const stored = encryptResource(kind, of(pem), keyring, noEncryptedFields);
    assert.deepEqual(stored, of(cipher), kind);
    assert.deepEqual(encryptResource(kind, stored, keyring, noEncryptedFields), stored, "not twice");
    assert.deepEqual(decryptResource(kind, stored, keyring, noEncryptedFields), of(pem));
    assert.equal(hasUnreadableKey(kind, of(pem), keyring), false);
    assert.equal(hasUnreadableKey(kind, stored, keyring), false);
    assert.equal(hasUnreadableKey(kind, of("$secret://vault/1/tls/key"), keyring), false);
    const strange = of("mqZ5yU3wVnT8a1eC4kqg0b7J0rXk2mqZ5yU3wVnT8a1eC4kqg0b7J0rXk2mqZ5yU3wVnT8a1eC4kqg==");
    assert.equal(hasUnreadableKey(kind, strange, keyring), true, kind);
    assert.deepEqual(encrypt(kind, strange), strange, "neither PEM nor ciphertext: left as it is");
  }
  const reference = { cert: "$env://CERT", key: "$env://KEY" };
  assert.equal(encrypt("ssls", reference), reference);
});

/** Resources that hold listed fields often, and whatever else. */
const conf = fc.dictionary(
  fc.constantFrom("key", "auth", "header", "instances", "query", "redis", "password", "list", "__proto__", "x.y"),
  fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.constantFrom(golden, "$env://A", pem, 1, true, null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("auth", "query", "password", "header", "k"), tie("value"), { maxKeys: 3 }),
    ),
  })).value,
  { maxKeys: 4 },
);
const pluginNames = [...new Set(Object.keys(table).map((name) => name.split(" ")[0] ?? ""))];
const resource = fc.record(
  {
    id: fc.constantFrom(...pluginNames, 1),
    plugins: fc.oneof(fc.dictionary(fc.constantFrom(...pluginNames), conf, { maxKeys: 3 }), fc.jsonValue()),
    upstream: fc.oneof(fc.record({ tls: fc.record({ client_key: fc.constantFrom(pem, "$env://A", 1) }) }), conf),
    tls: conf,
    key: fc.constantFrom(pem, "$env://A"),
    master_apikey: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

test("decrypt(encrypt(x)) is x for any resource of any kind, and x stays what it was", () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), resource, (kind, generated) => {
      const before = JSON.stringify(generated);
      const value = JSON.parse(before) as unknown;
      const stored = encrypt(kind, value);
      assert.deepEqual(decrypt(kind, stored), value);
      assert.equal(JSON.stringify(value), before);
      assert.deepEqual(outline(stored), outline(value), "no other field is touched");
    }),
  );
});

/** The shape without the texts. */
function outline(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, field: unknown) => (typeof field === "string" ? "" : field)));
}

test("whatever is no resource passes", () => {
  for (const value of [null, 1, "x", [], [{ key: pem }], { plugins: null }, { plugins: [] }, { upstream: [1] }])
    for (const kind of kinds) {
      assert.deepEqual(encrypt(kind, value), value);
      assert.deepEqual(decrypt(kind, value), value);
    }
});
