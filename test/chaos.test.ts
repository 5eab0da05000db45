import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Gateway, routeTo, startGateway } from "./support/gateway.ts";
import { burst, open, startLoad } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// Threads that die, reloads at bad moments, signals: what serves goes on serving, and comes back.

type Row = { id: number; state: string; generation: number; restarts: number; revision: number };
type Event = { type: string; cause?: string; worker?: number };

async function rows(gateway: Gateway): Promise<Row[]> {
  return (await gateway.status("/status/workers")).json().workers as Row[];
}

async function events(gateway: Gateway): Promise<Event[]> {
  return (await gateway.status("/status/events")).json().events as Event[];
}

/** Asks again until the answer is as wanted; a gateway that has ended fails the test. */
async function until<T>(gateway: Gateway, ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    assert.equal(gateway.child.signalCode, null, gateway.output);
    assert.equal(gateway.child.exitCode, null, gateway.output);
    await setTimeout(5);
  }
}

/** Sends SIGHUP and resolves with the journal's line on the reload's end. */
async function reload(gateway: Gateway): Promise<string> {
  const ended = (all: Event[]): Event[] => all.filter(({ type, cause }) => type === "reload" && cause !== "begun");
  const before = ended(await events(gateway)).length;
  gateway.child.kill("SIGHUP");
  const after = await until(
    gateway,
    () => events(gateway).catch(() => []),
    (all) => ended(all).length > before,
  );
  return String(ended(after).at(-1)?.cause);
}

test("the control thread crashes: traffic goes on, later changes and a broken file are followed", async (t) => {
  const origin = await startOrigin(t);
  const route = { id: "a", ...routeTo(origin.node, "/a") };
  const gateway = await startGateway(t, { faults: "on", standalone: { routes: [route] } });
  await gateway.until(200);
  const load = startLoad(gateway.httpPort, 4, "/a");
  for (let crash = 1; crash <= 3; crash++) {
    await until(
      gateway,
      () => gateway.control("/v1/faults?fault=control-crash").catch(() => null),
      (answer) => answer?.status === 200,
    );
    await until(
      gateway,
      () => events(gateway),
      (all) => all.filter(({ type }) => type === "control-exited").length === crash,
    );
    assert.equal((await gateway.status("/status/ready")).status, 200);
  }
  gateway.writeStandalone({ routes: [route, { id: "b", ...routeTo(origin.node, "/b") }] });
  assert.equal((await gateway.applied(2)).status, 200);
  assert.deepEqual(await burst(gateway.httpPort, 20, "/b"), { "200 origin GET /b": 20 });
  assert.deepEqual(
    (await rows(gateway)).map(({ generation }) => generation),
    [1, 1],
    "no worker was replaced",
  );

  // The next thread finds a file that it cannot read, and a worker that asks it for everything.
  gateway.writeStandalone("routes: {\n#END\n");
  await gateway.control("/v1/faults?fault=control-crash");
  await until(
    gateway,
    async () => (await gateway.status("/status/config")).json().state,
    (state) => state === "degraded",
  );
  await until(
    gateway,
    () =>
      gateway.fault(0, "crash").then(
        () => true,
        () => false,
      ),
    Boolean,
  );
  await until(
    gateway,
    () => rows(gateway),
    ([first]) => first?.restarts === 1,
  );
  await gateway.until(200);
  assert.deepEqual(await burst(gateway.httpPort, 40, "/b"), { "200 origin GET /b": 40 });
  const { statuses } = await load.stop();
  assert.deepEqual(Object.keys(statuses), ["200"]);
});

