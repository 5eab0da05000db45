import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { stringify } from "yaml";
import { type Answer, type Gateway, startGateway, viewerKey } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";

/** API-driven standalone: whole configurations are pushed through the Admin API. */

let digests = 0;

async function push(gateway: Gateway, configuration: object, query = "", headers: Record<string, string> = {}) {
  const digest = `digest-${++digests}`;
  return await gateway.admin("PUT", `/configs${query}`, configuration, { "X-Digest": digest, ...headers });
}

/** A gateway without a configuration whose Admin API answers. */
async function startNode(t: Parameters<typeof startGateway>[0], options = {}): Promise<Gateway> {
  const gateway = await startGateway(t, { provider: "api", ...options });
  await gateway.until("has not received configuration");
  await readConfigs(gateway);
  return gateway;
}

/** Reads what was pushed, as soon as the Admin API answers. */
async function readConfigs(gateway: Gateway): Promise<Answer> {
  for (;;) {
    const answer = await gateway.admin("GET", "/configs").catch(() => null);
    if (answer !== null) return answer;
    if (gateway.child.exitCode !== null) throw new Error(gateway.output);
    await setTimeout(5);
  }
}

const routeTo = (node: string, id: string, uri: unknown = `/${id}`): object => ({
  id,
  uri,
  upstream: { nodes: { [node]: 1 } },
});

test("ready with the first push, an empty one included; a push replaces everything", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startNode(t);
  const before = await gateway.admin("GET", "/configs");
  assert.deepEqual([before.status, before.json()["routes_conf_version"]], [200, 0]);
  assert.equal((await push(gateway, {}, "?wait=30000")).json()["applied"], true);
  assert.equal((await gateway.status("/status/ready")).status, 200);
  await push(gateway, { routes: [routeTo(origin.node, "a")] }, "?wait=30000");
  assert.equal((await gateway.get("/a")).status, 200);
  const yaml = stringify({ routes: [routeTo(origin.node, "b")] });
  const headers = { "Content-Type": "application/yaml", "X-Digest": "yaml" };
  const pushed = await gateway.admin("PUT", "/configs?wait=30000", yaml, headers);
  assert.deepEqual([pushed.status, pushed.json()["applied"]], [202, true]);
  assert.deepEqual([(await gateway.get("/a")).status, (await gateway.get("/b")).status], [404, 200]);
  const shown = await gateway.admin("GET", "/configs");
  assert.deepEqual([shown.headers.get("x-digest"), shown.json()["routes"]], ["yaml", [routeTo(origin.node, "b")]]);
  // Clients compare nodes by what HEAD says.
  const { status, headers: head, text } = await gateway.admin("HEAD", "/configs");
  assert.deepEqual([status, head.get("x-digest"), text], [200, "yaml", ""]);
  assert.equal(head.get("x-last-modified"), shown.headers.get("x-last-modified"));
  assert.equal((await gateway.admin("HEAD", "/routes")).status, 404);
  const again = await gateway.admin("PUT", "/configs", {}, { "X-Digest": "yaml" });
  assert.deepEqual([again.status, again.text], [204, ""]);
});

test("every revision that was awaited is live on every worker", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startNode(t, { workers: 3 });
  for (let i = 1; i <= 20; i++) {
    const answer = await push(gateway, { routes: [routeTo(origin.node, `v${i}`)] }, "?wait=30000");
    assert.deepEqual([answer.json()["applied"], answer.headers.get("x-turnpike-revision")], [true, String(i)]);
    const statuses = await Promise.all(Array.from({ length: 12 }, () => gateway.get(`/v${i}`)));
    assert.deepEqual(new Set(statuses.map(({ status }) => status)), new Set([200]));
  }
});

