import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { WorkerState } from "../board/board.ts";
import { monotonicMs } from "../lib/clock.ts";
import { createStatusServer } from "./server.ts";
import { ask, boardOf, exchangeBytes, reportOf, startFixture } from "./test-fixture.ts";

test("the seed's two endpoints say ok on a ready gateway", async (t) => {
  const fixture = await startFixture(t, boardOf(2, 1));
  for (const path of ["/status", "/status/", "/status?x=1", "/status/ready", "/status/ready/", "/status/ready?x=1"]) {
    const reply = await ask(fixture, path);
    assert.equal(reply.status, 200, path);
    assert.equal(reply.text, '{"status":"ok"}\n');
    assert.equal(reply.headers["content-type"], "application/json");
    assert.equal(reply.headers["cache-control"], "no-store");
    assert.equal(reply.headers["content-length"], "16");
  }
});

test("the exact texts of a gateway that is not ready, by precedence", async (t) => {
  const board = boardOf(16, 1);
  const fixture = await startFixture(t, board);
  fixture.discovery = [{ name: "consul", ready: false, told: 0 }];
  const expectError = async (error: string): Promise<void> => {
    const reply = await ask(fixture, "/status/ready");
    assert.equal(reply.status, 503);
    assert.equal(reply.text, `${JSON.stringify({ status: "error", error })}\n`);
    assert.equal((await ask(fixture, "/status")).status, 200);
  };
  await expectError("consul discovery not ready");
  board.record(3).heartbeat = monotonicMs() - 30_001;
  await expectError("worker id: 3 has not responded for 30s");
  board.record(9).state = WorkerState.starting;
  await expectError("worker id: 9 has not received configuration");
  board.activate(12, undefined);
  await expectError("worker count: 16 but status report count: 15");
  board.draining = true;
  await expectError("draining");
});

test("/status fails only when no worker has lived for longer than the limit, after start-up", async (t) => {
  const board = boardOf(2, 1);
  const fixture = await startFixture(t, board);
  fixture.startingUp = true;
  fixture.skew = 60_000;
  assert.equal((await ask(fixture, "/status")).status, 200);
  fixture.startingUp = false;
  const reply = await ask(fixture, "/status");
  assert.equal(reply.status, 503);
  assert.equal(reply.text, '{"status":"error","error":"no running worker"}\n');
  board.record(1).heartbeat = monotonicMs() + 60_000;
  assert.equal((await ask(fixture, "/status")).status, 200);
});

test("HEAD and OPTIONS answer as GET, other methods get 405 and unknown paths 404", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const head = await ask(fixture, "/status/ready", { method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", "16"]);
  const options = await ask(fixture, "/status/ready", { method: "OPTIONS" });
  assert.deepEqual([options.status, options.text], [200, '{"status":"ok"}\n']);
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const reply = await ask(fixture, "/status", { method, body: "x" });
    assert.equal(reply.status, 405, method);
    assert.equal(reply.headers.allow, "GET, HEAD, OPTIONS");
    assert.equal(reply.json["status"], "error");
  }
  for (const path of ["/", "/status/reday", "/statusx", "/STATUS", "/status//", "/status/ready/x", "/status%2Fready"]) {
    const reply = await ask(fixture, path);
    assert.equal(reply.status, 404, path);
    assert.ok(reply.text.endsWith("}\n"));
    assert.ok(reply.json["endpoints"] !== undefined || reply.json["checks"] !== undefined, path);
  }
});

test("a body is never waited for nor asked for", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const head = "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n";
  for (const more of ["\r\n", "Expect: 100-continue\r\n\r\n"]) {
    const text = await exchangeBytes(fixture, head + more);
    assert.match(text, /^HTTP\/1\.1 405 /);
    assert.match(text, /Connection: close/);
  }
  const probe = await exchangeBytes(fixture, "GET /status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  assert.match(probe, /^HTTP\/1\.1 200 /);
});

test("what Node's parser refuses is answered in JSON too", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const cases: [bytes: string, status: number][] = [
    ["nonsense\r\n\r\n", 400],
    ["GET /status HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    [`GET /status HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`, 431],
    ["PROBE /status HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    ["CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405],
  ];
  for (const [bytes, status] of cases) {
    const text = await exchangeBytes(fixture, bytes);
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), bytes.slice(0, 40));
    assert.match(head, /content-type: application\/json/i);
    assert.match(head, /cache-control: no-store/i);
    assert.match(head, new RegExp(`content-length: ${body.length}`, "i"));
    assert.equal((JSON.parse(body) as { status: string }).status, "error");
    assert.ok(body.endsWith("\n"));
  }
});

