import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLuaNumber, quoteLua } from "./lua-text.ts";

test("texts are quoted as by %q", () => {
  assert.equal(quoteLua('a"b\\c'), '"a\\"b\\\\c"');
  assert.equal(quoteLua("\t%"), '"\\9%"');
  assert.equal(quoteLua("\t9\u0000\u007f"), '"\\0099\\0\\127"');
  assert.equal(quoteLua("a\nb"), '"a\\\nb"');
  assert.equal(quoteLua("größer"), '"größer"');
});

test("numbers are written as by %.14g", () => {
  const written = [0, -1, 1.5, 0.00001, 0.0001, -0.99999, 1e14, 123456789012345680, 1e300, 0.1 + 0.2];
  assert.deepEqual(written.map(formatLuaNumber), [
    "0",
    "-1",
    "1.5",
    "1e-05",
    "0.0001",
    "-0.99999",
    "1e+14",
    "1.2345678901235e+17",
    "1e+300",
    "0.3",
  ]);
});
