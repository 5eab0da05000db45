import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Board, WorkerState } from "../board/board.ts";
import { livenessError, readinessChecks, readinessError, type ReadinessInput } from "./readiness.ts";
import { SlotTracker } from "./slot-tracker.ts";
import { boardOf, startWorker } from "./test-fixture.ts";

const LIMIT = 5000;

/** The input at `now`, every heartbeat of `board` being at 0 unless a test sets it. */
function inputOf(board: Board, now = 0, tracker = new SlotTracker(board, 0)): ReadinessInput {
  tracker.tick(now);
  return { board, tracker, now, unresponsiveAfterMs: LIMIT, discovery: [] };
}

function quietBoard(workers: number, revision: number): Board {
  const board = boardOf(workers, revision);
  for (let slot = 0; slot < workers; slot++) board.record(slot).heartbeat = 0;
  return board;
}

const table: [what: string, arrange: (board: Board) => void, now: number, error: string | null][] = [
  ["all is well", () => undefined, 0, null],
  ["a heartbeat at the limit", () => undefined, LIMIT, null],
  ["a heartbeat beyond the limit", () => undefined, LIMIT + 1, "worker id: 0 has not responded for 5s"],
  ["whole seconds", (board) => (board.record(0).heartbeat = 95_000), 97_999, "worker id: 1 has not responded for 97s"],
  ["no record", (board) => board.activate(2, undefined), 0, "worker count: 4 but status report count: 3"],
  [
    "a thread that has not reported",
    (board) => (board.record(3).state = WorkerState.absent),
    0,
    "worker count: 4 but status report count: 3",
  ],
  [
    "a thread that drains without a successor",
    (board) => (board.record(0).state = WorkerState.draining),
    0,
    "worker count: 4 but status report count: 3",
  ],
  [
    "no thread at all",
    (board) => [0, 1, 2, 3].forEach((slot) => board.activate(slot, undefined)),
    0,
    "worker count: 4 but status report count: 0",
  ],
  [
    "not listening yet",
    (board) => (board.record(2).state = WorkerState.starting),
    0,
    "worker id: 2 has not received configuration",
  ],
  ["running on nothing", (board) => void startWorker(board, 1, 0), 0, "worker id: 1 has not received configuration"],
  ["draining", (board) => (board.draining = true), 0, "draining"],
  ["fewer workers than before", (board) => ((board.workerCount = 1), board.activate(3, undefined)), 0, null],
  [
    "an unresponsive worker that drains for its successor",
    (board) => {
      const old = board.record(1);
      board.activate(1, startRecord(board, 1, 9));
      old.state = WorkerState.draining;
      old.heartbeat = -100_000;
    },
    0,
    null,
  ],
];

function startRecord(board: Board, slot: number, index: number): ReturnType<typeof startWorker> {
  const record = startWorker(board, slot, 1, index);
  record.heartbeat = 0;
  return record;
}

for (const [what, arrange, now, error] of table) {
  test(`readiness: ${what}`, () => {
    const board = quietBoard(4, 1);
    arrange(board);
    assert.equal(readinessError(inputOf(board, now)), error);
  });
}

test("readiness: nothing was ever loaded", () => {
  assert.equal(readinessError(inputOf(quietBoard(2, 0))), "worker id: 0 has not received configuration");
});

test("readiness: an idle or lost source never matters", () => {
  const board = quietBoard(2, 1);
  const tracker = new SlotTracker(board, 0);
  for (let now = 0; now < 3_600_000; now += 60_000) {
    board.record(0).heartbeat = now;
    board.record(1).heartbeat = now;
    assert.equal(readinessError(inputOf(board, now, tracker)), null);
  }
});

test("a worker that stands still behind a revision is unready after the limit, until it moves", () => {
  const board = quietBoard(2, 1);
  const tracker = new SlotTracker(board, 0);
  const at = (now: number): string | null => {
    for (const slot of [0, 1]) board.record(slot).heartbeat = now;
    return readinessError(inputOf(board, now, tracker));
  };
  assert.equal(at(0), null);
  assert.equal(at(60_000), null);
  board.publish(2, 0n);
  board.record(0).acknowledge(2, 0n, 0);
  assert.equal(at(60_001), null);
  assert.equal(at(60_001 + LIMIT), null);
  assert.equal(at(60_002 + LIMIT), "worker id: 1 has not received configuration");
  board.record(1).acknowledge(2, 0n, 0);
  assert.equal(at(60_003 + LIMIT), null);
});