test("an old probe without Host and an absolute target are answered", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  assert.match(await exchangeBytes(fixture, "GET /status HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
  const absolute = "GET http://x/status/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  assert.match(await exchangeBytes(fixture, absolute), /^HTTP\/1\.1 200 /);
});

test("verbose explains every check, each worker and what is awaited", async (t) => {
  const board = boardOf(3, 4);
  const fixture = await startFixture(t, board);
  board.record(1).state = WorkerState.starting;
  fixture.slots = [{ restarts: 2, lastExit: { at: 1000, cause: "heap exhausted" } }];
  const { status, json } = await ask(fixture, "/status/ready?verbose");
  assert.equal(status, 503);
  assert.equal(json["error"], "worker id: 1 has not received configuration");
  const checks = json["checks"] as { name: string; status: string; error: string | null; since: string }[];
  assert.deepEqual(
    checks.map((check) => [check.name, check.status]),
    [
      ["draining", "ok"],
      ["workers", "ok"],
      ["configuration", "error"],
      ["responsive", "ok"],
    ],
  );
  assert.ok(checks.every((check) => Date.parse(check.since) > 0));
  const awaiting = json["awaiting"] as { worker: number; awaiting: string; elapsed_ms: number }[];
  assert.deepEqual(
    awaiting.map((one) => [one.worker, one.awaiting]),
    [[1, "worker id: 1 to apply revision 4"]],
  );
  assert.ok(awaiting.every((one) => one.elapsed_ms >= 0));
  const workers = json["workers"] as Record<string, unknown>[];
  assert.deepEqual(
    workers.map((row) => [row["id"], row["state"], row["restarts"]]),
    [
      [0, "running", 2],
      [1, "starting", 0],
      [2, "running", 0],
    ],
  );
  assert.deepEqual(workers[0]?.["last_exit"], { at: "1970-01-01T00:00:01.000Z", cause: "heap exhausted" });
});

test("exclude leaves checks out, warns of unknown names, and one check can be asked alone", async (t) => {
  const board = boardOf(2, 1);
  const fixture = await startFixture(t, board);
  fixture.discovery = [{ name: "consul", ready: false, told: 0 }];
  board.draining = true;
  assert.equal((await ask(fixture, "/status/ready?exclude=draining")).json["error"], "consul discovery not ready");
  const both = await ask(fixture, "/status/ready?exclude=draining&exclude=discovery/consul");
  assert.deepEqual([both.status, both.text], [200, '{"status":"ok"}\n']);
  const unknown = await ask(fixture, "/status/ready?exclude=drainign");
  assert.equal(unknown.status, 503);
  assert.match(String(unknown.json["warnings"]), /"drainign".*draining, workers/);
  assert.equal((await ask(fixture, "/status/ready/workers")).text, '{"status":"ok"}\n');
  const draining = await ask(fixture, "/status/ready/draining/");
  assert.deepEqual([draining.status, draining.json["error"]], [503, "draining"]);
  assert.equal((await ask(fixture, "/status/ready/discovery/consul")).status, 503);
});

test("/status/config shows source, state, what is applied and what is rejected", async (t) => {
  const board = boardOf(2, 0);
  const fixture = await startFixture(t, board);
  assert.equal((await ask(fixture, "/status/config")).json["state"], "never_loaded");
  board.publish(3, 0n);
  board.record(0).acknowledge(3, 0n, Date.now());
  fixture.report = reportOf(3);
  const converging = (await ask(fixture, "/status/config")).json;
  assert.deepEqual([converging["state"], converging["applied"]], ["converging", { min: 0, max: 3 }]);
  board.record(1).acknowledge(3, 0n, Date.now());
  assert.equal((await ask(fixture, "/status/config")).json["state"], "synced");
  const rejection = {
    kind: "routes",
    id: "7",
    field: "uri",
    error: "uri: expected a string",
    since: 5000,
    revision: 3,
  } as const;
  fixture.report = reportOf(3, {
    rejected: [{ ...rejection, serving: "previous" }],
    lastFailure: { at: 6000, error: "no #END", current: false },
  });
  const degraded = (await ask(fixture, "/status/config")).json;
  assert.equal(degraded["state"], "degraded");
  assert.deepEqual(degraded["rejected"], [{ ...rejection, since: "1970-01-01T00:00:05.000Z", serving: "previous" }]);
  assert.deepEqual(degraded["last_failure"], { at: "1970-01-01T00:00:06.000Z", error: "no #END", current: false });
});

test("/status/workers has a row per slot, also for one without a thread", async (t) => {
  const board = boardOf(2, 1);
  const fixture = await startFixture(t, board);
  board.activate(1, undefined);
  board.record(0).heartbeat = monotonicMs() - 90_000;
  board.record(0).connections = 4;
  const { json } = await ask(fixture, "/status/workers");
  const [first, second] = json["workers"] as Record<string, unknown>[];
  assert.deepEqual([json["count"], first?.["state"], first?.["connections"]], [2, "unresponsive", 4]);
  assert.deepEqual([second?.["state"], second?.["generation"]], ["absent", null]);
});

test("strangers get the seed's plain answers and no details", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1), { ip: "0.0.0.0", allowDetails: ["127.0.0.2/32"] });
  for (const path of ["/status", "/status/ready", "/status/ready?verbose", "/status/ready?exclude=draining"]) {
    const reply = await ask(fixture, path);
    assert.deepEqual([reply.status, reply.text], [200, '{"status":"ok"}\n'], path);
  }
  const details = [
    "/status/config",
    "/status/workers",
    "/status/events",
    "/status/ready/workers",
    "/status/ready/nonsense",
    "/status/ready?revision=1",
  ];
  for (const path of details) assert.equal((await ask(fixture, path)).status, 403, path);
  const friend = { localAddress: "127.0.0.2" };
  for (const path of details) assert.notEqual((await ask(fixture, path, friend)).status, 403, path);
});

