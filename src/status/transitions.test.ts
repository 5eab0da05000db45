import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerState } from "../board/board.ts";
import { monotonicMs } from "../lib/clock.ts";
import type { JournalEntry, JournalRecord } from "./journal.ts";
import { boardOf, reportOf, startFixture, startWorker, type Fixture } from "./test-fixture.ts";

/** Resolves with the next event of a type, the kept ones included. */
function eventOf<T extends JournalEntry["type"]>(
  { journal }: Fixture,
  type: T,
  after = 0,
): Promise<JournalRecord & { type: T }> {
  const matches = (record: JournalRecord): record is JournalRecord & { type: T } => record.type === type;
  return new Promise((resolve) => {
    const kept = journal.after(after).find(matches);
    if (kept !== undefined) return resolve(kept);
    const stop = journal.subscribe((record) => {
      if (!matches(record)) return;
      stop?.();
      resolve(record);
    });
  });
}

test("each transition is one line and one event, however often it is asked for", async (t) => {
  const board = boardOf(2, 0);
  const fixture = await startFixture(t, board);
  for (let i = 0; i < 5; i++) fixture.watch.readiness();
  assert.deepEqual(fixture.lines, [], "a start is not a transition");
  board.publish(1, 0n);
  fixture.report = reportOf(1);
  startWorker(board, 0, 1);
  startWorker(board, 1, 1);
  board.announce();
  await eventOf(fixture, "ready");
  board.record(1).state = WorkerState.absent;
  board.announce();
  const unready = await eventOf(fixture, "unready");
  assert.equal(unready.cause, "worker count: 2 but status report count: 1");
  for (let i = 0; i < 5; i++) fixture.watch.readiness();
  assert.equal(fixture.lines.length, 2);
  assert.match(fixture.lines[0] ?? "", /^ready \(after \d+ ms\)$/);
  assert.match(fixture.lines[1] ?? "", /^not ready: worker count: 2 but status report count: 1 /);
});

test("a hang is noticed without any announcement", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board, { unresponsiveAfterMs: 100 });
  board.record(0).heartbeat = monotonicMs() - 50;
  assert.match((await eventOf(fixture, "unready")).cause, /^worker id: 0 has not responded for \d+s$/);
});

test("a worker's readiness is told once per generation, with its duration", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  const first = await eventOf(fixture, "worker-ready");
  assert.deepEqual([first.worker, first.generation, first.revision], [0, 1, 1]);
  const next = board.record(5);
  next.reset(0, 2, Date.now() - 40, monotonicMs());
  next.acknowledge(1, 0n, Date.now());
  next.state = WorkerState.running;
  board.activate(0, next);
  board.announce();
  const second = await eventOf(fixture, "worker-ready", first.id);
  assert.equal(second.generation, 2);
  assert.ok(second.durationMs >= 40);
});

test("an application is told when the last worker has it and control has reported", async (t) => {
  const changedAt = Date.now() - 500;
  const board = boardOf(2, 0);
  const fixture = await startFixture(t, board);
  board.publish(1, 0n);
  startWorker(board, 0, 1);
  startWorker(board, 1, 0);
  fixture.watch.refresh();
  board.record(1).acknowledge(1, 0n, Date.now());
  board.record(1).state = WorkerState.running;
  fixture.watch.refresh();
  assert.equal(
    fixture.journal.after(0).some(({ type }) => type === "config-applied"),
    false,
  );
  fixture.report = reportOf(1, { changes: 3, lastChangeAt: changedAt });
  fixture.watch.refresh();
  const event = await eventOf(fixture, "config-applied");
  assert.deepEqual([event.revision, event.fromRevision, event.changes, event.rejected], [1, 0, 3, 0]);
  assert.ok(event.durationMs >= 500);
});

test("changes in quick succession share an event", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  const first = await eventOf(fixture, "config-applied");
  for (let revision = 2; revision <= 50; revision++) {
    fixture.report = reportOf(revision);
    board.publish(revision, 0n);
    board.record(0).acknowledge(revision, 0n, Date.now());
    fixture.watch.refresh();
  }
  const second = await eventOf(fixture, "config-applied", first.id);
  assert.deepEqual([second.fromRevision, second.revision], [1, 50]);
});

test("the last change of a burst is told, also where control had reported it before the one before it was told", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  const first = await eventOf(fixture, "config-applied");
  const load = (revision: number): void => {
    fixture.report = reportOf(revision, { loadedAt: revision, lastChangeAt: Date.now() });
    board.publish(revision, 0n);
    fixture.watch.refresh();
  };
  load(2);
  board.record(0).acknowledge(2, 0n, Date.now());
  fixture.watch.refresh();
  load(3);
  const second = await eventOf(fixture, "config-applied", first.id);
  assert.deepEqual([second.fromRevision, second.revision], [1, 2]);
  board.record(0).acknowledge(3, 0n, Date.now());
  board.announce();
  const third = await eventOf(fixture, "config-applied", second.id);
  assert.deepEqual([third.fromRevision, third.revision], [2, 3]);
});

test("failures of the source are told when they begin and when they end", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  fixture.report = reportOf(1, { lastFailure: { at: 1, error: "line 3: no #END", current: true } });
  fixture.watch.refresh();
  fixture.watch.refresh();
  fixture.report = reportOf(2, { lastFailure: { at: 1, error: "line 3: no #END", current: false } });
  fixture.watch.refresh();
  const types = fixture.journal
    .after(0)
    .map(({ type }) => type)
    .filter((type) => type.startsWith("config-") && type !== "config-applied");
  assert.deepEqual(types, ["config-failed", "config-recovered"]);
  assert.equal(fixture.watch.readiness(), null);
});

test("the same revision with another hash is told once, and shown while it lasts", async (t) => {
  const board = boardOf(3, 4);
  const fixture = await startFixture(t, board);
  board.record(1).acknowledge(4, 0xabcn, Date.now());
  const event = await eventOf(fixture, "divergence");
  assert.deepEqual([event.worker, event.revision, event.hash], [1, 4, "0000000000000abc"]);
  assert.deepEqual(
    fixture.watch.divergence().map(({ worker }) => worker),
    [1],
  );
  assert.equal(fixture.watch.readiness(), null, "it is reported, not gated");
  assert.equal(fixture.lines.filter((line) => line.includes("diverges")).length, 1);
});
