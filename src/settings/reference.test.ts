import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { settingsKeys, settingsReference } from "./reference.ts";

test("docs/configuration.md has the reference as the schema makes it", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  assert.ok(page.includes(settingsReference()), "run: node scripts/configuration-reference.mjs");
});

test("every key says what it does", () => {
  for (const { path, description, expected } of settingsKeys()) {
    assert.match(description, /^.+\.$/, path);
    assert.notEqual(expected, "", path);
  }
});
