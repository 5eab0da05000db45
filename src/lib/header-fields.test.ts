import assert from "node:assert/strict";
import { test } from "node:test";
import { findField, forEachField } from "./header-fields.ts";
import { listElements } from "./http-grammar.ts";

/** `à` ends with the byte 0xA0, which is a blank for `String.prototype.trim`. */
const aGrave = Buffer.from("voilà").toString("latin1");

test("only blanks are white space around a value", () => {
  const text = `X: \t ${aGrave} \t\r\nY:\xa0b\r\n`;
  const fields: [string, string][] = [];
  forEachField(text, 0, (name, value) => fields.push([name, value]));
  assert.deepEqual(fields, [
    ["X", aGrave],
    ["Y", "\xa0b"],
  ]);
  assert.equal(findField(text, 0, "x", true), aGrave);
});

test("an option of Connection with a byte beyond ASCII is another one", () => {
  assert.deepEqual(listElements("Close\xa0,\tkeep-alive , ,x"), ["close\xa0", "keep-alive", "x"]);
});
