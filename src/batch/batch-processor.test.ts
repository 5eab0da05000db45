import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { BatchError, type BatchOptions, type BatchSink } from "./batch-processor.ts";
import { createBatches } from "./batches.ts";

/** A sink whose answers a test gives. */
function recorder(answer: (batch: readonly string[], attempt: number) => Promise<void> | void = () => undefined) {
  const batches: (readonly string[])[] = [];
  const arrived = { resolve: (): void => undefined };
  const sink: BatchSink<string> & { closed: boolean } = {
    concurrency: 1,
    closed: false,
    async send(entries) {
      batches.push([...entries]);
      arrived.resolve();
      await answer(entries, batches.length);
    },
    close() {
      this.closed = true;
    },
  };
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      arrived.resolve = resolve;
    });
  return { sink, batches, next };
}

function options(more: Partial<BatchOptions> = {}): BatchOptions & { readonly said: string[] } {
  const said: string[] = [];
  return {
    plugin: "p",
    name: "n",
    owner: "routes/1",
    batchMaxSize: 3,
    inactiveTimeout: 5,
    bufferDuration: 60,
    maxRetryCount: 0,
    retryDelay: 0,
    maxPendingEntries: 10,
    warn: (message) => said.push(message),
    said,
    ...more,
  };
}

test("a full batch goes in a later turn, the rest when the processor is closed", async () => {
  const batches = createBatches();
  const { sink, batches: sent, next } = recorder();
  const processor = batches.open(options(), sink);
  const arrived = next();
  for (const entry of ["a", "b", "c", "d"]) assert.equal(processor.push(entry, 1), true);
  assert.deepEqual(sent, []);
  await arrived;
  assert.deepEqual(sent, [["a", "b", "c"]]);
  assert.equal(processor.pending > 0, true);
  await processor.close();
  assert.deepEqual(sent, [["a", "b", "c"], ["d"]]);
  assert.equal(sink.closed, true);
  assert.deepEqual(batches.counts(), [
    { plugin: "p", name: "n", owner: "routes/1", serverAddr: "", pending: 0, sent: 4, overflowed: 0, failed: 0 },
  ]);
});

test("a batch goes after it was inactive, or when its first entry is old", async (t: TestContext) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const pass = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const { sink, batches: sent } = recorder();
  const processor = createBatches().open(options({ inactiveTimeout: 2, bufferDuration: 3, batchMaxSize: 100 }), sink);
  processor.push("a", 1);
  pass(1_500);
  processor.push("b", 1);
  pass(1_400);
  await settled();
  assert.deepEqual(sent, []);
  pass(100);
  await settled();
  assert.deepEqual(sent, [["a", "b"]]);
  processor.push("c", 1);
  pass(1_999);
  await settled();
  assert.equal(sent.length, 1);
  pass(1);
  await settled();
  assert.deepEqual(sent[1], ["c"]);
});

test("a batch that fails is tried again, and dropped after the last attempt", async () => {
  const given = options({ maxRetryCount: 2 });
  const { sink, batches: sent } = recorder((entries) => {
    if (entries[0] === "a") throw new Error("no route to host");
  });
  const processor = createBatches().open(given, sink);
  for (const entry of ["a", "b", "c", "d"]) processor.push(entry, 1);
  await processor.close();
  assert.equal(sent.filter(([first]) => first === "a").length, 3);
  assert.deepEqual([processor.sent, processor.failed, processor.pending], [1, 3, 0]);
  assert.deepEqual(given.said, ["batch n: 3 entries dropped: no route to host"]);
});

test("of a batch that arrived in part only the rest is tried again", async () => {
  const { sink, batches: sent } = recorder((_, attempt) => {
    if (attempt === 1) throw new BatchError("busy", ["c"], 1);
  });
  const processor = createBatches().open(options({ maxRetryCount: 1 }), sink);
  for (const entry of ["a", "b", "c"]) processor.push(entry, 1);
  await processor.close();
  assert.deepEqual(sent, [["a", "b", "c"], ["c"]]);
  assert.deepEqual([processor.sent, processor.failed], [2, 1]);
});

