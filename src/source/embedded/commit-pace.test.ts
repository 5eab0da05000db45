import assert from "node:assert/strict";
import { test } from "node:test";
import { CommitPace } from "./commit-pace.ts";

/** Writers that write again `thinkMs` after each answer, for ten seconds; how many writes. */
function closedLoop(writers: number, thinkMs: number): number {
  const pace = new CommitPace();
  let writes = 0;
  for (let now = 0; now < 10_000;) {
    const wait = pace.arrived(now);
    for (let other = 1; other < writers; other++) pace.arrived(now + other * 0.1);
    now += Math.max(wait, writers * 0.1) + 1;
    pace.committed(now);
    writes += writers;
    now += thinkMs;
  }
  return writes;
}

/** A write each `intervalMs`, whatever becomes of it, for a second; how many commits. */
function openLoop(intervalMs: number): number {
  const pace = new CommitPace();
  let commits = 0;
  let dueAt = Infinity;
  for (let now = 0; now < 1_000; now++) {
    if (now % intervalMs === 0) {
      const wait = pace.arrived(now);
      if (dueAt === Infinity) dueAt = now + wait;
    }
    if (now < dueAt) continue;
    commits++;
    pace.committed(now);
    dueAt = Infinity;
  }
  return commits;
}

test("a write after a pause does not wait; one that follows a commit closely does", () => {
  const pace = new CommitPace();
  assert.equal(pace.arrived(1_000), 0);
  pace.committed(1_001);
  assert.equal(pace.arrived(1_006), 10);
  assert.equal(pace.arrived(1_012), 10);
  pace.committed(1_016);
  assert.equal(pace.arrived(1_040), 0);
});

test("writers that wait for their answers are hardly slowed down", () => {
  assert.ok(closedLoop(1, 1) > 0.9 * (10_000 / 2.1), `${closedLoop(1, 1)} of one writer`);
  assert.ok(closedLoop(8, 1) > 0.9 * 8 * (10_000 / 2.8), `${closedLoop(8, 1)} of eight writers`);
});

test("writers that do not wait for each other share their commits for as long as they write", () => {
  assert.ok(openLoop(5) < 80, `${openLoop(5)} commits of 200 writes`);
  assert.equal(openLoop(20), 50);
});
