import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Board, MAX_WORKERS, WorkerState } from "./board.ts";

test("records do not overlap, and a reset clears one alone", () => {
  const board = new Board();
  for (let i = 0; i < board.recordCount; i++) {
    const record = board.record(i);
    record.reset(i % MAX_WORKERS, i, 1_000 + i, i);
    record.acknowledge(i + 1, BigInt(i) << 32n, 5);
    record.requests = i * 1_000_000_000;
  }
  board.record(7).reset(3, 1, 1, 1);
  assert.equal(board.record(7).revision, 0);
  for (const i of [0, 6, 8, board.recordCount - 1]) {
    assert.equal(board.record(i).revision, i + 1);
    assert.equal(board.record(i).hash, BigInt(i) << 32n);
    assert.equal(board.record(i).requests, i * 1_000_000_000);
    assert.equal(board.record(i).generation, i);
  }
});

test("hashes with the highest bit set survive", () => {
  const board = new Board();
  const hash = 0xfedc_ba98_7654_3210n;
  board.record(0).acknowledge(1, hash, 1);
  board.publish(1, hash);
  assert.equal(board.record(0).hash, hash);
  assert.equal(board.hash, hash);
});

test("a slot points at the record that serves it", () => {
  const board = new Board();
  assert.equal(board.active(5), undefined);
  board.activate(5, board.record(9));
  assert.equal(board.active(5)?.index, 9);
  board.activate(5, undefined);
  assert.equal(board.active(5), undefined);
});

test("an announcement of another thread wakes a waiter", async (t) => {
  const board = new Board();
  const seen = board.changes;
  const worker = new Worker(
    `import(${JSON.stringify(new URL("./board.ts", import.meta.url).href)}).then(({ Board, WorkerState }) => {
       const board = new Board(require("node:worker_threads").workerData);
       board.record(2).state = WorkerState.running;
       board.announce();
     });`,
    { eval: true, workerData: board.memory },
  );
  t.after(() => worker.terminate());
  await board.changed(seen);
  assert.equal(board.record(2).state, WorkerState.running);
  await board.changed(seen);
});
