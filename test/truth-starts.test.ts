import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { times } from "./support/extent.ts";
import { makePrefix, routeTo, runIn } from "./support/gateway.ts";
import { burst } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// The product's promise, at every start; a file of its own because it takes as long as the others together.

const STARTS = times(100, 20);

test(`no false ready: ${STARTS} starts, 200 connections at the first 200 of /status/ready`, async (t) => {
  const origin = await startOrigin(t);
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const prefix = makePrefix(ports, { workers: 2, standalone: { routes: [routeTo(origin.node, "/ready")] } });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  for (let start = 0; start < STARTS && !t.signal.aborted; start++) {
    const gateway = runIn(prefix, ports);
    t.after(() => gateway.child.kill("SIGKILL"));
    // Asked as often as it answers, so that nothing passes between ready and the first connections.
    await gateway.until(200, 1);
    const seen = await burst(ports[0], 200, "/ready");
    gateway.child.kill("SIGKILL");
    await gateway.exited;
    assert.deepEqual(seen, { "200 origin GET /ready": 200 }, `start ${start}`);
  }
});