test("several workers killed at once, then all: each comes back with the configuration of now", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { workers: 4, faults: "on", standalone: {} });
  await gateway.until(200);
  gateway.writeStandalone({ routes: [routeTo(origin.node, "/later")] });
  await gateway.applied(2);
  gateway.writeStandalone("routes: {\n#END\n");
  await until(
    gateway,
    async () => (await gateway.status("/status/config")).json().state,
    (state) => state === "degraded",
  );
  for (const victims of [
    [1, 3],
    [0, 1, 2, 3],
  ]) {
    const before = await rows(gateway);
    await Promise.all(victims.map((id) => gateway.fault(id, "crash")));
    await until(
      gateway,
      () => rows(gateway),
      (now) => victims.every((id) => (now[id]?.restarts ?? 0) > (before[id]?.restarts ?? 0)),
    );
    assert.equal((await gateway.status("/status")).status, 200, "/status does not blame a short absence");
    await gateway.until(200);
    assert.deepEqual(await burst(gateway.httpPort, 100, "/later"), { "200 origin GET /later": 100 });
  }
});

test("a crash loop backs off, others serve, and it recovers", async (t) => {
  const gateway = await startGateway(t, { faults: "on" });
  await gateway.until(200);
  for (let crash = 1; crash <= 4; crash++) {
    await until(
      gateway,
      () => rows(gateway),
      (now) => now[1]?.state === "running",
    );
    await gateway.fault(1, "crash");
    await until(
      gateway,
      () => rows(gateway),
      (now) => now[1]?.restarts === crash,
    );
  }
  await gateway.until(200);
  const delays = [...gateway.errorLog.matchAll(/worker 1 ended: .*started again in (\d+) ms/g)].map(([, ms]) =>
    Number(ms),
  );
  assert.deepEqual(delays, [0, 100, 200, 400]);
  assert.equal((await rows(gateway))[0]?.restarts, 0);
});

test("SIGSTOP and SIGCONT of the whole process: no worker is taken for hung", async (t) => {
  const gateway = await startGateway(t, { status: { unresponsive_after: "300ms" } });
  await gateway.until(200);
  gateway.child.kill("SIGSTOP");
  await setTimeout(2_000);
  gateway.child.kill("SIGCONT");
  await gateway.until(200);
  // A hang would be ended within the limit and its margin.
  await setTimeout(2_000);
  assert.deepEqual(
    (await events(gateway)).filter(({ type }) => type === "worker-exited"),
    [],
  );
});

test("a reload in the middle of changes under load loses neither requests nor changes", async (t) => {
  const origin = await startOrigin(t);
  const fixed = { id: "fixed", ...routeTo(origin.node, "/fixed") };
  const gateway = await startGateway(t, { standalone: { routes: [fixed] } });
  await gateway.until(200);
  const probes = startLoad(gateway.statusPort, 1, "/status/ready");
  gateway.child.kill("SIGHUP");
  let change = 0;
  const done = (all: Event[]): boolean => all.some(({ type, cause }) => type === "reload" && cause === "done");
  while (!done(await events(gateway))) {
    change++;
    gateway.writeStandalone({ routes: [fixed, { id: "moving", ...routeTo(origin.node, `/moving/${change}`) }] });
    assert.equal((await gateway.applied(change + 1)).status, 200);
    const path = `/moving/${change}`;
    const seen = await burst(gateway.httpPort, 5, path);
    assert.equal(seen[`404 {"error_msg":"404 Route Not Found"}`], undefined, path);
  }
  assert.deepEqual(
    (await rows(gateway)).map(({ generation }) => generation),
    [2, 2],
  );
  assert.deepEqual(Object.keys((await probes.stop()).statuses), ["200"]);
});

test("a reload with a broken config.yaml keeps everything and says why", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  gateway.rewriteConfig((text) => text.replace("worker_processes: 2", "worker_processes: many"));
  assert.match(await reload(gateway), /refused: .*config\.yaml:\d+: nginx_config\.worker_processes: found "many"/);
  assert.equal((await gateway.status("/status/ready")).status, 200);
  assert.deepEqual(
    (await rows(gateway)).map(({ generation }) => generation),
    [1, 1],
  );
});

