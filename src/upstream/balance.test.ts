import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestContext } from "../plugin/context.ts";
import { ResponseTimes, LowestLatency } from "./ewma.ts";
import { createPicker, createRoundRobin } from "./picker.ts";
import { nodeAt } from "./testing.ts";
import type { NodeHealth, Picker, UpstreamNode } from "./upstream.ts";

const ctx = { uri: "" } as RequestContext;

const node = (port: number, weight = 1, priority = 0): UpstreamNode => nodeAt(port, { weight, priority });

function picks(picker: Picker, count: number): number[] {
  return Array.from({ length: count }, () => picker.pick([], ctx)!.port);
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
  assert.equal(createRoundRobin("none", [node(1, 0)]).pick([], ctx), null);
  assert.equal(createRoundRobin("empty", []).pick([], ctx), null);
});

test("a tried node is not picked again, unless the upstream has no other", () => {
  const one = createRoundRobin("tried/1", [node(1)]);
  assert.deepEqual(one.pick([node(1)], ctx), node(1));
  const idle = createRoundRobin("tried/idle", [node(1), node(2, 0)]);
  assert.equal(idle.pick([node(1)], ctx), null);
  const two = createRoundRobin("tried/2", [node(1), node(2)]);
  assert.equal(two.pick([node(1)], ctx)?.port, 2);
  assert.equal(two.pick([node(1), node(2)], ctx), null);
});

test("a lower priority is asked when the higher one has been tried", () => {
  const picker = createRoundRobin("priority", [node(1, 1, 0), node(2, 1, 10), node(3, 0, 20)]);
  assert.deepEqual(picks(picker, 3), [2, 2, 2]);
  assert.equal(picker.pick([node(2, 1, 10)], ctx)?.port, 1);
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
  const last = before.pick([], ctx)!.port;
  const after = createRoundRobin("grow", [node(1), node(2), node(3)]);
  const turn = picks(after, 3);
  assert.deepEqual(tally(turn), { 1: 1, 2: 1, 3: 1 });
  assert.notEqual(turn[0], last);
});

/** Health that a test decides. */
function judged(down: ReadonlySet<number>, port: number, priority = 0): UpstreamNode {
  const health: NodeHealth = {
    get usable() {
      return !down.has(port);
    },
    answered: () => undefined,
    connected: () => undefined,
    failed: () => undefined,
  };
  return { ...node(port, 1, priority), health };
}

const keyed = (uri: string): RequestContext => ({ uri }) as RequestContext;
const byUri = { type: "chash", keyOf: (request: RequestContext) => request.uri } as const;
const algorithms = [{ type: "roundrobin" }, { type: "least_conn" }, { type: "ewma" }, byUri] as const;

for (const balancing of algorithms) {
  const { type } = balancing;

  test(`${type}: unhealthy nodes are left out; where all are, health is not looked at`, () => {
    const down = new Set<number>();
    const nodes = [judged(down, 1), judged(down, 2), judged(down, 3)];
    const picker = createPicker(`${type}/health`, nodes, balancing);
    const seen = (): number[] => [
      ...new Set(Array.from({ length: 200 }, (_, i) => picker.pick([], keyed(`/${i}`))!.port)),
    ];
    assert.deepEqual(seen().sort(), [1, 2, 3]);
    down.add(2);
    assert.deepEqual(seen().sort(), [1, 3]);
    assert.equal(picker.pick([nodes[0]!, nodes[2]!], ctx), null, "a retry does not go to a node that is down");
    down.add(1).add(3);
    assert.deepEqual(seen().sort(), [1, 2, 3]);
    assert.notEqual(picker.pick([nodes[0]!, nodes[2]!], ctx), null);
    down.clear();
    assert.deepEqual(seen().sort(), [1, 2, 3]);
  });

  test(`${type}: a lower priority takes over where the higher one is down or tried`, () => {
    const down = new Set<number>();
    const picker = createPicker(`${type}/tiers`, [judged(down, 1, 5), judged(down, 2)], balancing);
    assert.equal(picker.pick([], ctx)?.port, 1);
    assert.equal(picker.pick([node(1)], ctx)?.port, 2);
    down.add(1);
    assert.equal(picker.pick([], ctx)?.port, 2);
    down.add(2);
    assert.equal(picker.pick([], ctx)?.port, 1);
  });

  test(`${type}: weight 0 is never picked; tried nodes are not picked again`, () => {
    const picker = createPicker(`${type}/zero`, [node(1), node(2, 0), node(3)], balancing);
    const seen = new Set(Array.from({ length: 100 }, (_, i) => picker.pick([], keyed(`/${i}`))!.port));
    assert.deepEqual([...seen].sort(), [1, 3]);
    assert.equal(picker.pick([node(1)], ctx)?.port, 3);
    assert.equal(picker.pick([node(1), node(3)], ctx), null);
  });
}