test("of 100 routes with a bad one 99 are live, and the bad one is told of everywhere", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startNode(t);
  const hundred = (prefix: string): object[] =>
    Array.from({ length: 100 }, (_, i) => routeTo(origin.node, `r${i}`, `/${prefix}${i}`));
  await push(gateway, { routes: hundred("old") }, "?wait=30000");
  const changed = hundred("new");
  changed[42] = routeTo(origin.node, "r42", 42);
  const error = 'property "uri" validation failed: wrong type: expected string, got number';

  const whole = await push(gateway, { routes: changed });
  assert.deepEqual([whole.status, whole.json()], [400, { error_msg: `invalid configuration: ${error}` }]);
  assert.equal(whole.headers.get("x-turnpike-resource"), "routes[42] r42");
  assert.equal((await gateway.get("/old41")).status, 200);

  const partial = await push(gateway, { routes: changed }, "?partial=true&wait=30000");
  const row = { kind: "routes", id: "r42", field: "uri", error, serving: "previous" };
  assert.deepEqual([partial.status, partial.json()["applied"], partial.json()["rejected"]], [202, true, [row]]);
  for (const [path, status] of [
    ["/new41", 200],
    ["/old41", 404],
    ["/old42", 200],
    ["/new99", 200],
  ] as const) {
    assert.equal((await gateway.get(path)).status, status, path);
  }
  const revision = Number(partial.headers.get("x-turnpike-revision"));
  const barrier = await gateway.status(`/status/ready?revision=${revision}&timeout=30s`);
  assert.equal(barrier.status, 409);
  const config = (await gateway.status("/status/config")).json();
  const { since: _, ...told } = (config["rejected"] as Record<string, unknown>[])[0] ?? {};
  assert.deepEqual([config["state"], told], ["degraded", { ...row, revision }]);
  assert.deepEqual((barrier.json()["rejected"] as { field: string }[])[0]?.field, "uri");

  await push(gateway, { routes: hundred("new") }, "?wait=30000");
  assert.equal((await gateway.get("/new42")).status, 200);
});

test("a worker that does not apply is named when the time is over", async (t) => {
  const gateway = await startNode(t, { faults: "on" });
  await push(gateway, {}, "?wait=30000");
  await gateway.fault(1, "hold-config");
  const answer = await push(gateway, { upstreams: [{ id: "u", nodes: { "127.0.0.1:1": 1 } }] }, "?wait=200");
  const { applied, laggards } = answer.json() as { applied: boolean; laggards: { id: number }[] };
  assert.deepEqual([answer.status, applied, laggards.map(({ id }) => id)], [202, false, [1]]);
  await gateway.fault(1, "release");
  const revision = Number(answer.headers.get("x-turnpike-revision"));
  assert.equal((await gateway.applied(revision)).status, 200);
});

test("a new control thread knows what was pushed, after a crash and after a reload", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startNode(t, { faults: "on" });
  await push(gateway, { routes_conf_version: 7, routes: [routeTo(origin.node, "a")] }, "?wait=30000", {
    "X-Digest": "d",
  });
  const same = async (): Promise<void> => {
    const shown = await readConfigs(gateway);
    assert.deepEqual([shown.headers.get("x-digest"), shown.json()["routes_conf_version"]], ["d", 7]);
    assert.deepEqual(shown.json()["routes"], [routeTo(origin.node, "a")]);
    assert.equal((await gateway.get("/a")).status, 200);
  };
  await gateway.control("/v1/faults?fault=control-crash");
  await gateway.until(200);
  await same();
  gateway.child.kill("SIGHUP");
  // The workers are replaced after the control thread.
  const replaced = async (): Promise<boolean> => {
    const { workers } = (await gateway.status("/status/workers")).json() as {
      workers: { generation: number | null }[];
    };
    return workers.every(({ generation }) => (generation ?? 0) > 1);
  };
  while (!(await replaced())) await setTimeout(5);
  await same();
  assert.equal(await gateway.revision(), 1);
  assert.equal((await push(gateway, { routes_conf_version: 6 })).status, 400);
});

test("a viewer reads and validates nothing else; other kinds are not there", async (t) => {
  const gateway = await startNode(t);
  const viewer = { "X-API-KEY": viewerKey };
  assert.equal((await gateway.admin("GET", "/configs", undefined, viewer)).status, 200);
  assert.equal((await gateway.admin("PUT", "/configs", {}, { ...viewer, "X-Digest": "x" })).status, 401);
  assert.equal((await gateway.admin("GET", "/routes")).status, 404);
  const checked = await gateway.admin("POST", "/configs/validate", { routes: [{ id: 1, uri: 5 }] });
  assert.deepEqual([checked.status, checked.json()["error_msg"]], [400, "Configuration validation failed"]);
});

test("the Control API shows pushes: keys without a prefix, and their indexes", async (t) => {
  const gateway = await startNode(t);
  const upstream = (fields: object): object => ({ nodes: { "127.0.0.1:1": 1 }, ...fields });
  await push(gateway, {
    upstreams_conf_version: 5,
    upstreams: [upstream({ id: "u" }), upstream({ id: "v", modifiedIndex: 9 })],
  });
  const rows = JSON.parse((await gateway.control("/v1/upstreams", {})).text) as Record<string, unknown>[];
  assert.deepEqual(
    rows.map(({ key, modifiedIndex }) => [key, modifiedIndex]),
    [
      ["/upstreams/u", 5],
      ["/upstreams/v", 9],
    ],
  );
});