test("liveness: only the silence of all workers, after start-up, counts", () => {
  const board = quietBoard(2, 1);
  const tracker = new SlotTracker(board, 0);
  assert.equal(livenessError(inputOf(board, LIMIT, tracker), false), null);
  assert.equal(livenessError(inputOf(board, LIMIT + 1, tracker), true), null);
  assert.equal(livenessError(inputOf(board, LIMIT + 1, tracker), false), "no running worker");
  board.record(1).heartbeat = 2;
  assert.equal(livenessError(inputOf(board, LIMIT + 1, tracker), false), null);
  board.activate(1, undefined);
  assert.equal(livenessError(inputOf(board, LIMIT + 2, tracker), false), null, "its death is not older than its life");
  assert.equal(livenessError(inputOf(board, LIMIT + 3, tracker), false), "no running worker");
});

/** A worker as a property sees it. */
const worker = fc.record({
  present: fc.boolean(),
  state: fc.constantFrom(...Object.values(WorkerState)),
  revision: fc.nat(3),
  heartbeat: fc.integer({ min: 0, max: 20_000 }),
  told: fc.constantFrom(6, 7, 8),
});

test("property: ready exactly when every worker reports, runs on a configuration, knows what was discovered and answers", () => {
  fc.assert(
    fc.property(fc.array(worker, { minLength: 1, maxLength: 20 }), fc.boolean(), fc.boolean(), (rows, drain, found) => {
      const board = new Board();
      board.workerCount = rows.length;
      board.draining = drain;
      rows.forEach((row, slot) => {
        const record = board.record(slot);
        record.reset(slot, 1, 0, row.heartbeat);
        record.acknowledge(row.revision, 0n, 0);
        record.state = row.state;
        record.told = row.told;
        if (row.present) board.activate(slot, record);
      });
      const now = 20_000;
      const input = { ...inputOf(board, now), discovery: [{ name: "dns", ready: found, told: 7 }] };
      const error = readinessError(input);
      const good = rows.map((row) => {
        const running = row.present && row.state === WorkerState.running && row.revision > 0;
        return running && now - row.heartbeat <= LIMIT;
      });
      const told = rows.every((row) => row.told >= 7);
      assert.equal(error === null, !drain && found && told && good.every(Boolean));
      const named = /worker id: (\d+)/.exec(error ?? "")?.[1];
      if (named !== undefined) assert.equal(good[Number(named)], false);
      assert.equal(readinessChecks(input).find((check) => check.error !== null)?.error ?? null, error);
    }),
  );
});

test("property: continuous changes never make a worker unready that keeps applying them", () => {
  const step = fc.record({ publish: fc.nat(40), apply: fc.nat(40), wait: fc.integer({ min: 1, max: 1000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const board = quietBoard(1, 1);
      const record = board.record(0);
      const tracker = new SlotTracker(board, 0);
      let now = 0;
      let published = 1;
      let applied = 1;
      let movedAt = 0;
      for (const { publish, apply, wait } of steps) {
        now += wait;
        published += publish;
        board.publish(published, 0n);
        const next = Math.min(published, applied + apply);
        if (next > applied || applied === published) movedAt = now;
        // A worker that has had nothing to do for long starts afresh with the next change.
        if (publish > 0 && applied === published - publish) movedAt = now;
        applied = next;
        record.acknowledge(applied, 0n, 0);
        record.heartbeat = now;
        const error = readinessError(inputOf(board, now, tracker));
        if (now - movedAt <= LIMIT) assert.equal(error, null);
      }
    }),
  );
});

test("property: a worker that stands still behind is always found out", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 30, maxLength: 60 }), (publishes) => {
      const board = quietBoard(2, 1);
      const tracker = new SlotTracker(board, 0);
      let published = 2;
      let error: string | null = null;
      publishes.forEach((publish, i) => {
        published += publish;
        board.publish(published, 0n);
        board.record(0).acknowledge(published, 0n, 0);
        for (const slot of [0, 1]) board.record(slot).heartbeat = i * 250;
        error = readinessError(inputOf(board, i * 250, tracker));
      });
      assert.equal(error, "worker id: 1 has not received configuration");
    }),
  );
});
