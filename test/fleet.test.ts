import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Etcd, startEtcd } from "./support/etcd.ts";
import { type Gateway, type GatewayOptions, routeTo, startGateway, turnpike } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";

interface Node {
  readonly id: string;
  readonly self: boolean;
  readonly revision: number;
  readonly hash: string;
  readonly ready: boolean;
  readonly started_at: string;
}

async function nodesOf(gateway: Gateway): Promise<readonly Node[]> {
  return (await gateway.status("/status/fleet")).json().nodes as Node[];
}

/** Resolves when the gateway sees so many nodes, all of them ready. */
async function untilNodes(gateway: Gateway, count: number): Promise<readonly Node[]> {
  for (;;) {
    const nodes = await nodesOf(gateway);
    if (nodes.length === count && nodes.every(({ ready }) => ready)) return nodes;
    await sleep(20);
  }
}

async function startNode(t: TestContext, etcd: Etcd, id: string, options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(t, {
    provider: { etcd: { host: etcd.hosts } },
    workers: 1,
    config: { apisix: { id } },
    ...options,
  });
  await gateway.until(200);
  return gateway;
}

/** Runs the command to its end. */
async function command(gateway: Gateway, ...args: string[]): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    execFile(turnpike, [...args, "-p", gateway.prefix], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

test("two nodes on one etcd: the fleet's barrier returns only when both serve the revision", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  const a = await startNode(t, etcd, "a", { faults: "on" });
  const b = await startNode(t, etcd, "b", { faults: "on" });
  for (const gateway of [a, b]) await untilNodes(gateway, 2);

  const revision = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/one"));
  const reached = await command(a, "wait", "--fleet", "--revision", String(revision));
  assert.deepEqual(reached, { code: 0, output: `revision ${revision} is applied by every node\n` });
  for (const gateway of [a, b]) assert.equal((await gateway.get("/one")).status, 200);
  const nodes = await untilNodes(a, 2);
  assert.equal(new Set(nodes.map(({ hash }) => hash)).size, 1);

  // A node that cannot follow is waited for, and named.
  const paused = await b.control("/v1/faults?fault=control-pause&for=30s");
  assert.equal(paused.status, 200);
  const later = await etcd.put("/apisix/routes/2", routeTo(origin.node, "/two"));
  assert.equal((await a.applied(later)).status, 200);
  const late = await command(a, "wait", "--fleet", "--revision", String(later), "--timeout", "500ms");
  assert.equal(late.code, 1);
  assert.match(late.output, /not applied by node: .*\(b\)/);
  const status = await command(a, "status");
  assert.match(status.output, /\(this one\)/);
});

test("records are written where something changed, not because others write theirs", async (t) => {
  const etcd = await startEtcd(t);
  const a = await startNode(t, etcd, "a");
  const b = await startNode(t, etcd, "b");
  for (const gateway of [a, b]) await untilNodes(gateway, 2);
  const revision = await etcd.put("/apisix/routes/1", routeTo("127.0.0.1:1", "/one"));
  for (const gateway of [a, b]) {
    assert.equal((await gateway.status(`/status/fleet?revision=${revision}`)).status, 200);
  }
  // Whatever was still to be written for that change has been by the time this one is known.
  const foreign = await etcd.put("/foreign", "x");
  for (const gateway of [a, b]) {
    assert.equal((await gateway.status(`/status/fleet?revision=${foreign}`)).status, 200);
  }
  const settled = await etcd.revision();
  const again = await etcd.put("/foreign", "y");
  for (const gateway of [a, b]) {
    assert.equal((await gateway.status(`/status/fleet?revision=${again}`)).status, 200);
  }
  assert.equal(await etcd.revision(), settled + 1);
});

test("a node that starts later raises the revision that all tell of; one that stops is no member at once", async (t) => {
  const etcd = await startEtcd(t);
  const a = await startNode(t, etcd, "a");
  await etcd.put("/foreign", "x");
  const b = await startNode(t, etcd, "b");
  for (const gateway of [a, b]) await untilNodes(gateway, 2);
  const known = await b.revision();
  for (const gateway of [a, b]) {
    assert.equal((await gateway.status(`/status/fleet?revision=${known}`)).status, 200);
  }
  const ready = await command(a, "wait", "--fleet");
  assert.deepEqual(ready, { code: 0, output: "every node is ready (2)\n" });

  // A reload is no departure, not for a moment.
  const before = (await nodesOf(a)).find(({ id }) => id === "b")?.started_at;
  b.child.kill("SIGHUP");
  for (;;) {
    const nodes = await nodesOf(a);
    assert.equal(nodes.length, 2);
    if (nodes.some(({ id, started_at: at }) => id === "b" && at !== before)) break;
    await sleep(5);
  }
  b.child.kill("SIGTERM");
  assert.equal(await b.exited, 0);
  const left = await untilNodes(a, 1);
  assert.deepEqual(
    left.map(({ id, self }) => [id, self]),
    [["a", true]],
  );
});

test("a rejection is 409 for the fleet; a node whose lease ended is no member", async (t) => {
  const etcd = await startEtcd(t);
  const a = await startNode(t, etcd, "a");
  const b = await startNode(t, etcd, "b");
  for (const gateway of [a, b]) await untilNodes(gateway, 2);
  const bad = await etcd.put("/apisix/routes/1", '{"uri":1}');
  const refused = await command(a, "wait", "--fleet", "--revision", String(bad));
  assert.equal(refused.code, 2);
  assert.match(refused.output, /routes\/1/);
  await etcd.put("/apisix/routes/1", routeTo("127.0.0.1:1", "/one"));

  b.child.kill("SIGKILL");
  await b.exited;
  // What the end of its time does, sixty seconds earlier.
  await etcd.remove("/turnpike/fleet/apisix/b");
  await untilNodes(a, 1);
});

test("a record that was lost is written anew; a second node under the same id is noticed", async (t) => {
  const etcd = await startEtcd(t);
  const a = await startNode(t, etcd, "a");
  const b = await startNode(t, etcd, "b");
  for (const gateway of [a, b]) await untilNodes(gateway, 2);
  const removed = await etcd.remove("/turnpike/fleet/apisix/b");
  for (;;) {
    const { header, kvs } = JSON.parse(await etcd.ctl("get", "/turnpike/fleet/apisix/b", "-w", "json")) as {
      header: { revision: number };
      kvs?: unknown[];
    };
    if (kvs?.length === 1 && header.revision > removed) break;
    await sleep(20);
  }
  await untilNodes(a, 2);
  await startNode(t, etcd, "b");
  while (!b.errorLog.includes("another node tells of itself as b")) await sleep(20);
});
