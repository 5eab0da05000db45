import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import { NOT_COUNTED, NOT_HELD, Outcome } from "../lib/count-outcome.ts";
import { COUNTER_CAPACITY } from "./counter-slots.ts";
import { CounterTable } from "./counter-table.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";

const SECOND = 1_000_000;
const a = fingerprintOf("a");
const b = fingerprintOf("b");
const oneMore = (value: number): number => value + 1;

/** Counts one more, at most `limit`. */
const upTo = (limit: number) => (value: number) => (value < limit ? value + 1 : -1);

test("a count holds for its time and begins anew behind it", () => {
  const table = new CounterTable();
  assert.equal(table.update(a, 100, SECOND, false, upTo(2)), Outcome.changed);
  assert.deepEqual([table.value, table.expires], [1, 100 + SECOND]);
  assert.equal(table.update(a, SECOND, SECOND, false, upTo(2)), Outcome.changed);
  assert.deepEqual([table.value, table.expires], [2, 100 + SECOND]);
  assert.equal(table.update(a, 99 + SECOND, SECOND, false, upTo(2)), Outcome.kept);
  assert.equal(table.peek(a, 99 + SECOND), 2);
  assert.equal(table.peek(b, 0), 0);
  assert.equal(table.peek(a, 100 + SECOND), 0);
  assert.equal(table.update(a, 100 + SECOND, SECOND, false, upTo(2)), Outcome.changed);
  assert.deepEqual([table.value, table.expires], [1, 100 + 2 * SECOND]);
});

test("a time that is extended begins anew with each change", () => {
  const table = new CounterTable();
  for (let now = 0; now < 10 * SECOND; now += SECOND - 1) table.update(a, now, SECOND, true, oneMore);
  assert.equal(table.value, 11);
  assert.equal(table.peek(a, 13 * SECOND), 0);
});

test("values of 53 bits are kept", () => {
  const table = new CounterTable();
  table.update(a, 0, SECOND, false, () => Number.MAX_SAFE_INTEGER);
  assert.equal(table.peek(a, 1), Number.MAX_SAFE_INTEGER);
});

test("holders are counted up to the limit and given back", () => {
  const table = new CounterTable();
  const first = table.hold(a, 2);
  const second = table.hold(a, 2);
  assert.equal(table.value, 2);
  assert.equal(table.hold(a, 2), NOT_HELD);
  table.giveBack(first);
  assert.ok(table.hold(a, 2) >= 0);
  table.giveBack(second);
  assert.ok(table.hold(b, 1) >= 0);
  assert.equal(table.hold(a, 1), NOT_HELD);
});

test("what a thread held when it ended is given back, and nobody else's", () => {
  const { memory } = new CounterTable();
  const dying = new CounterTable(memory, 7);
  const other = new CounterTable(memory, 8);
  for (const key of [a, a, a, b]) assert.ok(dying.hold(key, 10) >= 0);
  const kept = other.hold(a, 10);
  assert.equal(other.value, 4);
  new CounterTable(memory).forget(7);
  assert.ok(other.hold(a, 10) >= 0);
  assert.equal(other.value, 2);
  other.giveBack(kept);
  assert.ok(dying.hold(b, 1) >= 0, "all of it");
});

/** A key of the bucket of the others, for each number. */
const inOneBucket = (number: number): Fingerprint => [99, number, number, 1];

test("a full bucket counts no new key, loses none, and has room again when one expires", () => {
  const table = new CounterTable();
  for (let i = 0; i < 64; i++) {
    assert.equal(table.update(inOneBucket(i), 0, (i + 1) * SECOND, false, oneMore), Outcome.changed);
  }
  assert.equal(table.update(inOneBucket(64), 0, SECOND, false, oneMore), Outcome.full);
  assert.equal(table.hold(inOneBucket(65), 1), NOT_COUNTED);
  for (let i = 0; i < 64; i++) assert.equal(table.peek(inOneBucket(i), 0), 1);
  assert.equal(table.update(inOneBucket(64), SECOND, 9 * SECOND, false, oneMore), Outcome.changed);
  assert.deepEqual([table.value, table.peek(inOneBucket(0), SECOND), table.peek(inOneBucket(1), SECOND)], [1, 0, 1]);
  assert.equal(table.update(inOneBucket(66), SECOND, SECOND, false, oneMore), Outcome.full);
});

test("half the capacity fits", () => {
  const table = new CounterTable();
  for (let i = 0; i < COUNTER_CAPACITY / 2; i++) {
    const key: Fingerprint = [Math.imul(i + 3, 0x9e3779b1) | 4, i, 0, 0];
    assert.equal(table.update(key, 0, SECOND, false, oneMore), Outcome.changed);
  }
});