test("with a server that hangs memory stays bounded, in entries and in size, and what is lost is told", async () => {
  const given = options({ maxPendingEntries: 5, maxPendingSize: 100 });
  const batches = createBatches();
  const { sink } = recorder(() => new Promise(() => undefined));
  const processor = batches.open(given, sink);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) if (processor.push("x", 10)) taken++;
  assert.deepEqual([taken, processor.pending, processor.overflowed], [5, 5, 9_995]);
  assert.equal(processor.full, true);
  // Once at first; the others are told together at the end.
  assert.deepEqual(given.said, ["batch n: 1 entry dropped: 5 entries are waiting"]);
  await batches.drain(1);
  assert.deepEqual([processor.pending, processor.failed, sink.closed], [0, 5, true]);
  assert.deepEqual(given.said.slice(1), ["batch n: 9999 entries dropped: the gateway ends"]);
  assert.equal(processor.push("late", 1), false);

  const large = options({ maxPendingSize: 100, maxPendingEntries: 1_000 });
  const other = createBatches().open(large, recorder(() => new Promise(() => undefined)).sink);
  assert.deepEqual([other.push("x", 60), other.push("x", 60), other.push("x", 40)], [true, false, true]);
  assert.match(large.said[0] ?? "", /take all the memory that they may/);
});

test("all processors of a thread share one bound, which is free again when batches have gone", async () => {
  const batches = createBatches(100);
  const slow = Promise.withResolvers<void>();
  const one = batches.open(options({ batchMaxSize: 1 }), recorder(() => slow.promise).sink);
  const two = batches.open(options({ name: "two" }), recorder().sink);
  assert.deepEqual([one.push("x", 70), two.push("x", 40), two.push("x", 30)], [true, false, true]);
  slow.resolve();
  await one.close();
  assert.equal(two.push("x", 60), true);
  await two.close();
});

test("drain sends what is there, also of processors that were closed before", async () => {
  const batches = createBatches();
  const hold = Promise.withResolvers<void>();
  const { sink, batches: sent } = recorder(() => hold.promise);
  const closed = batches.open(options(), sink);
  closed.push("a", 1);
  void closed.close();
  const other = recorder();
  batches.open(options({ name: "other" }), other.sink).push("b", 1);
  const drained = batches.drain(10_000);
  hold.resolve();
  await drained;
  assert.deepEqual([sent, other.batches], [[["a"]], [["b"]]]);
  assert.deepEqual(
    batches.counts().map(({ name, sent, failed }) => [name, sent, failed]),
    [
      ["n", 1, 0],
      ["other", 1, 0],
    ],
  );
});

test("several batches are on their way where the sink allows it", async () => {
  let most = 0;
  let now = 0;
  const sink: BatchSink<string> = {
    concurrency: 2,
    async send() {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
    },
    close() {},
  };
  const processor = createBatches().open(options({ batchMaxSize: 1 }), sink);
  for (let i = 0; i < 8; i++) processor.push("x", 1);
  await processor.close();
  assert.deepEqual([most, processor.sent], [2, 8]);
});

test("whatever becomes of batches, every entry is counted once and all memory is given back", async () => {
  const outcome = fc.constantFrom("taken", "failed", "in part", "refused");
  const settings = fc.record({
    batchMaxSize: fc.integer({ min: 1, max: 5 }),
    maxRetryCount: fc.integer({ min: 0, max: 2 }),
    maxPendingEntries: fc.integer({ min: 1, max: 20 }),
    maxPendingSize: fc.integer({ min: 1, max: 60 }),
  });
  const sizes = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(settings, sizes, fc.array(outcome, { minLength: 1 }), async (how, pushes, outcomes) => {
      const batches = createBatches(100);
      let sends = 0;
      const { sink } = recorder((entries) => {
        const result = outcomes[sends++ % outcomes.length];
        if (result === "failed") throw new Error("away");
        if (result === "in part") throw new BatchError("busy", entries.slice(1), 0);
        if (result === "refused") throw new BatchError("no", [], entries.length);
      });
      const processor = batches.open(options(how), { ...sink, concurrency: 2 });
      for (const [i, size] of pushes.entries()) {
        processor.push("x", size);
        assert.ok(processor.pending <= how.maxPendingEntries);
        if (i % 7 === 6) await new Promise((resolve) => setImmediate(resolve));
      }
      await processor.close();
      const { pending, sent, failed, overflowed } = processor;
      assert.deepEqual([pending, sent + failed + overflowed], [0, pushes.length]);
      // All of the common memory is free again.
      const probe = batches.open(options({ maxPendingSize: 1_000 }), recorder().sink);
      assert.equal(probe.push("x", 100), true);
      await probe.close();
    }),
    { numRuns: 50 },
  );
});
