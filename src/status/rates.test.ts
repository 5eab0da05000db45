import assert from "node:assert/strict";
import { test } from "node:test";
import { RATE_SAMPLES, RequestRates } from "./rates.ts";
import { boardOf, startWorker } from "./test-fixture.ts";

test("requests per second go by the heartbeats that came with the counts", () => {
  const board = boardOf(2, 1);
  const rates = new RequestRates(board);
  const record = board.record(0);
  record.heartbeat = 1000;
  rates.tick(1000);
  record.requests = 120;
  record.heartbeat = 2200;
  rates.tick(2210);
  assert.equal(rates.now(0), 100, "120 requests in 1.2 s between heartbeats");
  rates.tick(2900);
  assert.equal(rates.history(0).length, 2, "no sample is due yet");
  rates.tick(3300);
  assert.equal(rates.now(0), 0, "a worker without a heartbeat has answered nothing");
  assert.equal(rates.now(7), 0, "there is no such worker");
});

test("a successor's count is not the predecessor's, and only a minute is kept", () => {
  const board = boardOf(1, 1);
  const rates = new RequestRates(board);
  board.record(0).requests = 5000;
  rates.tick(0);
  const successor = startWorker(board, 0, 1, 5);
  successor.requests = 3;
  rates.tick(1000);
  assert.equal(rates.now(0), 0);
  for (let second = 2; second < 100; second++) rates.tick(second * 1000);
  assert.equal(rates.history(0).length, RATE_SAMPLES);
});
