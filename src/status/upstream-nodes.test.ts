import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckedNodes } from "../messages/messages.ts";
import { healthKey } from "../upstream/health.ts";
import { ask, boardOf, type Fixture, reportOf, startFixture } from "./test-fixture.ts";

/** Waits until the journal tells of `count` turns of health, and returns them. */
async function untilTurns({ journal, watch }: Fixture, count: number): Promise<unknown[]> {
  for (;;) {
    const turns = journal
      .after(0)
      .flatMap((record) => (record.type === "node-health" ? [[record.node, record.healthy]] : []));
    if (turns.length >= count) return turns;
    await new Promise<void>((resolve) => {
      const stop = watch.onChange(() => {
        stop();
        resolve();
      });
    });
  }
}

test("health comes from the board: unhealthy nodes first, and their turns are told", async (t) => {
  const board = boardOf(1, 1);
  const fixture = await startFixture(t, board);
  const key = "upstreams/1";
  const nodes = ["a:1", "b:2", "c:3"].map((address) => ({
    address,
    name: address.split(":")[0] ?? "",
    place: board.health.claim(healthKey(key, address)),
  }));
  fixture.checked = { upstreams: [{ key, probe: "http", nodes }], unlisted: 4 } satisfies CheckedNodes;
  board.health.update(nodes[1]?.place ?? -1, () => ({ counts: 2 << 16, healthy: false }));
  const { json } = await ask(fixture, "/status/upstreams");
  assert.deepEqual([json["count"], json["unhealthy"], json["unlisted"]], [3, 1, 4]);
  const rows = json["nodes"] as Record<string, unknown>[];
  assert.deepEqual(
    rows.map(({ node, status }) => [node, status]),
    [
      ["b:2", "unhealthy"],
      ["a:1", "healthy"],
      ["c:3", "healthy"],
    ],
  );
  assert.deepEqual(rows[0]?.["counter"], { success: 0, http_failure: 0, tcp_failure: 2, timeout_failure: 0 });
  // What was given back belongs to nobody, or to somebody else.
  board.health.release(nodes[2]?.place ?? -1);
  assert.equal((await ask(fixture, "/status/upstreams")).json["count"], 2);
  await untilTurns(fixture, 1);
  board.health.update(nodes[1]?.place ?? -1, () => ({ counts: 0, healthy: true }));
  assert.deepEqual(await untilTurns(fixture, 2), [
    ["b:2", false],
    ["b:2", true],
  ]);
});

test("what is rejected, and what no longer is, is told; a mass of it in few words", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const rejected = Array.from({ length: 8 }, (_, i) => ({
    kind: "routes",
    id: `r${i}`,
    field: "uri",
    error: "bad",
    since: 1,
    revision: 1,
    serving: "nothing" as const,
  }));
  const told = (): string[] =>
    fixture.journal
      .after(0)
      .flatMap((record) =>
        record.type === "rejected" || record.type === "accepted"
          ? [`${record.type} ${record.resource} +${record.more}`]
          : [],
      );
  fixture.report = reportOf(1, { changes: 1, rejected });
  fixture.watch.refresh();
  fixture.watch.refresh();
  const first = [0, 1, 2, 3].map((i) => `rejected routes/r${i} +0`);
  assert.deepEqual(told(), [...first, "rejected routes/r4 +3"]);
  // A control thread that was just started knows of none yet; then one is mended, one fails otherwise.
  fixture.report = reportOf(1, { rejected: [] });
  fixture.watch.refresh();
  const [, second, ...others] = rejected;
  fixture.report = reportOf(2, {
    changes: 1,
    rejected: [...(second ? [{ ...second, error: "worse" }] : []), ...others],
  });
  fixture.watch.refresh();
  assert.deepEqual(told().slice(5), ["rejected routes/r1 +0", "accepted routes/r0 +0"]);
});
