import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { collectEverything } from "./collect-garbage.ts";

test("a collection empties the heap and gives its pages back", async () => {
  let garbage: object[] | null = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
  const full = getHeapStatistics().total_heap_size;
  assert.equal(garbage.length, 1_000_000);
  garbage = null;
  await new Promise(setImmediate);
  collectEverything();
  assert.ok(getHeapStatistics().total_heap_size < full / 2);
  assert.equal((globalThis as { gc?: unknown }).gc, undefined);
});