test("details are not answered under a name that others can make lead here, probes are", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1), { allowHosts: ["status.example.com", "*.svc.cluster.local"] });
  const details = [
    "/status/config",
    "/status/events",
    "/status/events?state",
    "/status/ready?revision=1",
    "/",
    "/page/main.js",
  ];
  const under = (host: string, path: string) => ask(fixture, path, { headers: { host, accept: "text/html" } });
  for (const host of [
    "evil.example.org",
    "evil.example.org:7085",
    "127.0.0.1.nip.io",
    "example.com",
    "[::1].example.org",
  ]) {
    for (const path of details) assert.equal((await under(host, path)).status, 403, `${host} ${path}`);
    for (const path of ["/status", "/status/ready", "/status/ready?verbose"]) {
      assert.equal((await under(host, path)).text, '{"status":"ok"}\n', `${host} ${path}`);
    }
  }
  const known = [
    "127.0.0.1:7085",
    "10.1.2.3",
    "[::1]:7085",
    "localhost:80",
    "LOCALHOST.",
    "a.localhost",
    "turnpike:7085",
  ];
  for (const host of [...known, "Status.Example.com:1", "turnpike.web.svc.cluster.local"]) {
    assert.equal((await under(host, "/status/config")).status, 200, host);
  }
  const { allowDetails, ip, port, unresponsiveAfterMs } = fixture.deps.settings;
  assert.match(await exchangeBytes(fixture, "GET /status/config HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
  fixture.server.allow({ allowDetails, ip, port, unresponsiveAfterMs, allowHosts: ["*"] });
  assert.equal((await under("evil.example.org", "/status/config")).status, 200);
});

test("a peer on another interface is a stranger by default", async (t) => {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === "IPv4");
  if (outside === undefined) return t.skip("this machine has no other interface");
  const fixture = await startFixture(t, boardOf(1, 1), { ip: "0.0.0.0" });
  const there = { ip: outside.address, port: fixture.port };
  assert.equal((await ask(there, "/status/ready?verbose")).text, '{"status":"ok"}\n');
  assert.equal((await ask(there, "/status/config")).status, 403);
});

test("IPv6 addresses work, and IPv4 peers of a dual-stack socket are known", async (t) => {
  const six = await startFixture(t, boardOf(1, 1), { ip: "::1" });
  assert.equal((await ask(six, "/status/config")).status, 200);
  const dual = await startFixture(t, boardOf(1, 1), { ip: "::", allowDetails: ["127.0.0.1"] });
  assert.equal((await ask({ ip: "127.0.0.1", port: dual.port }, "/status/config")).status, 200);
  assert.equal((await ask(dual, "/status/config")).status, 403);
});

test("an address that is taken is refused", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const fixture = await startFixture(t, boardOf(1, 1));
  const server = createStatusServer({
    board: fixture.board,
    journal: fixture.journal,
    watch: fixture.watch,
    settings: { ip: "127.0.0.1", port, allowDetails: [], allowHosts: [], unresponsiveAfterMs: 5000 },
    config: () => fixture.report,
    fleet: () => null,
    checked: () => ({ upstreams: [], unlisted: 0 }),
    role: "traditional",
    slots: () => [],
    startedAt: 0,
  });
  await assert.rejects(server.listen({ ip: "127.0.0.1", port }), { code: "EADDRINUSE", port });
});

test("a flood of silent connections evicts itself, and probes go on", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const flood = Array.from({ length: 1500 }, () => {
    const socket = connect(fixture.port, fixture.ip);
    socket.on("error", () => undefined);
    return socket;
  });
  t.after(() => flood.forEach((socket) => socket.destroy()));
  await Promise.all(flood.map((socket) => once(socket, "connect")));
  for (let i = 0; i < 50; i++) {
    assert.equal((await ask(fixture, "/status/ready", { localAddress: "127.0.0.3" })).status, 200);
  }
});

test("a client that never ends its request is cut, one that waits keeps its connection", async (t) => {
  const fixture = await startFixture(t, boardOf(1, 1));
  const text = await exchangeBytes(fixture, "GET /status HTTP/1.1\r\nHost: x\r\nX-Slow: ");
  assert.match(text, /^HTTP\/1\.1 408 /);
});
