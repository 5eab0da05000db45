import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { MetricMemory, WorkerCell } from "../../board/metric-memory.ts";
import { MetricWriter } from "../../board/metric-writer.ts";
import { SeriesReader } from "./series-reader.ts";

const shape = { maxSeries: 10, buckets: 2 };

/** A thread that gives one place to one series after the other, with the number of each in its cell. */
const busyWriter = `
  const { parentPort, workerData } = require("node:worker_threads");
  void import(workerData.module).then(({ MetricMemory }) => {
    const table = new MetricMemory(workerData.shape, workerData.memory).table("bandwidth");
    parentPort.postMessage("begun");
    for (let n = 1; ; n++) {
      table.free(0);
      table.occupy(0, Buffer.from("r\\0" + n));
      table.cells[0] = table.cells[1] = n;
      // Leaves the reader a chance.
      for (let i = 0; i < 300; i++) table.used;
    }
  });`;

test("what is read belongs together, whatever the worker does meanwhile", async (t) => {
  const memory = new MetricMemory(shape);
  const module = new URL("../../board/metric-memory.ts", import.meta.url).href;
  const worker = new Worker(busyWriter, { eval: true, workerData: { shape, memory: memory.memory, module } });
  t.after(() => worker.terminate());
  await once(worker, "message");
  const reader = new SeriesReader();
  reader.add(memory);
  let seen = 0;
  while (seen < 3_000) {
    for (const [text, cells] of await reader.totals("bandwidth")) {
      const expected = Number(text.split("\0")[1]);
      for (const value of cells) assert.ok(value === expected || value === 0, `${JSON.stringify(text)}: ${value}`);
      seen++;
    }
  }
});

test("series of all workers are added up, and retired in all of them", async () => {
  const memories = [new MetricMemory(shape), new MetricMemory(shape)];
  const reader = new SeriesReader();
  const writers = memories.map((memory) => {
    reader.add(memory);
    return new MetricWriter(memory);
  });
  for (const [i, writer] of writers.entries()) {
    writer.add("stream_connection_total", ["a"], i + 1);
    writer.total(WorkerCell.requests, 10);
  }
  writers[0]?.add("stream_connection_total", ["b"], 5);
  const shown = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      Array.from(await reader.totals("stream_connection_total"), ([text, [value = 0]]) => [text, value]),
    );
  assert.deepEqual(await shown(), { "\0a": 3, "\0b": 5 });
  assert.equal(reader.workerTotal(WorkerCell.requests), 20);
  await reader.retire("stream_connection_total", new Set(["\0a"]));
  assert.deepEqual(await shown(), { "\0b": 5 });
  for (const writer of writers) writer.sweep();
  writers[1]?.add("stream_connection_total", ["a"], 1);
  assert.deepEqual(await shown(), { "\0a": 1, "\0b": 5 });
});

test("how full the fullest worker is", () => {
  const memory = new MetricMemory(shape);
  const reader = new SeriesReader();
  reader.add(memory);
  const writer = new MetricWriter(memory);
  for (let i = 0; i < 9; i++) writer.add("stream_connection_total", [String(i)], 1);
  assert.equal(reader.fullness("stream_connection_total"), 0.9);
  assert.equal(reader.fullness("bandwidth"), 0);
});
