import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { times } from "./support/extent.ts";
import { makePrefix, routeTo, runIn, startGateway, type Answer, type Gateway } from "./support/gateway.ts";
import { burst } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// "My change is live": a write through the Admin API, awaited by its revision, is what every connection sees.

const WRITES = times(1_000, 150);

/** The revision that a write was answered with. */
function revisionOf(answer: Answer): number {
  assert.ok(answer.status === 200 || answer.status === 201, answer.text);
  return Number(answer.headers.get("x-turnpike-revision"));
}

test(`${WRITES} writes, each awaited by the barrier, each seen by 20 connections`, async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 2, provider: "embedded" });
  await gateway.until(200);
  for (let version = 1; version <= WRITES; version++) {
    const plugins = { "proxy-rewrite": { uri: `/v${version}` } };
    const written = await gateway.admin("PUT", "/routes/live", routeTo(origin.node, "/live", { plugins }));
    const live = await gateway.applied(revisionOf(written));
    assert.equal(live.status, 200, live.text);
    assert.deepEqual(await burst(gateway.httpPort, 20, "/live"), { [`200 origin GET /v${version}`]: 20 });
  }
});

test("every kind of write has a revision of its own, deletes too", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 2, provider: "embedded" });
  await gateway.until(200);
  const route = routeTo(origin.node, "/a");
  const revisions = [
    revisionOf(await gateway.admin("PUT", "/routes/1", route)),
    revisionOf(await gateway.admin("PATCH", "/routes/1", { desc: "patched" })),
    revisionOf(await gateway.admin("PATCH", "/routes/1/uri", JSON.stringify("/b"))),
    revisionOf(await gateway.admin("POST", "/routes", route)),
    revisionOf(await gateway.admin("DELETE", "/routes/1")),
  ];
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((a, b) => a - b),
  );
  assert.equal((await gateway.applied(revisions.at(-1) ?? 0)).status, 200);
  assert.deepEqual(await burst(gateway.httpPort, 10, "/a"), { "200 origin GET /a": 10 });
  assert.equal((await gateway.get("/b")).status, 404);
});

test("a route that this node cannot serve is stored, rejected with its reason, and the last one goes on serving", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 2, provider: "embedded" });
  await gateway.until(200);
  await gateway.applied(revisionOf(await gateway.admin("PUT", "/routes/1", routeTo(origin.node, "/a"))));
  const script = {
    uri: "/a",
    script: "return { access = 1 }",
    upstream: { type: "roundrobin", nodes: { [origin.node]: 1 } },
  };
  const written = await gateway.admin("PUT", "/routes/1", script);
  const revision = revisionOf(written);
  assert.match(written.headers.get("x-turnpike-rejected") ?? "", /script/);
  const barrier = await gateway.applied(revision);
  assert.equal(barrier.status, 409);
  assert.match(barrier.text, /routes\/1/);
  const { rejected } = (await gateway.status("/status/config")).json() as { rejected: Record<string, unknown>[] };
  assert.deepEqual(
    rejected.map(({ kind, id, field, serving }) => ({ kind, id, field, serving })),
    [{ kind: "routes", id: "1", field: "script", serving: "previous" }],
  );
  assert.equal((await gateway.status("/status/ready")).status, 200);
  assert.deepEqual(await burst(gateway.httpPort, 10, "/a"), { "200 origin GET /a": 10 });
  await gateway.applied(revisionOf(await gateway.admin("PUT", "/routes/1", routeTo(origin.node, "/a"))));
  assert.deepEqual((await gateway.status("/status/config")).json().rejected, []);
});

test("a restart finds everything that was written, and goes on counting", async (t) => {
  const origin = await startOrigin(t);
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports, { provider: "embedded" });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const first = runIn(prefix, ports);
  await first.until(200);
  const revision = revisionOf(await first.admin("PUT", "/routes/1", routeTo(origin.node, "/kept")));
  first.child.kill("SIGTERM");
  assert.equal(await first.exited, 0);
  const second = runIn(prefix, ports);
  t.after(() => second.child.kill("SIGKILL"));
  await second.until(200);
  assert.equal(await second.revision(), revision);
  assert.deepEqual(await burst(second.httpPort, 10, "/kept"), { "200 origin GET /kept": 10 });
  assert.ok(revisionOf(await second.admin("DELETE", "/routes/1")) > revision);
});

/** Writes routes as fast as they are answered, and kills the gateway in the middle; what was acknowledged. */
async function writeUntilKilled(gateway: Gateway, round: number): Promise<string[]> {
  const acknowledged: string[] = [];
  const writer = async (lane: number): Promise<void> => {
    for (let count = 0; ; count++) {
      const id = `${round}-${lane}-${count}`;
      const answer = await gateway.admin("PUT", `/routes/${id}`, routeTo("127.0.0.1:9", `/${id}`)).catch(() => null);
      if (answer === null) return;
      assert.equal(answer.status, 201, answer.text);
      acknowledged.push(id);
      // The other writes are somewhere between being sent and being answered.
      if (acknowledged.length === 10 + 7 * round) gateway.child.kill("SIGKILL");
    }
  };
  await Promise.all([0, 1, 2, 3].map((lane) => writer(lane)));
  await gateway.exited;
  return acknowledged;
}

test("kill -9 of the gateway during writes: what was answered is there", async (t) => {
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports, { provider: "embedded", workers: 1 });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const acknowledged: string[] = [];
  for (let round = 0; round < 5; round++) {
    const gateway = runIn(prefix, ports);
    await gateway.until(200);
    acknowledged.push(...(await writeUntilKilled(gateway, round)));
  }
  const database = new DatabaseSync(join(prefix, "data", "turnpike.db"), { readOnly: true });
  t.after(() => database.close());
  assert.deepEqual(
    database
      .prepare("PRAGMA integrity_check")
      .all()
      .map((row) => ({ ...row })),
    [{ integrity_check: "ok" }],
  );
  const gateway = runIn(prefix, ports);
  t.after(() => gateway.child.kill("SIGKILL"));
  await gateway.until(200);
  const { list } = (await gateway.admin("GET", "/routes")).json() as { list: { value: { id: string } }[] };
  const stored = new Set(list.map(({ value }) => value.id));
  assert.deepEqual(
    acknowledged.filter((id) => !stored.has(id)),
    [],
  );
});
