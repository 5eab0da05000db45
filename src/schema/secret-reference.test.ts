import assert from "node:assert/strict";
import { test } from "node:test";
import { findSecretReference, isSecretReference } from "./secret-reference.ts";
import { compileSchema } from "./validator.ts";

test("a reference is told by how it begins", () => {
  assert.ok(["$secret://vault/1/a/b", "$env://X", "$ENV://X"].every(isSecretReference));
  assert.ok(!["$secret:/x", " $env://X", "env://X", 1, null].some(isSecretReference));
});

test("references are found wherever they stand", () => {
  assert.deepEqual(findSecretReference({ a: [{ b: "x" }, { b: "$env://X" }] }), ["a", 1, "b"]);
  assert.equal(findSecretReference({ a: [{ b: "x" }], c: null }), null);
});

test("a reference passes every check of a text, and no other", () => {
  const texts = [
    { enum: ["a"] },
    { const: "a" },
    { pattern: "^a" },
    { maxLength: 1 },
    { minLength: 99 },
    { format: "ipv4" },
  ];
  for (const schema of texts) assert.equal(compileSchema({ type: "string", ...schema }).check("$env://X"), null);
  assert.ok(compileSchema({ type: "integer" }).check("$env://X"));
});