test("a reload moves the http, the control and the status port; a taken port is refused", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  const moved = [await freePort(), await freePort(), await freePort()] as const;
  gateway.rewriteConfig((text) =>
    text
      .replace(`port: ${gateway.httpPort}`, `port: ${moved[0]}`)
      .replace(`port: ${gateway.controlPort}`, `port: ${moved[2]}`),
  );
  assert.equal(await reload(gateway), "done");
  assert.equal((await fetch(`http://127.0.0.1:${moved[0]}/x`)).status, 404);
  await until(
    gateway,
    () => open(gateway.httpPort),
    (socket) => socket === null || (socket.destroy(), false),
  );
  const control = (): Promise<number> =>
    fetch(`http://127.0.0.1:${moved[2]}/v1/undrain`, { method: "POST" }).then(({ status }) => status);
  assert.equal(await control(), 200);
  assert.equal(await open(gateway.controlPort), null);

  gateway.rewriteConfig((text) => text.replace(`port: ${gateway.statusPort}`, `port: ${moved[1]}`));
  gateway.child.kill("SIGHUP");
  const ready = (): Promise<number> =>
    fetch(`http://127.0.0.1:${moved[1]}/status/ready`).then(
      ({ status }) => status,
      () => 0,
    );
  await until(gateway, ready, (status) => status === 200);
  await until(
    gateway,
    () => open(gateway.statusPort),
    (socket) => socket === null || (socket.destroy(), false),
  );

  const other = createServer();
  await new Promise<void>((resolve) => other.listen(gateway.statusPort, "127.0.0.1", resolve));
  t.after(() => other.close());
  gateway.rewriteConfig((text) => text.replace(`port: ${moved[1]}`, `port: ${gateway.statusPort}`));
  gateway.child.kill("SIGHUP");
  await until(
    gateway,
    async () => gateway.errorLog,
    (log) => log.includes(`reload refused: status 127.0.0.1:${gateway.statusPort}: the address is already in use`),
  );
  assert.equal(await ready(), 200);
});

test("a reload from 127.0.0.1 to 0.0.0.0 on the same ports", async (t) => {
  const gateway = await startGateway(t);
  await gateway.until(200);
  gateway.rewriteConfig((text) => text.replaceAll("ip: 127.0.0.1", "ip: 0.0.0.0"));
  assert.equal(await reload(gateway), "done");
  for (const port of [gateway.httpPort, gateway.statusPort, gateway.controlPort]) {
    const socket = await open(port, "127.0.0.9");
    assert.notEqual(socket, null, `port ${port}`);
    socket?.destroy();
  }
  assert.equal((await gateway.status("/status/ready")).status, 200);
});

test("a reload while the standalone file is broken: the new workers serve the last good configuration", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { standalone: {} });
  await gateway.until(200);
  gateway.writeStandalone({ routes: [routeTo(origin.node, "/later")] });
  await gateway.applied(2);
  gateway.writeStandalone("routes: {\n#END\n");
  await until(
    gateway,
    async () => (await gateway.status("/status/config")).json().state,
    (state) => state === "degraded",
  );
  assert.equal(await reload(gateway), "done");
  assert.deepEqual(
    (await rows(gateway)).map(({ generation, revision }) => [generation, revision]),
    [
      [2, 2],
      [2, 2],
    ],
  );
  assert.deepEqual(await burst(gateway.httpPort, 50, "/later"), { "200 origin GET /later": 50 });
  assert.equal((await gateway.status("/status/ready")).status, 200);
});

test("a reload before anything was loaded puts the new settings in force at once", async (t) => {
  const gateway = await startGateway(t, { standalone: null, provider: "yaml" });
  await gateway.until("has not received configuration");
  const moved = await freePort();
  gateway.rewriteConfig((text) => text.replace(`port: ${gateway.httpPort}`, `port: ${moved}`));
  assert.equal(await reload(gateway), "done");
  gateway.writeStandalone({});
  await gateway.until(200);
  assert.equal((await fetch(`http://127.0.0.1:${moved}/x`)).status, 404);
});

