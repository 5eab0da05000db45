import assert from "node:assert/strict";
import { test } from "node:test";
import { parseByteSize } from "./byte-size.ts";

test("sizes as nginx writes them", () => {
  const rows: readonly [string | number, number | null][] = [
    [0, 0],
    [16384, 16384],
    ["0", 0],
    ["512", 512],
    ["16k", 16384],
    ["8K", 8192],
    ["10m", 10_485_760],
    ["1G", 1_073_741_824],
    [" 1k ", 1024],
    ["", null],
    ["k", null],
    ["1kb", null],
    ["1.5m", null],
    ["-1", null],
    [-1, null],
    [1.5, null],
    ["9".repeat(20), null],
  ];
  for (const [text, expected] of rows) assert.equal(parseByteSize(text), expected, JSON.stringify(text));
});
