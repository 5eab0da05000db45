import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { kinds, type Kind } from "../schema/kinds.ts";
import { maskValues } from "./mask.ts";
import {
  collectReferences,
  isReference,
  parseReference,
  restoreReferences,
  substituteReferences,
} from "./secret-references.ts";

test("references taken apart", () => {
  const good: readonly (readonly [text: string, parsed: unknown])[] = [
    ["$env://JACK", { source: "env", name: "JACK", key: null }],
    ["$ENV://JACK", { source: "env", name: "JACK", key: null }],
    ["$Env://JACK/auth-key", { source: "env", name: "JACK", key: "auth-key" }],
    ["$env://JACK/a/b", { source: "env", name: "JACK", key: "a/b" }],
    ["$env://JACK/", { source: "env", name: "JACK", key: null }],
    ["$secret://vault/1/jack/key", { source: "secret", manager: "vault", id: "vault/1", path: ["jack", "key"] }],
    ["$SECRET://Vault/a b/x/y/z", { source: "secret", manager: "vault", id: "vault/a b", path: ["x", "y", "z"] }],
    ["$secret://aws/1/jack", { source: "secret", manager: "aws", id: "aws/1", path: ["jack"] }],
    [
      "$secret://vault/1/..jack/%2e%2e",
      { source: "secret", manager: "vault", id: "vault/1", path: ["..jack", "%2e%2e"] },
    ],
  ];
  for (const [text, parsed] of good) {
    assert.deepEqual(parseReference(text), parsed, text);
    assert.ok(isReference(text));
  }
  const bad: readonly (readonly [text: string, error: RegExp])[] = [
    ["$env://", /expected \$env/],
    ["$env:///key", /expected \$env/],
    ["$secret://", /expected \$secret/],
    ["$secret://vault/1", /expected \$secret/],
    ["$secret://vault/1/", /expected \$secret/],
    ["$secret://vault//jack/key", /expected \$secret/],
    ["$secret://vault/1/jack//key", /expected \$secret/],
    ["$secret://vault/1/../../sys/key", /\.\. is not allowed/],
    ["$secret://vault/1/./key", /\. or \.\. is not allowed/],
    ["$secret://vault/1/a\nb/key", /control characters/],
    ["$secret://vault/1/\ud800/key", /control characters/],
    [`$secret://vault/1/${"x".repeat(1024)}/key`, /longer than/],
  ];
  for (const [text, error] of bad) {
    const parsed = parseReference(text);
    assert.match("error" in parsed ? parsed.error : "", error, text);
    assert.ok(isReference(text), "a broken reference is one all the same: it must not pass for a password");
  }
  for (const text of ["", "$env", "$env:/X", " $env://X", "x$env://X", "$host", "env://X", "${{X}}", "$envs://X"]) {
    assert.ok(!isReference(text), text);
  }
});

const values = new Map([
  ["$env://A", "alpha"],
  ["$secret://vault/1/b/c", "beta"],
  ["$env://P", "---"],
]);
const lookup = (reference: string): { readonly value: string } | { readonly error: string } => {
  const value = values.get(reference);
  return value === undefined ? { error: "environment variable X is not set" } : { value };
};

test("places where references count", () => {
  const plugins = { a: { key: "$env://A", list: ["x", "$secret://vault/1/b/c"] }, b: { deep: { v: "$env://A" } } };
  const resolved = { a: { key: "alpha", list: ["x", "beta"] }, b: { deep: { v: "alpha" } } };
  const rest = { desc: "$env://A", uri: "$env://A", labels: { a: "$env://A" }, upstream: { key: "$env://A" } };
  for (const kind of ["routes", "services", "consumers", "credentials", "global_rules", "stream_routes"] as const) {
    const value = { ...rest, plugins };
    assert.deepEqual([...collectReferences(kind, value)], ["$env://A", "$secret://vault/1/b/c"], kind);
    const done = substituteReferences(kind, value, lookup);
    assert.deepEqual(done.value, { ...rest, plugins: resolved });
    assert.deepEqual([...done.secrets].sort(), ["alpha", "beta"]);
    assert.deepEqual(done.faults, []);
    assert.equal(done.value.plugins === plugins, false);
    assert.equal(plugins.a.key, "$env://A", "the resource itself is not changed");
  }
  const ssl = { sni: "$env://A", cert: "$env://P", key: "$env://P", certs: ["$env://P"], keys: ["$env://P"] };
  assert.deepEqual(substituteReferences("ssls", ssl, lookup).value, {
    sni: "$env://A",
    cert: "---",
    key: "---",
    certs: ["---"],
    keys: ["---"],
  });
  const metadata = { id: "$env://A", key: "$env://A" };
  assert.deepEqual(substituteReferences("plugin_metadata", metadata, lookup).value, { id: "$env://A", key: "alpha" });
  const disabled = { plugins: { a: { _meta: { disable: true }, key: "$env://NONE" } } };
  assert.equal(substituteReferences("routes", disabled, lookup).value, disabled);
  const plain = { ...rest, plugins: { a: { key: "x", list: [1, null] } } };
  assert.equal(substituteReferences("routes", plain, lookup).value, plain, "without references nothing is copied");
});

