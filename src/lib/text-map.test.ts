import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { TextMap } from "./text-map.ts";

// Few enough keys to meet again, and enough for the table to grow several times.
const keys = Array.from({ length: 200 }, (_, i) => `${"k".repeat(i % 5)}${i}é`).concat("");

test("holds what a Map holds after every sequence of changes", () => {
  const step = fc.record({ key: fc.constantFrom(...keys), remove: fc.boolean(), value: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: "max" }), (steps) => {
      const map = new Map<string, number>();
      const mine = new TextMap<number>();
      for (const { key, remove, value } of steps) {
        if (remove) assert.equal(mine.delete(key), map.delete(key));
        else {
          mine.set(key, value);
          map.set(key, value);
        }
      }
      assert.equal(mine.size, map.size);
      for (const key of keys) assert.equal(mine.get(key), map.get(key), key);
    }),
    { numRuns: times(300, 100) },
  );
});

test("forgets all that it remembers where there are too many", () => {
  const map = new TextMap<number>();
  for (const [i, key] of keys.entries()) map.remember(key, i, 50);
  const left = keys.filter((key) => map.get(key) !== undefined);
  assert.deepEqual(left, keys.slice(keys.length - (keys.length % 50)));
});

test("is empty once cleared, and takes values again", () => {
  const map = new TextMap<number>();
  for (const [i, key] of keys.entries()) map.set(key, i);
  map.clear();
  assert.equal(map.size, 0);
  for (const key of keys) assert.equal(map.get(key), undefined);
  map.set("a", 1);
  assert.equal(map.get("a"), 1);
});
