import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchCounts } from "../batch/batch-counts.ts";
import { BatchMetrics } from "./batch-metrics.ts";

test("drops are added up by plugin, what waits is set when it changes", () => {
  const row = {
    plugin: "http-logger",
    name: "n",
    owner: "routes/1",
    serverAddr: "127.0.0.1",
    pending: 0,
    sent: 5,
    overflowed: 0,
    failed: 0,
  };
  let counts: BatchCounts[] = [];
  const told: unknown[] = [];
  const metrics = new BatchMetrics(
    { counts: () => counts },
    {
      add: (family, labels, amount) => told.push([family, ...labels, amount]),
      set: (family, labels, value) => told.push([family, ...labels, value]),
    },
  );
  const publish = (...rows: BatchCounts[]): unknown[] => {
    counts = rows;
    told.length = 0;
    metrics.publish();
    return [...told];
  };
  assert.deepEqual(publish(), []);
  assert.deepEqual(publish(row), []);
  const full = { ...row, pending: 3, overflowed: 2, failed: 1 };
  const other = { ...full, owner: "services/2", pending: 0 };
  const first = [
    ["batch_process_entries", "n", "1", "127.0.0.1", 3],
    ["log_entries_dropped_total", "http-logger", 6],
  ];
  assert.deepEqual(publish(full, other), first);
  assert.deepEqual(publish(full, other), []);
  assert.deepEqual(publish({ ...full, pending: 0, failed: 2 }, other), [
    ["batch_process_entries", "n", "1", "127.0.0.1", 0],
    ["log_entries_dropped_total", "http-logger", 1],
  ]);
});
