import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseDuration } from "./duration.ts";

test("durations as nginx writes them", () => {
  const rows: readonly [string | number, number | null][] = [
    ["60s", 60_000],
    ["240s", 240_000],
    ["1m", 60_000],
    ["500ms", 500],
    ["0s", 0],
    ["0", 0],
    ["30", 30_000],
    [" 30 ", 30_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["1m 5", 65_000],
    ["1d", 86_400_000],
    ["1M", 2_592_000_000],
    [5, 5000],
    [0, 0],
    [0.25, 250],
    ["", null],
    ["s", null],
    ["-1s", null],
    ["1.5s", null],
    ["1s1s", null],
    ["1s1m", null],
    ["30 m", null],
    ["5 10s", null],
    ["1S", null],
    ["ten", null],
    [-1, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    ["9".repeat(30), null],
  ];
  for (const [text, expected] of rows) assert.equal(parseDuration(text), expected, JSON.stringify(text));
});

test("a sum of units is the sum of its parts", () => {
  const small = fc.nat(1000);
  fc.assert(
    fc.property(small, small, small, (hours, minutes, ms) => {
      assert.equal(parseDuration(`${hours}h ${minutes}m${ms}ms`), hours * 3_600_000 + minutes * 60_000 + ms);
    }),
  );
});
