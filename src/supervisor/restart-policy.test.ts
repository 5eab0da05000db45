import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRestart, noRestarts, type RestartRecord } from "./restart-policy.ts";

const policy = { firstDelayMs: 100, maxDelayMs: 1_000, healthyAfterMs: 10_000 };

function delays(uptimes: readonly number[]): number[] {
  let record: RestartRecord = noRestarts;
  return uptimes.map((uptime) => {
    const next = nextRestart(record, uptime, policy);
    record = next.record;
    return next.delayMs;
  });
}

test("the first restart is immediate, later ones back off up to the cap", () => {
  assert.deepEqual(delays([5, 5, 5, 5, 5, 5, 5]), [0, 100, 200, 400, 800, 1_000, 1_000]);
});

test("a long life clears the record", () => {
  assert.deepEqual(delays([5, 5, 5, 20_000, 5]), [0, 100, 200, 0, 100]);
});