test("what cannot be resolved is named, with its place and without any value", () => {
  const value = { plugins: { "key-auth": { key: "$env://NONE" }, a: { v: ["$env://A", "$env://NONE"] } } };
  const { value: done, faults } = substituteReferences("consumers", value, lookup);
  const detail = "$env://NONE cannot be resolved: environment variable X is not set";
  const fault = (path: readonly (string | number)[]): object => {
    const message = `property "${path.join(".")}": ${detail}`;
    return { path, message, detail, answer: message };
  };
  assert.deepEqual(faults, [fault(["plugins", "key-auth", "key"]), fault(["plugins", "a", "v", 1])]);
  assert.deepEqual(done.plugins.a.v, ["alpha", "$env://NONE"]);
});

test("references are put back for who looks", () => {
  const written = { id: "1", plugins: { a: { list: ["x", "$env://A"] }, b: { "x.y": "$env://P", none: "$env://A" } } };
  const resolved = {
    id: "1",
    status: 1,
    plugins: { a: { list: ["x", "alpha"], size: 5 }, b: { "x.y": "---" }, c: {} },
  };
  assert.deepEqual(restoreReferences("routes", resolved, written), {
    id: "1",
    status: 1,
    plugins: { a: { list: ["x", "$env://A"], size: 5 }, b: { "x.y": "$env://P" }, c: {} },
  });
  assert.equal(resolved.plugins.a.list[1], "alpha", "the resource itself is not changed");
  assert.equal(restoreReferences("routes", resolved, { plugins: {} }), resolved);
  assert.equal(restoreReferences("routes", null, written), null);
});

test("whatever is no resource passes, and no key of an object is taken for another", () => {
  for (const value of [
    null,
    1,
    "$env://A",
    [],
    ["$env://A"],
    { plugins: null },
    { plugins: "$env://A" },
    { key: null },
  ])
    for (const kind of kinds) {
      if (kind !== "plugin_metadata" && kind !== "ssls")
        assert.equal(substituteReferences(kind, value, lookup).value, value);
    }
  const text = '{"plugins":{"__proto__":{"key":"$env://A","__proto__":"$env://A"},"b":{"c":1}}}';
  const { value } = substituteReferences("routes", JSON.parse(text), lookup);
  assert.equal(JSON.stringify(value), text.replaceAll("$env://A", "alpha"));
});

test("after substitution no reference is left, and nothing else has changed", () => {
  const leaf = fc.oneof(fc.constantFrom(...values.keys(), "x", 1, null), fc.string());
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      leaf,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("tree"), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(fc.constantFrom<Kind>("routes", "consumers"), fc.dictionary(fc.string(), tree), (kind, conf) => {
      const value = JSON.parse(JSON.stringify({ plugins: { a: conf } })) as unknown;
      const expected = JSON.parse(JSON.stringify(value), (_, item: unknown) =>
        typeof item === "string" ? (values.get(item) ?? item) : item,
      ) as unknown;
      const done = substituteReferences(kind, value, lookup);
      if (done.faults.length === 0) assert.equal(JSON.stringify(done.value), JSON.stringify(expected));
      assert.equal(JSON.stringify(restoreReferences(kind, done.value, value)), JSON.stringify(value));
      assert.deepEqual(
        [...collectReferences(kind, done.value)],
        [...collectReferences(kind, value)].filter((reference) => !values.has(reference)),
      );
    }),
  );
});

test("values that were put in are masked wherever they stand, as JSON too", () => {
  const secrets = new Set(['pa"ss\nword', "pass", "x", ""]);
  assert.equal(maskValues('a pa"ss\nword b', secrets), "a *** b");
  assert.equal(
    maskValues(JSON.stringify({ a: 'pa"ss\nword', b: "x", c: "xy" }), secrets),
    '{"a":"***","b":"***","c":"xy"}',
  );
  assert.equal(maskValues("nothing to hide", secrets), "nothing to hide");
});
