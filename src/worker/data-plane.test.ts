import assert from "node:assert/strict";
import { test } from "node:test";
import { CounterTable } from "../board/counter-table.ts";
import { Board, WorkerState } from "../board/board.ts";
import { monotonicMs } from "../lib/clock.ts";
import { DataPlane } from "./data-plane.ts";
import { FaultSwitch } from "./fault-switch.ts";
import { settingsWith } from "./fixtures.ts";

test("a worker whose modules took long to load is not taken for hung when it reports", async (t) => {
  const board = new Board();
  const record = board.record(0);
  record.reset(0, 1, Date.now(), monotonicMs() - 60_000);
  const settings = settingsWith({}, { log: { errorLog: "/dev/stderr", level: "error", access: null } });
  const data = {
    role: "worker",
    settings,
    board: board.memory,
    metrics: null,
    counters: new CounterTable().memory,
    record: 0,
    slot: 0,
    tickets: { epoch: 0, secret: new Uint8Array(32) },
    faults: [],
  } as const;
  const dataPlane = new DataPlane(data, new FaultSwitch([]), () => undefined);
  t.after(() => dataPlane.drain(0));
  dataPlane.start();
  assert.equal(record.state, WorkerState.starting);
  assert.ok(monotonicMs() - record.heartbeat < 30_000);
});
