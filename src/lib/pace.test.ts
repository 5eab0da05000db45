import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace.ts";

/** Writers that write again `thinkMs` after each answer, for ten seconds; how many writes. */
function closedLoop(writers: number, thinkMs: number): number {
  const pace = new Pace(15);
  let writes = 0;
  for (let now = 0; now < 10_000;) {
    const wait = pace.arrived(now);
    for (let other = 1; other < writers; other++) pace.arrived(now + other * 0.1);
    now += Math.max(wait, writers * 0.1) + 1;
    pace.done(now);
    writes += writers;
    now += thinkMs;
  }
  return writes;
}

/** A write each `intervalMs`, whatever becomes of it, for a second; how many times. */
function openLoop(intervalMs: number): number {
  const pace = new Pace(15);
  let times = 0;
  let dueAt = Infinity;
  for (let now = 0; now < 1_000; now++) {
    if (now % intervalMs === 0) {
      const wait = pace.arrived(now);
      if (dueAt === Infinity) dueAt = now + wait;
    }
    if (now < dueAt) continue;
    times++;
    pace.done(now);
    dueAt = Infinity;
  }
  return times;
}

test("what comes after a pause does not wait; what follows the last time closely does", () => {
  const pace = new Pace(15);
  assert.equal(pace.arrived(1_000), 0);
  pace.done(1_001);
  assert.equal(pace.arrived(1_006), 10);
  assert.equal(pace.arrived(1_012), 10);
  pace.done(1_016);
  assert.equal(pace.arrived(1_040), 0);
});

test("writers that wait for their answers are hardly slowed down", () => {
  assert.ok(closedLoop(1, 1) > 0.98 * (10_000 / 2.1), `${closedLoop(1, 1)} of one writer`);
  assert.ok(closedLoop(8, 1) > 0.98 * 8 * (10_000 / 2.8), `${closedLoop(8, 1)} of eight writers`);
});

test("writers that do not wait for each other are dealt with together for as long as they write", () => {
  assert.ok(openLoop(5) < 80, `${openLoop(5)} times for 200 writes`);
  assert.equal(openLoop(20), 50);
});
