import assert from "node:assert/strict";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { WorkerState } from "../board/board.ts";
import type { Rejection } from "../schema/kinds.ts";
import { MAX_WAITERS, parseBarrier } from "./barrier.ts";
import { ask, boardOf, reportOf, startFixture, startWorker, type Fixture } from "./test-fixture.ts";

/** A thread that applies what it is told on its own view of the board, as a worker does. */
function startThread(t: TestContext, fixture: Fixture): (record: number, revision: number) => void {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.module).then(({ Board }) => {
      const board = new Board(workerData.memory);
      parentPort.on("message", ({ record, revision }) => {
        board.record(record).acknowledge(revision, 0n, Date.now());
        board.record(record).state = 2;
        board.announce();
      });
    });`;
  const module = new URL("../board/board.ts", import.meta.url).href;
  const thread = new Worker(source, { eval: true, workerData: { module, memory: fixture.board.memory } });
  t.after(() => thread.terminate());
  return (record, revision) => thread.postMessage({ record, revision }, []);
}

/** Resolves when `count` requests have got as far as waiting. */
async function waitersOf(fixture: Fixture, count: number): Promise<void> {
  while (fixture.waiting < count) await new Promise(setImmediate);
}

function load(fixture: Fixture, revision: number): void {
  fixture.report = reportOf(revision);
  fixture.board.publish(revision, 0n);
  fixture.watch.refresh();
}

test("a revision that all have applied is answered at once", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 5));
  for (const revision of [1, 5]) {
    const reply = await ask(fixture, `/status/ready?revision=${revision}`);
    assert.deepEqual([reply.status, reply.json["status"], reply.json["revision"]], [200, "ok", revision]);
  }
});

test("a wait ends when the last worker thread acknowledges, and not before", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 1));
  const apply = startThread(t, fixture);
  let done = false;
  const reply = ask(fixture, "/status/ready?revision=2").then((one) => ((done = true), one));
  await waitersOf(fixture, 1);
  load(fixture, 2);
  apply(0, 2);
  while (fixture.board.record(0).revision < 2) await new Promise(setImmediate);
  fixture.watch.refresh();
  assert.equal(fixture.waiting, 1);
  assert.equal(done, false);
  apply(1, 3);
  assert.equal((await reply).status, 200);
});

test("a worker that is replaced during the wait must catch up", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 1));
  const apply = startThread(t, fixture);
  const reply = ask(fixture, "/status/ready?revision=2");
  await waitersOf(fixture, 1);
  fixture.board.record(0).state = WorkerState.absent;
  fixture.board.activate(0, undefined);
  load(fixture, 2);
  apply(1, 2);
  startWorker(fixture.board, 0, 0, 7);
  fixture.board.announce();
  apply(7, 2);
  assert.equal((await reply).status, 200);
});

test("the deadline names the laggards, or that nothing was loaded", async (t) => {
  const fixture = await startFixture(t, boardOf(3, 1));
  const future = await ask(fixture, "/status/ready?revision=9&timeout=20ms");
  assert.equal(future.status, 503);
  assert.equal(future.json["error"], "revision 9 is not loaded, the last one is 1");
  load(fixture, 2);
  fixture.board.record(1).acknowledge(2, 0n, 0);
  const late = await ask(fixture, "/status/ready?revision=2&timeout=20ms");
  assert.equal(late.status, 503);
  assert.equal(late.json["error"], "revision 2 is not applied by worker id: 0, 2");
  assert.deepEqual(late.json["laggards"], [
    { id: 0, state: "running", revision: 1 },
    { id: 2, state: "running", revision: 1 },
  ]);
  assert.equal((await ask(fixture, "/status/ready?revision=2&timeout=0")).status, 503);
});

test("a rejection that stands is 409 at once, unless it is to be ignored", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 3));
  const rejection: Rejection = {
    kind: "routes",
    id: "7",
    field: "uri",
    error: "uri: expected a string",
    since: 1,
    revision: 2,
    serving: "nothing",
  };
  fixture.report = reportOf(3, { rejected: [rejection] });
  const reply = await ask(fixture, "/status/ready?revision=3");
  assert.equal(reply.status, 409);
  assert.equal(reply.json["error"], "rejected: routes/7: uri: expected a string");
  assert.deepEqual(
    (reply.json["rejected"] as { id: string }[]).map(({ id }) => id),
    ["7"],
  );
  assert.equal((await ask(fixture, "/status/ready?revision=3&rejected=ignore")).status, 200);
  assert.equal((await ask(fixture, "/status/ready?revision=1")).status, 200, "it was rejected later");
});

test("an older rejection does not fail the wait for the change that mends it", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 3));
  const rejection: Rejection = {
    kind: "routes",
    id: "7",
    field: "uri",
    error: "bad",
    since: 1,
    revision: 3,
    serving: "nothing",
  };
  fixture.report = reportOf(3, { rejected: [rejection] });
  const mended = ask(fixture, "/status/ready?revision=4");
  await waitersOf(fixture, 1);
  fixture.board.record(0).acknowledge(4, 0n, 0);
  load(fixture, 4);
  assert.equal((await mended).status, 200);
});

test("workers that are faster than control's report do not hide what it rejected", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const reply = ask(fixture, "/status/ready?revision=2");
  await waitersOf(fixture, 1);
  fixture.board.record(0).acknowledge(2, 0n, 0);
  fixture.board.publish(2, 0n);
  fixture.watch.refresh();
  const rejection: Rejection = {
    kind: "routes",
    id: "7",
    field: "uri",
    error: "bad",
    since: 1,
    revision: 2,
    serving: "previous",
  };
  fixture.report = reportOf(2, { rejected: [rejection] });
  fixture.watch.refresh();
  assert.equal((await reply).status, 409);
});

test("a client that goes away ends its wait", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const socket = connect(fixture.port, fixture.ip);
  socket.write("GET /status/ready?revision=2 HTTP/1.1\r\nHost: x\r\n\r\n");
  await waitersOf(fixture, 1);
  socket.destroy();
  while (fixture.waiting > 0) await new Promise(setImmediate);
});

test("waits are bounded, and those that wait are not disturbed", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const replies = Array.from({ length: MAX_WAITERS }, () => ask(fixture, "/status/ready?revision=2"));
  await waitersOf(fixture, MAX_WAITERS);
  const refused = await ask(fixture, "/status/ready?revision=2");
  assert.deepEqual([refused.status, refused.json["error"]], [503, "too many requests wait for a revision (256)"]);
  assert.equal((await ask(fixture, "/status/ready")).status, 200);
  fixture.board.record(0).acknowledge(2, 0n, 0);
  load(fixture, 2);
  for (const reply of await Promise.all(replies)) assert.equal(reply.status, 200);
});

test("parameters that make no sense are named", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  for (const [query, parameter] of [
    ["revision=", "revision"],
    ["revision=x", "revision"],
    ["revision=0", "revision"],
    ["revision=-1", "revision"],
    ["revision=99999999999999999", "revision"],
    ["revision=1&timeout=soon", "timeout"],
    ["revision=1&timeout=11m", "timeout"],
    ["revision=1&rejected=yes", "rejected"],
  ] as const) {
    const reply = await ask(fixture, `/status/ready?${query}`);
    assert.equal(reply.status, 400, query);
    assert.match(String(reply.json["error"]), new RegExp(`^${parameter}: expected`), query);
  }
});

test("timeouts are written as nginx writes them, or in plain seconds", () => {
  const timeoutOf = (timeout: string): unknown => {
    const parsed = parseBarrier(new URLSearchParams({ revision: "1", ...(timeout === "" ? {} : { timeout }) }));
    return typeof parsed === "string" ? parsed : parsed.timeoutMs;
  };
  for (const [text, ms] of [
    ["", 30_000],
    ["5", 5000],
    ["250ms", 250],
    ["1m30s", 90_000],
    ["10m", 600_000],
  ] as const) {
    assert.equal(timeoutOf(text), ms);
  }
});
