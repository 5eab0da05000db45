import assert from "node:assert/strict";
import { test } from "node:test";
import { Board, WorkerState } from "../board/board.ts";
import { watchBusyWorkers } from "./busy-workers.ts";

test("workers are busy while they answer more than 500 requests a second together", () => {
  const board = new Board();
  board.workerCount = 2;
  const workers = [0, 1].map((slot) => {
    const record = board.record(slot);
    record.state = WorkerState.running;
    board.activate(slot, record);
    return record;
  });
  let now = 0;
  const busy = watchBusyWorkers(board, () => now);
  const after = (ms: number, requests: number): boolean => {
    now += ms;
    for (const worker of workers) worker.requests += requests / 2;
    return busy();
  };
  assert.equal(busy(), false, "nothing was answered yet");
  assert.equal(after(250, 100), false);
  assert.equal(after(250, 200), true);
  assert.equal(after(100, 0), true, "an answer holds for a while");
  assert.equal(after(1_000, 400), false);
  assert.equal(after(1_000, 600), true);
});
