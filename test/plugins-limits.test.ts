import assert from "node:assert/strict";
import { test } from "node:test";
import { startEcho } from "./support/echo.ts";
import { startLoad } from "./support/load.ts";
import { serving, to } from "./support/serving.ts";

// Limits through the front door, with two workers: what passes is exact over both.

test("limit-count: 1,000 in a minute, 64 connections, 5,000 requests: exactly 1,000 pass", async (t) => {
  const { node } = await startEcho(t);
  const plugins = { "limit-count": { count: 1_000, time_window: 60, rejected_code: 429 } };
  const gateway = await serving(t, { routes: [to({ [node]: 1 }, {}, { plugins })] }, { workers: 2 });
  const load = startLoad(gateway.httpPort, 64);
  t.after(() => load.stop());
  await load.reached(5_000);
  const { answers, statuses, failed, refused } = await load.stop();
  assert.deepEqual([failed, refused], [[], 0]);
  assert.deepEqual(statuses, { 200: 1_000, 429: answers - 1_000 });
  const workers = (await gateway.status("/status/workers")).json().workers as { readonly requests: number }[];
  assert.ok(workers.every(({ requests }) => requests > 0));
});
