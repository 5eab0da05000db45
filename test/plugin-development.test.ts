import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf, followPage } from "./support/guide.ts";

test("a plugin from scratch: every block as docs/plugin-development.md has it", async (t) => {
  const page = "docs/plugin-development.md";
  const languages = new Set(blocksOf(page, "Ten minutes").map(({ language }) => language));
  assert.deepEqual(languages, new Set(["sh", "text", "yaml", "ts"]));
  const { run, others } = await followPage(t, page, "Ten minutes");
  assert.deepEqual(others, []);
  const printed = await run("tsc -p plugins || true");
  assert.match(printed, /^plugins\/greeting\.ts\(24,\d+\): error/, "the only mistake is the one that the page makes");
});
