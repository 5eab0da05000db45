import assert from "node:assert/strict";
import { test } from "node:test";
import { lazyMap, pickNames } from "./lazy-map.ts";

test("values are made once, when they are asked for", () => {
  const made: string[] = [];
  const load = (name: string) => (): string => {
    made.push(name);
    return name.toUpperCase();
  };
  const map = lazyMap([
    ["a", load("a")],
    ["b", load("b")],
    ["c", load("c")],
  ]);
  const part = pickNames(map, new Set(["a", "c", "x"]));
  assert.deepEqual([map.size, map.has("b"), [...map.keys()], [...part.keys()]], [3, true, ["a", "b", "c"], ["a", "c"]]);
  assert.deepEqual(made, []);
  assert.deepEqual([part.get("c"), part.get("b"), map.get("c"), map.get("x")], ["C", undefined, "C", undefined]);
  assert.deepEqual(made, ["c"]);
  const visited: string[] = [];
  map.forEach((value, name) => visited.push(name + value));
  assert.deepEqual(
    [visited, [...map.values()], [...part]],
    [
      ["aA", "bB", "cC"],
      ["A", "B", "C"],
      [
        ["a", "A"],
        ["c", "C"],
      ],
    ],
  );
  assert.deepEqual(made, ["c", "a", "b"]);
});
