import assert from "node:assert/strict";
import { test } from "node:test";
import { sameBytes } from "./same-bytes.ts";

test("bytes are the same, or not, whatever their length", () => {
  const same = (presented: string, secret: string): boolean => sameBytes(Buffer.from(presented), Buffer.from(secret));
  assert.equal(same("secret", "secret"), true);
  assert.equal(same("", ""), true);
  for (const other of ["", "s", "secre", "secreT", "secrets", "\0"]) assert.equal(same(other, "secret"), false, other);
  assert.equal(same("x", ""), false);
});
