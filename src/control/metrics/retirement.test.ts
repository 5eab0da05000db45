import assert from "node:assert/strict";
import { test } from "node:test";
import { PRESSURE_IDLE_MS, RetirementWatch, type RetirementRules, ROUTE_GRACE_MS } from "./retirement.ts";

const totals = (rows: Readonly<Record<string, number>>): Map<string, Float64Array> =>
  new Map(Object.entries(rows).map(([text, value]) => [text, Float64Array.of(value)]));
const rules: RetirementRules = { expireMs: 0, hasRoute: () => true, fullness: 0 };

/** Looks at these counts at these times, and says what went at the last. */
function after(
  steps: readonly [ms: number, rows: Readonly<Record<string, number>>, more?: Partial<RetirementRules>][],
) {
  const watch = new RetirementWatch();
  let gone: ReadonlySet<string> = new Set();
  for (const [ms, rows, more] of steps) gone = watch.look(totals(rows), { ...rules, ...more }, ms);
  return [...gone];
}

const series = "r1\u0000GET";
const overflow = "*\u0000overflow";
const without = { hasRoute: () => false };

test("a series stays for ever while its route is there", () => {
  assert.deepEqual(
    after([
      [0, { [series]: 1 }],
      [1e12, { [series]: 1 }],
    ]),
    [],
  );
});

test("it goes a while after its route, and after the last count", () => {
  assert.deepEqual(
    after([
      [0, { [series]: 1 }, without],
      [ROUTE_GRACE_MS - 1, { [series]: 1 }, without],
    ]),
    [],
  );
  assert.deepEqual(
    after([
      [0, { [series]: 1 }, without],
      [ROUTE_GRACE_MS, { [series]: 1 }, without],
    ]),
    [series],
  );
  assert.deepEqual(
    after([
      [0, { [series]: 1 }, without],
      [ROUTE_GRACE_MS, { [series]: 2 }, without],
    ]),
    [],
  );
  // It came back in between, or nobody knows.
  const back: [number, Record<string, number>][] = [[5, { [series]: 1 }]];
  const end: [number, Record<string, number>, object] = [ROUTE_GRACE_MS, { [series]: 1 }, without];
  assert.deepEqual(after([[0, { [series]: 1 }, without], ...back, end]), []);
  assert.deepEqual(
    after([
      [0, { [series]: 1 }, { hasRoute: null }],
      [1e12, { [series]: 1 }, { hasRoute: null }],
    ]),
    [],
  );
});

test("it expires where the settings say so", () => {
  const expire = { expireMs: 1_000 };
  const steps = (last: number): [number, Record<string, number>, object][] => [
    [0, { [series]: 1 }, expire],
    [500, { [series]: last }, expire],
    [1_000, { [series]: last }, expire],
  ];
  assert.deepEqual(after(steps(1)), [series]);
  assert.deepEqual(after(steps(2)), []);
});

test("where hardly a place is left what is idle makes room, but never what stands for the rest", () => {
  const full = { fullness: 0.95 };
  const rows = { [series]: 1, [overflow]: 1 };
  assert.deepEqual(
    after([
      [0, rows, full],
      [PRESSURE_IDLE_MS - 1, rows, full],
    ]),
    [],
  );
  assert.deepEqual(
    after([
      [0, rows, full],
      [PRESSURE_IDLE_MS, rows, full],
    ]),
    [series],
  );
});
