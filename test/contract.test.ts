import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { after, test } from "node:test";
import { type Gateway, makePrefix, routeTo, runIn, startGateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

// The status contract as its clients see it: exact bytes, details, safety.

const ok = '{"status":"ok"}\n';
const READY = "/status/ready";

interface Raw {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

/** A request as it stands, to any address of this machine. */
async function ask(host: string, port: number, path: string, method = "GET", headers = {}): Promise<Raw> {
  const asked = request({ host, port, method, path, headers, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  const json = (): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
  return { status: response.statusCode ?? 0, headers: response.headers, text, json };
}

/** Bytes to the Status API on a connection of their own; resolves with all that came until its end. */
async function exchange(gateway: Gateway, bytes: string): Promise<string> {
  const socket = connect(gateway.statusPort, "127.0.0.1");
  socket.end(bytes);
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

/** An address of this machine that is not loopback, if it has one. */
function outsideAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === "IPv4" && !address.internal)?.address;
}

let shared: Promise<Gateway> | null = null;
after(async () => await (await shared)?.close());

/** A gateway that is asked and not changed; the tests that need no other share it. */
async function plain(): Promise<Gateway> {
  shared ??= (async () => {
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const gateway = runIn(makePrefix(ports), ports);
    await gateway.until(200);
    return gateway;
  })();
  return await shared;
}

test("the two endpoints: bodies, headers, methods, slashes, query strings", async () => {
  const gateway = await plain();
  const to = (path: string, method?: string): Promise<Raw> => ask("127.0.0.1", gateway.statusPort, path, method);
  for (const path of ["/status", "/status/", READY, `${READY}/`, "/status?a=b", `${READY}?probe=kubelet&x`]) {
    for (const method of ["GET", "OPTIONS", "HEAD"]) {
      const { status, headers, text } = await to(path, method);
      assert.equal(status, 200, `${method} ${path}`);
      assert.equal(text, method === "HEAD" ? "" : ok, `${method} ${path}`);
      assert.equal(headers["content-type"], "application/json");
      assert.equal(headers["cache-control"], "no-store");
      assert.equal(headers["content-length"], String(ok.length));
    }
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "TRACE"]) {
    for (const path of ["/status", READY, "/status/config"]) {
      const { status, headers, json } = await to(path, method);
      assert.equal(status, 405, `${method} ${path}`);
      assert.equal(headers.allow, "GET, HEAD, OPTIONS");
      assert.equal(headers["content-type"], "application/json");
      assert.equal(json().status, "error");
    }
  }
  const typos = [
    "/status/reday",
    "/statusx",
    "/",
    "/status/ready/",
    "/ready",
    "/status%2fready",
    "/STATUS",
    "//status",
  ];
  for (const path of typos.filter((typo) => typo !== "/status/ready/")) {
    const { status, headers, text, json } = await to(path);
    assert.equal(status, 404, path);
    assert.equal(headers["content-type"], "application/json");
    assert.ok(text.endsWith("}\n"));
    assert.ok((json().endpoints as string[]).includes(READY), path);
  }
});

test("a method that Node's parser does not know gets 405 too, nonsense gets 400, in JSON", async () => {
  const gateway = await plain();
  const unknown = await exchange(gateway, "PROBE /status HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.match(unknown, /^HTTP\/1\.1 405 .*\r\n/);
  assert.match(unknown, /\r\nAllow: GET, HEAD, OPTIONS\r\n/);
  assert.match(unknown, /\r\n\r\n\{"status":"error",.*\}\n$/);
  assert.match(await exchange(gateway, "nonsense\r\n\r\n"), /^HTTP\/1\.1 400 .*\r\n\r\n\{.*\}\n$/s);
  const big = `GET /status HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`;
  assert.match(await exchange(gateway, big), /^HTTP\/1\.1 431 .*\r\n\r\n\{.*\}\n$/s);
  const old = await exchange(gateway, "GET /status HTTP/1.0\r\n\r\n");
  assert.match(old, /^HTTP\/1\.[01] 200 .*\r\n\r\n\{"status":"ok"\}\n$/s);
});

for (const ip of ["::1", "[::1]"]) {
  test(`bound on ${ip}`, async (t) => {
    const gateway = await startGateway(t, { status: { ip } });
    for (;;) {
      const reply = await ask("::1", gateway.statusPort, READY).catch(() => null);
      if (reply?.status === 200) break;
      assert.equal(gateway.child.exitCode, null, gateway.output);
    }
    assert.equal((await ask("::1", gateway.statusPort, "/status")).text, ok);
    assert.equal((await ask("::1", gateway.statusPort, "/status/workers")).status, 200);
    await assert.rejects(ask("127.0.0.1", gateway.statusPort, "/status"), { code: "ECONNREFUSED" });
  });
}

test("on 0.0.0.0 strangers get the two plain answers and no details", async (t) => {
  const stranger = outsideAddress();
  const gateway = await startGateway(t, {
    status: { ip: "0.0.0.0", ...(stranger === undefined ? { allow_details: ["192.0.2.77/32"] } : {}) },
  });
  await gateway.until(200);
  const host = stranger ?? "127.0.0.1";
  for (const path of ["/status", READY, `${READY}?verbose`, `${READY}?exclude=workers`, `${READY}?verbose&exclude=x`]) {
    const { status, text } = await ask(host, gateway.statusPort, path);
    assert.deepEqual([status, text], [200, ok], path);
  }
  const details = ["/status/config", "/status/workers", "/status/events", `${READY}/workers`, `${READY}?revision=1`];
  for (const path of details) {
    const { status, text, headers } = await ask(host, gateway.statusPort, path);
    assert.equal(status, 403, path);
    assert.equal(headers["content-type"], "application/json");
    assert.doesNotMatch(text, /revision|generation|"rejected/);
  }
  assert.equal((await ask(host, gateway.statusPort, "/status/reday")).status, 404);
  if (stranger === undefined) return;
  for (const path of details) assert.equal((await ask("127.0.0.1", gateway.statusPort, path)).status, 200, path);
});

for (const off of [false, null]) {
  test(`apisix.status: ${off} turns it off, traffic flows`, async (t) => {
    const origin = await startOrigin(t);
    const gateway = await startGateway(t, {
      standalone: { routes: [routeTo(origin.node)] },
      config: { apisix: { status: off } },
    });
    for (;;) {
      const reply = await gateway.get("/x").catch(() => null);
      if (reply?.status === 200) break;
      assert.equal(gateway.child.exitCode, null, gateway.output);
    }
    await assert.rejects(ask("127.0.0.1", gateway.statusPort, "/status"), { code: "ECONNREFUSED" });
    gateway.child.kill("SIGTERM");
    assert.equal(await gateway.exited, 0);
  });
}

test("the same port on another address is no conflict", async (t) => {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const shared = [ports[0], ports[0], ports[2]] as const;
  const prefix = makePrefix(shared, { status: { ip: "127.0.0.2" } });
  const gateway = runIn(prefix, shared);
  t.after(() => gateway.close());
  for (;;) {
    const reply = await ask("127.0.0.2", ports[0], READY).catch(() => null);
    if (reply?.status === 200) break;
    assert.equal(gateway.child.exitCode, null, gateway.output);
  }
  assert.equal((await ask("127.0.0.1", ports[0], "/x")).status, 404);
});

test("explain: checks, rows, what is awaited, exclude, one check alone", async (t) => {
  const gateway = await startGateway(t, { faults: "hold-config:1" });
  await gateway.until("worker id: 1 has not received configuration");
  const verbose = await gateway.status(`${READY}?verbose`);
  assert.equal(verbose.status, 503);
  const body = verbose.json() as {
    error: string;
    checks: { name: string; status: string; error: string | null; since: string }[];
    workers: { id: number }[];
    awaiting: { check: string; worker: number; elapsed_ms: number }[];
  };
  assert.equal(body.error, "worker id: 1 has not received configuration");
  assert.deepEqual(body.checks.map(({ name, status, error }) => [name, status, error]).toSorted(), [
    ["configuration", "error", "worker id: 1 has not received configuration"],
    ["draining", "ok", null],
    ["responsive", "ok", null],
    ["workers", "ok", null],
  ]);
  for (const { since } of body.checks) assert.ok(Date.parse(since) <= Date.now());
  assert.deepEqual(
    body.workers.map(({ id }) => id),
    [0, 1],
  );
  assert.deepEqual(
    body.awaiting.map(({ check, worker }) => [check, worker]),
    [["configuration", 1]],
  );
  assert.ok(Number(body.awaiting[0]?.elapsed_ms) >= 0);

  const excluded = await gateway.status(`${READY}?exclude=configuration&exclude=nosuch`);
  assert.equal(excluded.status, 200);
  assert.equal(excluded.json().status, "ok");
  assert.match(JSON.stringify(excluded.json().warnings), /nosuch/);
  assert.equal((await gateway.status(`${READY}?exclude=workers`)).status, 503);

  assert.equal((await gateway.status(`${READY}/workers`)).text, ok);
  const one = await gateway.status(`${READY}/configuration`);
  assert.equal(one.status, 503);
  assert.equal(one.json().error, "worker id: 1 has not received configuration");
  assert.equal((await gateway.status(`${READY}/responsive/`)).status, 200);
  assert.equal((await gateway.status(`${READY}/nosuch`)).status, 404);
});

test("/status/config: never_loaded, synced, degraded by a rejection and by the source, converging", async (t) => {
  const gateway = await startGateway(t, { standalone: null, faults: "on" });
  const state = async (wanted: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const config = (await gateway.status("/status/config")).json();
      if (config.state === wanted) return config;
      assert.equal(gateway.child.exitCode, null);
    }
  };
  await gateway.until("has not received configuration");
  const never = await state("never_loaded");
  assert.deepEqual(
    [never.source, never.revision, never.applied, never.loaded_at],
    ["yaml", 0, { min: 0, max: 0 }, null],
  );
  gateway.writeStandalone({ routes: [] });
  const synced = await state("synced");
  assert.deepEqual([synced.revision, synced.applied, synced.rejected], [1, { min: 1, max: 1 }, []]);
  assert.match(String(synced.hash), /^[0-9a-f]{16}$/);

  const secret = "do-not-show-me-4711";
  gateway.writeStandalone({
    consumers: [{ username: "jack", plugins: { "key-auth": { key: secret, hide: 3 } } }],
    routes: [{ id: "r", uri: 7 }],
  });
  const rejected = await state("degraded");
  const row = (rejected.rejected as Record<string, unknown>[]).find(({ kind }) => kind === "routes");
  assert.deepEqual([row?.id, row?.serving], ["r", "nothing"]);
  assert.ok(Date.parse(String(row?.since)) <= Date.now());
  assert.ok(!JSON.stringify(rejected).includes(secret));

  gateway.writeStandalone({ routes: [] });
  await state("synced");
  gateway.writeStandalone("routes: {\n#END\n");
  const failing = await state("degraded");
  assert.match(String((failing.last_failure as { error: string }).error), /apisix\.yaml/);
  gateway.writeStandalone({ routes: [{ id: "new", ...routeTo("127.0.0.1:1", "/new") }] });
  const repaired = await state("synced");
  assert.notEqual(repaired.last_failure, null, "the last failure stays to be seen");

  await gateway.fault(1, "hold-config");
  gateway.writeStandalone({ routes: [] });
  const converging = await state("converging");
  const applied = converging.applied as { min: number; max: number };
  assert.ok(applied.min < Number(converging.revision));
  assert.equal((await gateway.status(`${READY}?revision=${Number(converging.revision)}&timeout=0`)).status, 503);
  await gateway.fault(1, "release");
  await state("synced");
});

test("/status/workers: a row per worker with every field", async (t) => {
  const gateway = await startGateway(t, { workers: 3, faults: "on" });
  await gateway.until(200);
  type Row = Record<string, unknown> & { id: number; restarts: number };
  const rows = async (): Promise<Row[]> => (await gateway.status("/status/workers")).json().workers as Row[];
  const fields =
    "id state generation thread started_at revision hash applied_at heartbeat_age_ms event_loop_delay_ms connections requests requests_per_second upstream_connections upstream_queued upstream_connect_failures restarts last_exit";
  const before = await rows();
  assert.deepEqual(
    before.map(({ id }) => id),
    [0, 1, 2],
  );
  for (const row of before) {
    assert.deepEqual(Object.keys(row).toSorted(), fields.split(" ").toSorted());
    assert.deepEqual(
      [row.state, row.generation, row.revision, row.restarts, row.last_exit],
      ["running", 1, 1, 0, null],
    );
  }
  assert.equal(new Set(before.map(({ thread }) => thread)).size, 3, "each row has its own thread");
  await gateway.fault(2, "crash");
  let after = await rows();
  while (after[2]?.restarts !== 1 || after[2].state !== "running") after = await rows();
  assert.equal(after[2].generation, 2);
  assert.match(JSON.stringify(after[2].last_exit), /"at":"\d{4}-.*"cause":".*crash/);
  await gateway.get("/x");
  let requests = 0;
  while (requests !== 1) requests = (await rows()).reduce((sum, row) => sum + Number(row.requests), 0);
});

test("the journal, and the same live", async (t) => {
  const gateway = await startGateway(t, { faults: "on" });
  await gateway.until(200);
  const asked = request({
    port: gateway.statusPort,
    path: "/status/events",
    headers: { Accept: "text/event-stream" },
    agent: false,
  }).end();
  const [stream] = (await once(asked, "response")) as [IncomingMessage];
  assert.equal(stream.headers["content-type"], "text/event-stream");
  await gateway.fault(0, "crash");
  let text = "";
  for await (const chunk of stream) {
    text += String(chunk);
    if (/event: worker-exited[\s\S]*event: unready[\s\S]*event: ready/.test(text)) break;
  }
  assert.match(text, /event: worker-respawned\ndata: \{.*"cause":.*crash/);
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  assert.deepEqual(
    ids,
    ids.map((_, index) => index + 1),
    "from the first event on, each once",
  );
  const journal = (await gateway.status("/status/events")).json() as {
    last_id: number;
    events: { id: number; at: string; type: string }[];
  };
  assert.equal(journal.last_id, journal.events.at(-1)?.id);
  for (const type of ["worker-started", "worker-ready", "config-applied", "ready", "unready", "worker-exited"]) {
    assert.ok(
      journal.events.some((event) => event.type === type),
      type,
    );
  }
  for (let change = 1; change <= 300; change++) await gateway.control(`/v1/${change % 2 === 0 ? "undrain" : "drain"}`);
  const bounded = (await gateway.status("/status/events")).json() as { events: unknown[] };
  assert.equal(bounded.events.length, 256);
});

test("a probe logs nothing, a transition logs one line with its cause", async () => {
  const gateway = await plain();
  await gateway.control("/v1/drain");
  await gateway.until("draining");
  const before = gateway.errorLog;
  for (let probe = 0; probe < 50; probe++) await gateway.status(READY);
  assert.equal(gateway.errorLog, before);
  await gateway.control("/v1/undrain");
  await gateway.until(200);
  assert.equal(gateway.errorLog.match(/not ready: draining/g)?.length, 1);
});

test("X-Turnpike-Revision on proxied answers, where it is turned on", async (t) => {
  const origin = await startOrigin(t);
  const route = { id: "1", ...routeTo(origin.node) };
  const gateway = await startGateway(t, {
    standalone: { routes: [route] },
    config: { apisix: { show_revision_in_response_header: true } },
  });
  await gateway.until(200);
  assert.match(String((await gateway.get("/x")).headers.get("x-turnpike-revision")), /^1; worker=[01]$/);
  gateway.writeStandalone({ routes: [route, { id: "2", ...routeTo(origin.node, "/two") }] });
  await gateway.applied(2);
  assert.match(String((await gateway.get("/two")).headers.get("x-turnpike-revision")), /^2; worker=[01]$/);
});
