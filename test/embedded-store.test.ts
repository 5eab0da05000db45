import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { makePrefix, routeTo, runIn, startGateway, type Gateway, type Ports } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// The embedded store as a gateway has it: across reloads and crashes, two gateways, a damaged file.

async function ports(): Promise<Ports> {
  return [await freePort(), await freePort(), await freePort(), await freePort()];
}

/** Writes a route and waits until it is live. */
async function put(gateway: Gateway, id: string, node: string): Promise<void> {
  // Between two control threads nothing listens.
  const answer = await until(async () => {
    const { status, headers } = await gateway.admin("PUT", `/routes/${id}`, routeTo(node, `/${id}`));
    return status < 300 ? headers : null;
  });
  assert.equal((await gateway.applied(Number(answer.get("X-Turnpike-Revision")))).status, 200);
  assert.equal((await gateway.get(`/${id}`)).status, 200);
}

/** What `attempt` returns once it neither fails nor returns `null`. */
async function until<T>(attempt: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const result = await attempt().catch(() => null);
    if (result !== null) return result;
    await setTimeout(10);
  }
}

test("the store outlives a reload, a crash of control and a kill; revisions go on", async (t) => {
  const origin = await startOrigin(t);
  const given = await ports();
  const prefix = makePrefix(given, { provider: "embedded" });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const first = runIn(prefix, given, { faults: "on" });
  t.after(() => first.close());
  await first.until(200);
  await put(first, "a", origin.node);
  first.child.kill("SIGHUP");
  await until(async () => (/ reload: /.test(first.errorLog) ? true : null));
  await put(first, "b", origin.node);
  await first.control("/v1/faults?fault=control-crash").catch(() => null);
  await until(async () => (/control thread ended/.test(first.errorLog) ? true : null));
  await put(first, "c", origin.node);
  const revision = await first.revision();
  first.child.kill("SIGKILL");
  await first.exited;

  const second = runIn(prefix, given);
  t.after(() => second.close());
  await second.until(200);
  assert.equal(await second.revision(), revision);
  for (const id of ["a", "b", "c"]) assert.equal((await second.get(`/${id}`)).status, 200, id);
});

test("a second gateway on the same store does not start and says why", async (t) => {
  const first = await startGateway(t, { provider: "embedded" });
  await first.until(200);
  const given = await ports();
  const prefix = makePrefix(given, { provider: "embedded" });
  symlinkSync(join(first.prefix, "data"), join(prefix, "data"));
  const second = runIn(prefix, given);
  t.after(() => second.close());
  assert.equal(await second.exited, 1);
  assert.match(second.output, /not started: .*turnpike\.db: in use by another process/);
  await put(first, "a", (await startOrigin(t)).node);
});

test("a store that is gone is not replaced by an empty one while it is being served", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: "embedded", faults: "on" });
  await gateway.until(200);
  await put(gateway, "a", origin.node);
  const data = join(gateway.prefix, "data");
  renameSync(data, `${data}.away`);
  await gateway.control("/v1/faults?fault=control-crash").catch(() => null);
  const refused = /turnpike\.db: it was there and is gone; what was loaded is served/;
  await until(async () => refused.exec(gateway.errorLog));
  const config = await gateway.untilConfig(({ state }) => state === "degraded");
  assert.match(JSON.stringify(config.last_failure), /turnpike\.db: it was there and is gone/);
  assert.equal(existsSync(data), false);
  assert.equal((await gateway.status("/status/ready")).status, 200);
  assert.equal((await gateway.get("/a")).status, 200);
  renameSync(`${data}.away`, data);
  await put(gateway, "b", origin.node);
  await gateway.untilConfig(({ state }) => state === "synced");
  assert.equal((await gateway.get("/a")).status, 200);
});

test("a damaged store is named and left alone; the gateway starts with a backup in its place", async (t) => {
  const origin = await startOrigin(t);
  const given = await ports();
  const prefix = makePrefix(given, { provider: "embedded" });
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  const file = join(prefix, "data/turnpike.db");
  const first = runIn(prefix, given);
  t.after(() => first.close());
  await first.until(200);
  await put(first, "a", origin.node);
  first.child.kill("SIGTERM");
  await first.exited;
  copyFileSync(file, `${file}.backup`);
  const damaged = readFileSync(file).fill(0x55, 5_000, 9_000);
  writeFileSync(file, damaged);

  const refused = runIn(prefix, given);
  t.after(() => refused.close());
  assert.equal(await refused.exited, 1);
  assert.match(refused.output, /not started: .*turnpike\.db: damaged .*put a backup in its place/);
  assert.deepEqual(readFileSync(file), damaged);
  copyFileSync(`${file}.backup`, file);
  const second = runIn(prefix, given);
  t.after(() => second.close());
  await second.until(200);
  assert.equal((await second.get("/a")).status, 200);
});