/** An origin that answers when it is told to. */
async function startHeldOrigin(
  t: Parameters<typeof startOrigin>[0],
): Promise<{ node: string; arrived: Promise<void>; release: () => void }> {
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const origin = await startOrigin(t, "held", (_, response) => {
    arrived.resolve();
    void released.promise.then(() => response.end("late\n"));
  });
  return { node: origin.node, arrived: arrived.promise, release: released.resolve };
}

test("SIGTERM while a request of 6 s is in flight: it is answered, then the process ends with 0", async (t) => {
  const origin = await startHeldOrigin(t);
  const gateway = await startGateway(t, { standalone: { routes: [routeTo(origin.node)] } });
  await gateway.until(200);
  const answer = gateway.get("/slow");
  await origin.arrived;
  gateway.child.kill("SIGTERM");
  assert.equal((await gateway.until("draining")).status, 503);
  for (let i = 0; i < 60; i++) {
    await setTimeout(100);
    assert.equal((await gateway.status("/status")).status, 200);
  }
  assert.equal(gateway.child.exitCode, null);
  origin.release();
  assert.equal((await answer).text, "late\n");
  assert.equal(await gateway.exited, 0);
  assert.ok(!existsSync(join(gateway.prefix, "logs", "turnpike.pid")));
});

test("worker_shutdown_timeout ends what does not end by itself", async (t) => {
  const origin = await startHeldOrigin(t);
  const gateway = await startGateway(t, {
    standalone: { routes: [routeTo(origin.node)] },
    config: { nginx_config: { worker_shutdown_timeout: "300ms" } },
  });
  await gateway.until(200);
  const cut = assert.rejects(gateway.get("/slow"));
  await origin.arrived;
  gateway.child.kill("SIGQUIT");
  await cut;
  assert.equal(await gateway.exited, 0);
});

test("a worker that hangs does not outlive worker_shutdown_timeout", async (t) => {
  const gateway = await startGateway(t, {
    faults: "on",
    config: { nginx_config: { worker_shutdown_timeout: "300ms" } },
  });
  await gateway.until(200);
  await gateway.fault(0, "hang");
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
});

test("a second signal ends it at once, whatever is in flight", async (t) => {
  const origin = await startHeldOrigin(t);
  const gateway = await startGateway(t, {
    standalone: { routes: [routeTo(origin.node)] },
    config: { apisix: { shutdown_delay: "1h" } },
  });
  await gateway.until(200);
  const cut = assert.rejects(gateway.get("/slow"));
  await origin.arrived;
  gateway.child.kill("SIGTERM");
  await gateway.until("draining");
  assert.equal((await open(gateway.httpPort)) !== null, true, "new connections are accepted during the delay");
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  await cut;
});

test("a signal during a reload that adds workers ends everything", async (t) => {
  const gateway = await startGateway(t, { workers: 1 });
  await gateway.until(200);
  gateway.rewriteConfig((text) => text.replace("worker_processes: 1", "worker_processes: 6"));
  gateway.child.kill("SIGHUP");
  await until(
    gateway,
    () => events(gateway),
    (all) => all.some(({ type }) => type === "reload"),
  );
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  assert.equal(await open(gateway.httpPort), null);
});

test("SIGUSR1 opens the logs anew", async (t) => {
  const gateway = await startGateway(t, { config: { nginx_config: { http: { access_log_buffer: 1 } } } });
  await gateway.until(200);
  const logs = ["access.log", "error.log"].map((name) => join(gateway.prefix, "logs", name));
  await gateway.get("/before");
  await until(
    gateway,
    async () => readFileSync(logs[0]!, "utf8"),
    (text) => text.includes("/before"),
  );
  for (const log of logs) renameSync(log, `${log}.1`);
  gateway.child.kill("SIGUSR1");
  await until(gateway, async () => logs.every((log) => existsSync(log)), Boolean);
  const seen = async (): Promise<string> => {
    await gateway.get("/after");
    return readFileSync(logs[0]!, "utf8");
  };
  await until(gateway, seen, (text) => text.includes("/after"));
  await gateway.control("/v1/drain");
  await until(
    gateway,
    async () => gateway.errorLog,
    (text) => text.includes("drained by hand"),
  );
});
