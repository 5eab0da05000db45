import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import type { FleetNode, FleetReport } from "../messages/messages.ts";
import { createNodeDivergenceWatch, findNodeDivergence } from "./fleet-divergence.ts";
import { ask, boardOf, reportOf, startFixture, type Fixture } from "./test-fixture.ts";

const zero = "0".repeat(16);
const one = "1".repeat(16);

function node(id: string, revision: number, more: Partial<FleetNode> = {}): FleetNode {
  return {
    id,
    name: `host-${id}`,
    version: "1",
    role: "data_plane",
    revision,
    hash: zero,
    ready: revision > 0,
    startedAt: 0,
    rejected: [],
    rejectedCount: 0,
    ...more,
  };
}

function fleetOf(revision: number, changedAt: number, others: readonly FleetNode[]): FleetReport {
  return { id: "self", others, revision, changedAt, error: null };
}

async function waitersOf(fixture: Fixture, count: number): Promise<void> {
  while (fixture.waiting < count) await new Promise(setImmediate);
}

test("without etcd the fleet is this node", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 5));
  const { json } = await ask(fixture, "/status/fleet");
  assert.equal(json["count"], 1);
  const [self] = json["nodes"] as Record<string, unknown>[];
  assert.deepEqual(
    [self?.["id"], self?.["self"], self?.["revision"], self?.["ready"], self?.["hash"]],
    [hostname(), true, 5, true, zero],
  );
  assert.equal((await ask(fixture, "/status/fleet?revision=5")).status, 200);
});

test("the fleet's barrier ends when the last node tells of the revision", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 5));
  fixture.fleet = fleetOf(5, 5, [node("a", 5), node("b", 3)]);
  const reply = ask(fixture, "/status/fleet?revision=5");
  await waitersOf(fixture, 1);
  fixture.watch.refresh();
  assert.equal(fixture.waiting, 1);
  fixture.fleet = fleetOf(5, 5, [node("a", 5), node("b", 5)]);
  fixture.watch.refresh();
  assert.deepEqual([(await reply).status, (await reply).json["nodes"]], [200, 3]);
});

test("nodes need not tell of revisions that changed nothing", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 9));
  fixture.fleet = fleetOf(9, 5, [node("a", 5), node("b", 7)]);
  assert.equal((await ask(fixture, "/status/fleet?revision=9")).status, 200);
  // Not known yet: something may have changed at 10.
  fixture.report = reportOf(10);
  fixture.board.record(0).acknowledge(10, 0n, 0);
  assert.equal((await ask(fixture, "/status/fleet?revision=10&timeout=10ms")).status, 503);
});

test("laggards, nodes that cannot be seen and rejections of other nodes are named", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 5));
  fixture.fleet = fleetOf(5, 5, [node("a", 4), node("b", 0)]);
  const late = await ask(fixture, "/status/fleet?revision=5&timeout=10ms");
  assert.equal(late.status, 503);
  assert.equal(late.json["error"], "revision 5 is not applied by node: host-a (a), host-b (b)");
  assert.deepEqual(late.json["nodes"], [
    { id: "a", name: "host-a", revision: 4, ready: true },
    { id: "b", name: "host-b", revision: 0, ready: false },
  ]);

  fixture.fleet = { ...fleetOf(5, 5, [node("a", 5)]), error: "etcd: away" };
  const unseen = await ask(fixture, "/status/fleet?revision=5&timeout=10ms");
  assert.equal(unseen.json["error"], "the other nodes cannot be seen: etcd: away");

  const rejected = [{ kind: "routes", id: "1", error: "bad", revision: 5 }];
  fixture.fleet = fleetOf(5, 5, [node("a", 5, { rejected, rejectedCount: 1 })]);
  const refused = await ask(fixture, "/status/fleet?revision=5");
  assert.equal(refused.status, 409);
  assert.equal(refused.json["error"], "rejected by node host-a (a): routes/1: bad");
  assert.equal((await ask(fixture, "/status/fleet?revision=5&rejected=ignore")).status, 200);
  assert.equal((await ask(fixture, "/status/fleet?revision=4")).status, 200, "it was rejected later");
});

test("nodes that serve the same revision with different content are found, once it lasts", () => {
  const board = boardOf(1, 9);
  const fleet = fleetOf(9, 5, [node("a", 5), node("b", 7, { hash: one }), node("c", 3, { hash: one })]);
  const found = findNodeDivergence(fleet, board);
  assert.deepEqual(found, [{ node: "b", revision: 5, hash: one, expected: zero }]);
  const watch = createNodeDivergenceWatch();
  assert.deepEqual(watch.look(found, 0), { all: [], fresh: [] });
  assert.deepEqual(watch.look(found, 6_000), { all: found, fresh: found });
  assert.deepEqual(watch.look(found, 7_000), { all: found, fresh: [] });
  assert.deepEqual(watch.look([], 8_000), { all: [], fresh: [] });
  assert.deepEqual(watch.look(found, 9_000), { all: [], fresh: [] });
});

test("details of the fleet are for those who may read them", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1), { allowDetails: [] });
  for (const path of ["/status/fleet", "/status/fleet?revision=1"])
    assert.equal((await ask(fixture, path)).status, 403);
});
