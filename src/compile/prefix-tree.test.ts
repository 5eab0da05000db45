import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { PrefixTree } from "./prefix-tree.ts";

// Keys that share beginnings, hold one another, and use characters of more than one byte.
const piece = fc.constantFrom("a", "b", "ab", "/", "/a", "é", "\u{1f600}", "abcde");
const key = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
const step = fc.record({ key, remove: fc.boolean(), value: fc.nat() });

function found(tree: PrefixTree<number>, text: string): readonly number[] {
  const places: number[] = [];
  const count = tree.prefixesOf(text, places);
  return places.slice(0, count).map((place) => tree.valueAt(place));
}

test("finds all prefixes of a text, the shortest first, after every sequence of changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), fc.array(key, { maxLength: 10 }), (steps, others) => {
      const tree = new PrefixTree<number>();
      const map = new Map<string, number>();
      for (const one of steps) {
        if (one.remove) {
          tree.delete(one.key);
          map.delete(one.key);
        } else {
          tree.set(one.key, one.value);
          map.set(one.key, one.value);
        }
        assert.equal(tree.empty, map.size === 0);
      }
      const keys = [...map.keys()].sort((a, b) => a.length - b.length);
      for (const text of steps.map((one) => `${one.key}b`).concat(others)) {
        assert.equal(tree.get(text), map.get(text), text);
        const expected = keys.filter((prefix) => text.startsWith(prefix)).map((prefix) => map.get(prefix));
        assert.deepEqual(found(tree, text), expected, text);
      }
    }),
    { numRuns: times(500, 200) },
  );
});

test("uses the places of what was deleted again", () => {
  const tree = new PrefixTree<number>();
  const texts = Array.from({ length: 500 }, (_, i) => `/api/v1/resource-${i}/`);
  const places: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (const text of texts) tree.set(text, round);
    for (const text of texts) {
      assert.equal(tree.prefixesOf(text, places), 1);
      assert.ok((places[0] ?? Infinity) < texts.length);
    }
    for (const text of texts) tree.delete(text);
    assert.equal(tree.empty, true);
  }
});
