import assert from "node:assert/strict";
import { test } from "node:test";
import { createRoundRobin } from "./round-robin.ts";
import type { Picker, UpstreamNode } from "./upstream.ts";

function node(port: number, weight = 1, priority = 0): UpstreamNode {
  const address = `127.0.0.1:${port}`;
  return { host: "127.0.0.1", port, weight, priority, address, hostHeader: address };
}

function picks(picker: Picker, count: number): number[] {
  return Array.from({ length: count }, () => picker.pick([])!.port);
}

function tally(ports: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const port of ports) counts[port] = (counts[port] ?? 0) + 1;
  return counts;
}

test("every full turn is exact, wherever it starts", () => {
  for (let run = 0; run < 50; run++) {
    const picker = createRoundRobin(`exact/${run}`, [node(1, 5), node(2, 3), node(3, 2)]);
    for (let turn = 0; turn < 3; turn++) assert.deepEqual(tally(picks(picker, 10)), { 1: 5, 2: 3, 3: 2 });
  }
});

test("equal weights alternate strictly and begin at different nodes", () => {
  const firsts = new Set<number>();
  for (let run = 0; run < 100; run++) {
    const [a, b, c, d] = picks(createRoundRobin(`first/${run}`, [node(1), node(2)]), 4);
    assert.notEqual(a, b);
    assert.deepEqual([a, b], [c, d]);
    firsts.add(a!);
  }
  assert.equal(firsts.size, 2);
});

test("weight 0 is never picked, not even alone", () => {
  assert.deepEqual(tally(picks(createRoundRobin("zero", [node(1), node(2, 0), node(3)]), 12)), { 1: 6, 3: 6 });
  assert.equal(createRoundRobin("none", [node(1, 0)]).pick([]), null);
  assert.equal(createRoundRobin("empty", []).pick([]), null);
});

test("a tried node is not picked again", () => {
  const one = createRoundRobin("tried/1", [node(1)]);
  assert.equal(one.pick([node(1)]), null);
  const two = createRoundRobin("tried/2", [node(1), node(2)]);
  assert.equal(two.pick([node(1)])?.port, 2);
  assert.equal(two.pick([node(1), node(2)]), null);
});

test("a lower priority is asked when the higher one has been tried", () => {
  const picker = createRoundRobin("priority", [node(1, 1, 0), node(2, 1, 10), node(3, 0, 20)]);
  assert.deepEqual(picks(picker, 3), [2, 2, 2]);
  assert.equal(picker.pick([node(2, 1, 10)])?.port, 1);
});

test("the turn goes on across changes of the configuration", () => {
  const nodes = [node(1), node(2)];
  const order: number[] = [];
  const kept: Picker[] = [];
  for (let i = 0; i < 6; i++) {
    const picker = createRoundRobin("change", nodes);
    kept.push(picker);
    order.push(...picks(picker, 1));
  }
  assert.deepEqual(order, order[0] === 1 ? [1, 2, 1, 2, 1, 2] : [2, 1, 2, 1, 2, 1]);
});

test("a change of nodes keeps the turn of those that stay", () => {
  const before = createRoundRobin("grow", [node(1), node(2)]);
  const last = before.pick([])!.port;
  const after = createRoundRobin("grow", [node(1), node(2), node(3)]);
  const turn = picks(after, 3);
  assert.deepEqual(tally(turn), { 1: 1, 2: 1, 3: 1 });
  assert.notEqual(turn[0], last);
});