test("a thread that ended while it took a slot over leaves no lock behind", async (t) => {
  const table = new CounterTable(undefined, 4);
  const worker = new Worker(
    `const { workerData: memory, parentPort } = require("node:worker_threads");
     import(${JSON.stringify(new URL("./counter-table.ts", import.meta.url).href)}).then(({ CounterTable }) => {
       const key = [99, 5, 5];
       // Read with the lock held, and never answered.
       Object.defineProperty(key, 3, { get: () => {
         parentPort.postMessage("holds it");
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
       } });
       new CounterTable(memory, 3).update(key, 0, 1e6, false, (value) => value + 1);
     });`,
    { eval: true, workerData: table.memory },
  );
  t.after(() => worker.terminate());
  await once(worker, "message");
  assert.equal(table.update(inOneBucket(0), 0, SECOND, false, oneMore), Outcome.full, "locked");
  await worker.terminate();
  table.forget(3);
  for (let i = 0; i < 64; i++) {
    assert.equal(table.update(inOneBucket(i), 0, SECOND, false, oneMore), Outcome.changed);
  }
});

test("counts are those of a plain map with times, whatever the order", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 40 }),
    wait: fc.integer({ min: 0, max: 3 }),
    ttl: fc.integer({ min: 1, max: 20 }),
    limit: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new CounterTable();
      const model = new Map<number, { value: number; expires: number }>();
      let now = 0;
      for (const { key, wait, ttl, limit } of steps) {
        now += wait;
        const held = model.get(key);
        const entry = held === undefined || held.expires <= now ? { value: 0, expires: now + ttl } : held;
        model.set(key, entry);
        const outcome = table.update(inOneBucket(key), now, ttl, false, upTo(limit));
        assert.equal(outcome, entry.value < limit ? Outcome.changed : Outcome.kept);
        if (entry.value < limit) entry.value++;
        assert.deepEqual({ value: table.value, expires: table.expires }, entry);
      }
    }),
    { numRuns: 50 },
  );
});

/** Runs `body` (an expression with `table`, `keys` and `i`) `rounds` times in each of several threads; resolves with what they return. */
async function inThreads(t: TestContext, memory: SharedArrayBuffer, count: number, body: string): Promise<number[]> {
  const imports = ["counter-table", "fingerprint"].map((file) =>
    JSON.stringify(new URL(`./${file}.ts`, import.meta.url).href),
  );
  const code = `
    const { workerData: { memory, holder, gate }, parentPort } = require("node:worker_threads");
    Promise.all([${imports.map((file) => `import(${file})`).join(", ")}]).then(([{ CounterTable }, { fingerprintOf }]) => {
      const table = new CounterTable(memory, holder);
      const keys = Array.from({ length: 50 }, (_, i) => fingerprintOf("key" + i));
      Atomics.add(gate, 0, 1);
      while (Atomics.load(gate, 0) < ${count}) Atomics.wait(gate, 0, Atomics.load(gate, 0), 1);
      let result = 0;
      ${body}
      parentPort.postMessage(result);
    });`;
  const gate = new Int32Array(new SharedArrayBuffer(4));
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const worker = new Worker(code, { eval: true, workerData: { memory, holder: index + 1, gate } });
      t.after(() => worker.terminate());
      const [result] = (await once(worker, "message")) as [number];
      return result;
    }),
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

test("several threads on the same keys: exactly the limit passes", async (t) => {
  const table = new CounterTable();
  const passed = await inThreads(
    t,
    table.memory,
    4,
    `for (let i = 0; i < 20_000; i++) {
       const outcome = table.update(keys[i % 50], 0, 1e12, false, (value) => (value < 1_000 ? value + 1 : -1));
       if (outcome === 1) result++;
       if (outcome === -1) result = NaN;
     }`,
  );
  assert.equal(sum(passed), 50 * 1_000);
  for (let i = 0; i < 50; i++) assert.equal(table.peek(fingerprintOf(`key${i}`), 1), 1_000);
});

test("several threads over windows that end all the time: exactly the limit passes in each", async (t) => {
  const table = new CounterTable();
  // Time is what has passed: each count moves it on, so the threads agree on it.
  const passed = await inThreads(
    t,
    table.memory,
    4,
    `for (let i = 0; i < 5_000; i++) {
       table.update(keys[0], 0, 1e12, false, (value) => value + 1);
       const now = 10 * Math.trunc(table.value / 100);
       const key = fingerprintOf("window" + now);
       if (table.update(key, now, 10, false, (value) => (value < 7 ? value + 1 : -1)) === 1) result++;
     }`,
  );
  assert.equal(table.peek(fingerprintOf("key0"), 0), 20_000);
  const windows = 20_000 / 100;
  // 99 counts in the first window, 1 in the last.
  assert.equal(sum(passed), windows * 7 + 1);
});

test("several threads that hold and give back: never above the limit, nothing left in the end", async (t) => {
  const table = new CounterTable();
  const above = await inThreads(
    t,
    table.memory,
    4,
    `for (let i = 0; i < 10_000; i++) {
       const hold = table.hold(keys[i % 3], 3);
       if (table.value > 3) result++;
       if (hold >= 0) table.giveBack(hold);
     }`,
  );
  assert.equal(sum(above), 0);
  for (let i = 0; i < 3; i++) {
    assert.ok(table.hold(fingerprintOf(`key${i}`), 1) >= 0);
    assert.equal(table.value, 1);
  }
});
