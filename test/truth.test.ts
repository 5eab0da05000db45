import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { times } from "./support/extent.ts";
import { routeTo, startGateway, turnpike } from "./support/gateway.ts";
import { burst, open, startLoad } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";

// The product's promise: what the Status API says is so for every new connection.

const run = promisify(execFile);
/** Changes that are each awaited with the command. */
const AWAITED = times(200, 20);
/** Changes while probes are answered. */
const CHANGES = times(1_000, 200);
const PROBES = times(10_000, 2_000);

test(`no false unready: ${PROBES} probes during ${CHANGES} changes under load`, async (t) => {
  const origin = await startOrigin(t);
  const fixed = { id: "fixed", ...routeTo(origin.node, "/fixed") };
  const status = { unresponsive_after: "5s" };
  const gateway = await startGateway(t, { workers: 2, status, standalone: { routes: [fixed] } });
  await gateway.until(200);
  const load = startLoad(gateway.httpPort, 8, "/fixed");
  const probes = startLoad(gateway.statusPort, 2, "/status/ready");
  for (let change = 1; change <= CHANGES; change++) {
    gateway.writeStandalone({ routes: [fixed, { id: "moving", ...routeTo(origin.node, `/moving/${change}`) }] });
    assert.equal((await gateway.applied(change + 1)).status, 200);
  }
  await probes.reached(PROBES);
  const probed = await probes.stop();
  assert.deepEqual(Object.keys(probed.statuses), ["200"]);
  assert.deepEqual(probed.failed, []);
  const served = await load.stop();
  assert.deepEqual(Object.keys(served.statuses), ["200"]);
  assert.deepEqual(served.failed, []);
});

test(`barrier: ${AWAITED} changes, each awaited with the command, each seen by 50 connections`, async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 2, standalone: { routes: [] } });
  await gateway.until(200);
  for (let change = 1; change <= AWAITED; change++) {
    gateway.writeStandalone({ routes: [routeTo(origin.node, `/v${change}`)] });
    await run(turnpike, ["wait", "-p", gateway.prefix, "--revision", String(change + 1)]);
    const seen = await burst(gateway.httpPort, 50, `/v${change}`);
    assert.deepEqual(seen, { [`200 origin GET /v${change}`]: 50 });
  }
});

test("SIGTERM under load: no failed request, draining at once, the Status API goes last", async (t) => {
  const origin = await startOrigin(t, "slow", (_, response) => {
    setTimeout(() => response.end("done\n"), 20);
  });
  const gateway = await startGateway(t, {
    workers: 2,
    standalone: { routes: [routeTo(origin.node)] },
    config: { apisix: { shutdown_delay: "500ms" } },
  });
  await gateway.until(200);
  const load = startLoad(gateway.httpPort, 64);
  await load.reached(500);
  const probes: string[] = [];
  gateway.child.kill("SIGTERM");
  const first = await gateway.until("draining");
  assert.equal(first.status, 503);
  while (gateway.child.exitCode === null) {
    const alive = await gateway.status("/status").catch(() => null);
    const ready = await gateway.status("/status/ready").catch(() => null);
    if (alive !== null) probes.push(`/status ${alive.status}`);
    if (ready !== null) probes.push(`/status/ready ${ready.status}`);
    if (ready === null && (await open(gateway.httpPort)) !== null) assert.fail("traffic outlived the Status API");
  }
  assert.equal(await gateway.exited, 0);
  assert.deepEqual([...new Set(probes)].toSorted(), ["/status 200", "/status/ready 503"]);
  const result = await load.stop();
  assert.deepEqual(result.failed, []);
  assert.deepEqual(Object.keys(result.statuses), ["200"]);
});
