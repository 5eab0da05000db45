import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startGateway } from "./support/gateway.ts";
import { startServiceManager } from "./support/service-manager.ts";

test("systemd is told in order: ready when it is, reloading, ready again, stopping", async (t) => {
  const manager = await startServiceManager(t);
  const env = { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: "60000" };
  const gateway = await startGateway(t, { workers: 1, standalone: null, env });

  const waiting = await manager.said(/^STATUS=not ready: /);
  assert.equal((await gateway.until("has not received configuration")).status, 503);
  assert.ok(!manager.messages.some((words) => words.includes("READY=1")), "ready before it is");
  gateway.writeStandalone({ routes: [] });
  const ready = await manager.said("READY=1", waiting);
  assert.ok(manager.messages[ready]?.includes("STATUS=ready, revision 1"));
  assert.equal((await gateway.status("/status/ready")).status, 200);

  await manager.said("WATCHDOG=1");
  gateway.child.kill("SIGHUP");
  const reloading = await manager.said("RELOADING=1", ready);
  assert.match(manager.messages[reloading]?.join("\n") ?? "", /^MONOTONIC_USEC=\d+$/m);
  const again = await manager.said("READY=1", reloading);
  gateway.child.kill("SIGTERM");
  await manager.said("STOPPING=1", again);
  assert.equal(await gateway.exited, 0);
});

test("the watchdog is not fed while every worker hangs", async (t) => {
  const manager = await startServiceManager(t);
  const env = { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: "60000" };
  const gateway = await startGateway(t, { workers: 1, faults: "on", env, status: { unresponsive_after: "500ms" } });
  await gateway.until(200);
  // A worker that has crashed some times is not started again at once.
  for (let crash = 1; crash <= 4; crash++) {
    await gateway.fault(0, "crash");
    while (restarts(gateway.errorLog) < crash) await gateway.status("/status");
    await gateway.until(200);
  }
  await manager.said("WATCHDOG=1", manager.messages.length);
  await gateway.fault(0, "hang");
  while ((await gateway.status("/status")).status === 200);
  const dead = manager.messages.length;
  while ((await gateway.status("/status")).status !== 200);
  const fed = manager.messages.slice(dead).filter((words) => words.includes("WATCHDOG=1"));
  // Some may have been on their way; fed all the time it would have been dozens.
  assert.ok(fed.length <= 5, `fed ${fed.length} times`);
  await manager.said("WATCHDOG=1", manager.messages.length);
});

const restarts = (log: string): number => [...log.matchAll(/worker 0 ended:/g)].length;

test("the unit is what systemd accepts", (t) => {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const directory = mkdtempSync(join(tmpdir(), "turnpike-unit-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const unit = readFileSync(`${root}deploy/systemd/turnpike.service`, "utf8");
  // The commands must be there to be accepted.
  writeFileSync(`${directory}/turnpike.service`, unit.replaceAll("/opt/turnpike/", root));
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", `${directory}/turnpike.service`]);
  assert.deepEqual([String(stderr), status], ["", 0]);
});
