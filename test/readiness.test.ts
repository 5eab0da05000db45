import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Gateway, makePrefix, routeTo, runIn, startGateway } from "./support/gateway.ts";
import { full } from "./support/extent.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// Every situation of the status contract's section 3 that file sources can be in.

const ok = '{"status":"ok"}\n';
const error = (text: string): string => `{"status":"error","error":"${text}"}\n`;

for (const workers of full ? [1, 2, 16] : [1, 2]) {
  describe(`${workers} workers`, () => {
    test("file missing at start: 503 until it is there, without a restart, also with no route in it", async (t) => {
      const gateway = await startGateway(t, { workers, standalone: null });
      const answer = await gateway.until("worker id: 0 has not received configuration");
      assert.equal(answer.status, 503);
      assert.equal(answer.text, error("worker id: 0 has not received configuration"));
      assert.equal((await gateway.status("/status")).text, ok);
      gateway.writeStandalone({});
      assert.equal((await gateway.until(200)).text, ok);
      assert.equal((await gateway.status("/status")).text, ok);
      assert.equal((await gateway.get("/x")).status, 404);
    });

    test("file broken at start, repaired, broken later: last good configuration", async (t) => {
      const origin = await startOrigin(t);
      const gateway = await startGateway(t, { workers, standalone: "routes: [\n#END\n" });
      await gateway.until("has not received configuration");
      gateway.writeStandalone({ routes: [{ id: "1", ...routeTo(origin.node) }] });
      await gateway.until(200);
      gateway.writeStandalone("routes: {{{\n#END\n");
      const failed = await gateway.untilConfig((config) => config.state === "degraded");
      assert.match(JSON.stringify(failed.last_failure), /apisix\.yaml/);
      assert.equal((await gateway.status("/status/ready")).text, ok);
      assert.equal((await gateway.get("/a")).status, 200);
    });

    test("a killed worker: 503 at once, 200 with the configuration of now", async (t) => {
      const origin = await startOrigin(t);
      const gateway = await startGateway(t, { workers, faults: "on", standalone: {} });
      await gateway.until(200);
      gateway.writeStandalone({ routes: [{ id: "later", ...routeTo(origin.node, "/later") }] });
      await gateway.applied(2);
      const id = workers - 1;
      await gateway.fault(id, "crash");
      await untilRespawned(gateway, id);
      await gateway.until(200);
      const { events } = (await gateway.status("/status/events")).json() as { events: { cause?: string }[] };
      const cause = `worker count: ${workers} but status report count: ${workers - 1}`;
      assert.ok(
        events.some((event) => event.cause === cause),
        JSON.stringify(events),
      );
      const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.get("/later")));
      assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    });
  });
}

