import assert from "node:assert/strict";
import { test } from "node:test";
import { grpcTimeoutMs } from "./grpc-head.ts";

const times: readonly (readonly [value: string | undefined, ms: number])[] = [
  ["100m", 100],
  ["2S", 2_000],
  ["1M", 60_000],
  ["1H", 3_600_000],
  ["1500u", 2],
  ["1n", 1],
  ["99999999n", 100],
  // No time that can be read is none: the node judges it.
  [undefined, 0],
  ["", 0],
  ["5", 0],
  ["1s", 0],
  ["-1S", 0],
  ["123456789m", 0],
  ["1.5S", 0],
];

for (const [value, ms] of times) {
  test(`grpc-timeout ${value} is ${ms} ms`, () => {
    assert.equal(grpcTimeoutMs(value), ms);
  });
}