test("100,000 picks over weights 5:3:2 are within 0.5 % of them", () => {
  for (const balancing of [{ type: "roundrobin" }, byUri, { type: "least_conn" }] as const) {
    const picker = createPicker(`share/${balancing.type}`, [node(1, 5), node(2, 3), node(3, 2)], balancing);
    const counts: Record<number, number> = {};
    for (let i = 0; i < 100_000; i++) {
      const { port } = picker.pick([], keyed(`/key/${i}`))!;
      counts[port] = (counts[port] ?? 0) + 1;
    }
    // Without load least_conn prefers by weight alone; its share follows under load, below.
    if (balancing.type === "least_conn") continue;
    for (const [port, share] of [
      [1, 0.5],
      [2, 0.3],
      [3, 0.2],
    ] as const) {
      assert.ok(Math.abs(counts[port]! / 100_000 - share) <= 0.005, `${balancing.type} ${JSON.stringify(counts)}`);
    }
  }
});

test("chash: a key stays; a node that goes moves its own keys only, no more than 1.3/n", () => {
  for (const weights of [[1, 1, 1, 1, 1], [5, 3, 2, 1, 1], Array.from({ length: 20 }, () => 1)]) {
    const nodes = weights.map((weight, i) => node(i + 1, weight));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const before = createPicker("chash/a", nodes, byUri);
    const again = createPicker("chash/b", nodes.toReversed(), byUri);
    const keys = Array.from({ length: 20_000 }, (_, i) => keyed(`user-${i}`));
    const homes = keys.map((key) => before.pick([], key)!.port);
    assert.deepEqual(
      homes,
      keys.map((key) => again.pick([], key)!.port),
      "the order of nodes does not matter",
    );
    for (const gone of [0, nodes.length - 1]) {
      const after = createPicker("chash/c", nodes.toSpliced(gone, 1), byUri);
      let moved = 0;
      keys.forEach((key, i) => {
        const now = after.pick([], key)!.port;
        if (now === homes[i]) return;
        assert.equal(homes[i], gone + 1, "only keys of the node that went move");
        moved++;
      });
      assert.ok(moved / keys.length <= (1.3 * weights[gone]!) / total, `${moved} of ${keys.length} moved`);
    }
  }
});

test("least_conn: fewest requests under way by weight, taking turns among equals, kept across changes", () => {
  const nodes = [node(1), node(2), node(3, 2)];
  const picker = createPicker("least", nodes, { type: "least_conn" });
  const begin = (): UpstreamNode => {
    const chosen = picker.pick([], ctx)!;
    picker.feedback!.began(chosen);
    return chosen;
  };
  const open = Array.from({ length: 8 }, begin);
  assert.deepEqual(tally(open.map(({ port }) => port)), { 1: 2, 2: 2, 3: 4 });
  for (const held of open.filter(({ port }) => port === 1)) picker.feedback!.ended(held, 1, false);
  const after = createPicker("least", nodes, { type: "least_conn" });
  assert.equal(after.pick([], ctx)?.port, 1);
  const idle = createPicker("least/idle", [node(1), node(2)], { type: "least_conn" });
  const turn = Array.from({ length: 4 }, () => idle.pick([], ctx)!.port);
  assert.deepEqual(tally(turn), { 1: 2, 2: 2 });
});

test("least_conn and ewma shift traffic away from a slow node", () => {
  for (const type of ["least_conn", "ewma"] as const) {
    const [slow, fast] = [node(1), node(2)];
    const picker = createPicker(`slow/${type}`, [slow, fast], { type });
    const counts: Record<number, number> = { 1: 0, 2: 0 };
    // 8 at a time: a request to the slow node takes 20 rounds, to the fast one 1.
    let open: { chosen: UpstreamNode; left: number }[] = [];
    for (let round = 0; round < 2_000; round++) {
      while (open.length < 8) {
        const chosen = picker.pick([], ctx)!;
        picker.feedback!.began(chosen);
        counts[chosen.port]!++;
        open.push({ chosen, left: chosen === slow ? 20 : 1 });
      }
      for (const one of open) {
        if (--one.left === 0) picker.feedback!.ended(one.chosen, one.chosen === slow ? 200 : 10, false);
      }
      open = open.filter(({ left }) => left > 0);
    }
    assert.ok(counts[2]! > counts[1]! * 4, `${type}: ${JSON.stringify(counts)}`);
  }
});

test("ewma: a failure makes a node look slow, however quick it was; what was measured fades", () => {
  let now = 1;
  const times = new ResponseTimes(() => now);
  const [bad, good] = [node(1), node(2)];
  times.began(bad);
  times.ended(bad, 0.2, true);
  times.began(good);
  times.ended(good, 50, false);
  const strategy = new LowestLatency([bad, good], times);
  for (let i = 0; i < 50; i++) assert.equal(strategy.choose([], false), good);
  now += 60_000;
  times.began(good);
  times.ended(good, 50, false);
  assert.equal(strategy.choose([], false), bad, "it is tried again");
  times.retain([good]);
  assert.equal(times.expected(bad), 0);
});