test("without its #END line a file is not loaded", async (t) => {
  const gateway = await startGateway(t, { standalone: "routes: []\n" });
  await gateway.until("has not received configuration");
  const config = await gateway.untilConfig((found) => found.last_failure !== null);
  assert.match(JSON.stringify(config.last_failure), /#END/);
  gateway.writeStandalone("routes: []\n#END\n");
  await gateway.until(200);
});

test("of 16 workers one has not started: report count; then one is held back: it is named", async (t) => {
  const gateway = await startGateway(t, { workers: 16, faults: "hold-start:9,hold-config:11" });
  const missing = await gateway.until("status report count: 15");
  assert.equal(missing.status, 503);
  assert.equal(missing.text, error("worker count: 16 but status report count: 15"));
  await gateway.fault(9, "release");
  const held = await gateway.until("worker id: 11 has not received configuration");
  assert.equal(held.status, 503);
  assert.equal(held.text, error("worker id: 11 has not received configuration"));
  await gateway.fault(11, "release");
  await gateway.until(200);
});

test("a worker in an endless loop: 503 after the limit, replaced, 200 again", async (t) => {
  const gateway = await startGateway(t, { workers: 2, faults: "on", status: { unresponsive_after: "1s" } });
  await gateway.until(200);
  await gateway.fault(1, "hang");
  const answer = await gateway.until("has not responded");
  assert.equal(answer.text, error("worker id: 1 has not responded for 1s"));
  assert.equal((await gateway.status("/status")).status, 200);
  await gateway.until(200);
  const { workers } = (await gateway.status("/status/workers")).json() as { workers: { restarts: number }[] };
  assert.deepEqual(
    workers.map((worker) => worker.restarts),
    [0, 1],
  );
});

test("every worker in an endless loop: /status says so until they are replaced", async (t) => {
  const gateway = await startGateway(t, { workers: 2, faults: "on", status: { unresponsive_after: "1s" } });
  await gateway.until(200);
  await Promise.all([gateway.fault(0, "hang"), gateway.fault(1, "hang")]);
  await gateway.until("has not responded");
  // Until both are replaced, a second later.
  let alive = await gateway.status("/status");
  for (let i = 0; i < 1_000 && alive.status === 200; i++) alive = await gateway.status("/status");
  assert.equal(alive.status, 503, "no running worker was never reported");
  await gateway.until(200);
  assert.equal((await gateway.status("/status")).text, ok);
});

test("a broken resource is rejected alone; its last good version serves; ready stays 200", async (t) => {
  const origin = await startOrigin(t);
  const good = { id: "a", ...routeTo(origin.node, "/a") };
  const gateway = await startGateway(t, { standalone: { routes: [good] } });
  await gateway.until(200);
  gateway.writeStandalone({
    routes: [
      { ...good, uri: 7 },
      { id: "b", ...routeTo(origin.node, "/b") },
    ],
  });
  const answer = await gateway.applied(2);
  assert.equal(answer.status, 409, answer.text);
  assert.equal((await gateway.get("/a")).status, 200);
  assert.equal((await gateway.get("/b")).status, 200);
  assert.equal((await gateway.status("/status/ready")).text, ok);
  const config = (await gateway.status("/status/config")).json() as { rejected: Record<string, unknown>[] };
  assert.equal(config.rejected.length, 1);
  assert.equal(config.rejected[0]?.kind, "routes");
  assert.equal(config.rejected[0]?.id, "a");
  assert.equal(config.rejected[0]?.serving, "previous");
  assert.match(String(config.rejected[0]?.error), /uri/);
});

test("a reload with fewer workers is judged by the new count alone, with more by the larger one", async (t) => {
  const gateway = await startGateway(t, { workers: 3 });
  await gateway.until(200);
  for (const count of [1, 4]) {
    rewriteWorkers(gateway, count);
    gateway.child.kill("SIGHUP");
    await untilWorkers(gateway, count);
    assert.equal((await gateway.until(200)).text, ok);
  }
});

test("drain by hand on the Control API, and its end", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  assert.equal((await gateway.control("/v1/drain")).status, 200);
  assert.equal((await gateway.until("draining")).text, error("draining"));
  assert.equal((await gateway.status("/status")).text, ok);
  assert.equal((await gateway.get("/")).status, 404, "traffic is still served");
  await gateway.control("/v1/undrain");
  await gateway.until(200);
});

test("a second start in the same prefix is refused, and so is a taken port", async (t) => {
  const first = await startGateway(t);
  await first.until(200);
  const ports = [first.httpPort, first.statusPort, first.controlPort] as const;
  const same = runIn(first.prefix, ports);
  assert.equal(await same.exited, 1);
  assert.match(same.output, /already running/);
  const fresh = [await freePort(), await freePort(), await freePort()] as const;
  for (const [index, what] of ["http listen", "status", "control"].entries()) {
    const taken = fresh.map((port, i) => (i === index ? ports[i] : port)) as unknown as typeof ports;
    const prefix = makePrefix(taken);
    t.after(() => rmSync(prefix, { recursive: true, force: true }));
    const second = runIn(prefix, taken);
    assert.equal(await second.exited, 1, second.output);
    assert.match(second.output, new RegExp(`${what} 127.0.0.1:${ports[index]}: the address is already in use`));
  }
  assert.equal((await first.status("/status/ready")).status, 200);
});

test("when the gateway is not running the connection is refused", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  const refused = await new Promise((resolve) => {
    connect(gateway.statusPort, "127.0.0.1").once("error", resolve);
  });
  assert.equal((refused as NodeJS.ErrnoException).code, "ECONNREFUSED");
});

test("JSON provider", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: "json", standalone: "{" });
  await gateway.until("has not received configuration");
  gateway.writeStandalone({ routes: [{ id: "1", ...routeTo(origin.node) }] }, "json");
  await gateway.until(200);
  assert.equal((await gateway.get("/x")).text, "origin GET /x\n");
});

async function untilRespawned(gateway: Gateway, worker: number): Promise<void> {
  for (;;) {
    const { workers } = (await gateway.status("/status/workers")).json() as { workers: { restarts: number }[] };
    if ((workers[worker]?.restarts ?? 0) > 0) return;
    await setTimeout(5);
  }
}

async function untilWorkers(gateway: Gateway, count: number): Promise<void> {
  for (;;) {
    const { workers } = (await gateway.status("/status/workers")).json() as { workers: { generation: number }[] };
    if (workers.length === count) return;
    await setTimeout(5);
  }
}

function rewriteWorkers(gateway: Gateway, count: number): void {
  gateway.rewriteConfig((text) => text.replace(/worker_processes: \d+/, `worker_processes: ${count}`));
}
