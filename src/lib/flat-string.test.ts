import assert from "node:assert/strict";
import { test } from "node:test";
import { flat } from "./flat-string.ts";

test("a flat text is the same text, whatever is in it", () => {
  for (const text of [
    "",
    "/short",
    "/api/v1/resource-1234/",
    "/Straße/日本/😀😀😀😀",
    "\ud83d lone surrogates \ude00",
  ]) {
    assert.equal(flat(`before${text}after`.slice(6, -5)), text);
  }
});
