import assert from "node:assert/strict";
import { test } from "node:test";
import {
  assert as assertProperty,
  constant,
  constantFrom,
  property,
  stringMatching,
  tuple,
  type Arbitrary,
} from "fast-check";
import { kinds, type Kind } from "../schema/kinds.ts";
import { keyOf, parseKey } from "./keyed-layout.ts";

test("keys are those of APISIX's etcd", () => {
  const rows: [Kind, string, string][] = [
    ["routes", "1", "routes/1"],
    ["consumers", "jack", "consumers/jack"],
    ["credentials", "jack/credentials/one", "consumers/jack/credentials/one"],
    ["secrets", "vault/1", "secrets/vault/1"],
    ["plugin_metadata", "http-logger", "plugin_metadata/http-logger"],
    ["plugins", "plugins", "plugins"],
  ];
  for (const [kind, id, key] of rows) {
    assert.equal(keyOf(kind, id), key);
    assert.deepEqual(parseKey(key), { kind, id });
  }
});

test("what lies elsewhere is no resource", () => {
  const strangers = ["", "/", "routes", "routes/", "routes/1/", "routes/a/b", "routes//", "/routes/1", "nothing/1"];
  const others = ["plugins/", "plugins/plugins", "credentials/jack/credentials/one", "secrets/1", "secrets/vault/"];
  const below = [
    "consumers/jack/",
    "consumers/jack/credentials/",
    "consumers/jack/other/1",
    "data_plane/server_info/1",
  ];
  for (const key of [...strangers, ...others, ...below, "constructor/1", "__proto__/1"]) {
    assert.equal(parseKey(key), null, key);
  }
});

test("parseKey is the inverse of keyOf", () => {
  const word = stringMatching(/^[a-zA-Z0-9-_.]{1,8}$/);
  const id = (kind: Kind): Arbitrary<string> => {
    if (kind === "plugins") return constant("plugins");
    const pair = tuple(word, word);
    if (kind === "credentials") return pair.map(([user, name]) => `${user}/credentials/${name}`);
    return kind === "secrets" ? pair.map((parts) => parts.join("/")) : word;
  };
  const names = constantFrom(...kinds).chain((kind) => id(kind).map((text) => ({ kind, id: text })));
  assertProperty(property(names, (name) => assert.deepEqual(parseKey(keyOf(name.kind, name.id)), name)));
});
