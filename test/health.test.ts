import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask } from "./support/client.ts";
import { type StandInAnswer, startDns } from "./support/dns.ts";
import type { Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { serving } from "./support/serving.ts";

// Active and passive checks: nodes leave and come back, and no client notices.

/** Milliseconds that a slow origin takes: less than what the upstreams here wait for. */
const SLOW_MS = 100;

/** An origin that can be killed, made to hang or to be slow, and be brought back on its port. */
class Patient {
  readonly name: string;
  mode: "well" | "hanging" | "failing" | "slow" = "well";
  requests = 0;
  probes = 0;
  /** Its own while nothing listens on it, too. */
  readonly port: number;
  #server: Server | null = null;
  readonly #held = new Set<ServerResponse>();

  constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const isProbe = request.url?.startsWith("/health") === true;
      if (isProbe) this.probes++;
      else this.requests++;
      const answer = (): void => void response.writeHead(this.mode === "failing" ? 500 : 200).end(this.name);
      if (this.mode === "hanging") this.#held.add(response);
      else if (this.mode === "slow" && !isProbe) void setTimeout(SLOW_MS).then(answer);
      else answer();
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
  }

  kill(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
    this.#server = null;
  }

  get node(): string {
    return `127.0.0.1:${this.port}`;
  }
}

async function patients(t: TestContext): Promise<readonly [Patient, Patient, Patient]> {
  const patient = async (name: string): Promise<Patient> => new Patient(name, await freePort());
  const all = [await patient("a"), await patient("b"), await patient("c")] as const;
  for (const one of all) await one.start();
  t.after(() => all.forEach((one) => one.kill()));
  return all;
}

/** Waits until the error log has the line. */
async function logged(gateway: Gateway, pattern: RegExp, times = 1): Promise<void> {
  const deadline = Date.now() + 90_000;
  while ((gateway.errorLog.match(new RegExp(pattern, "g")) ?? []).length < times) {
    if (Date.now() > deadline) throw new Error(`never ${pattern}: ${gateway.errorLog}`);
    await setTimeout(20);
  }
}

interface Shown {
  readonly nodes: readonly {
    readonly ip: string;
    readonly port: number;
    readonly status: string;
    readonly counter: { readonly http_failure: number };
  }[];
}

async function shownNodes(gateway: Gateway, upstream: string): Promise<Shown["nodes"]> {
  const shown = await gateway.control(`/v1/healthcheck/upstreams/${upstream}`, { method: "GET" });
  return (shown.json() as unknown as Shown).nodes;
}

/** What the board says of the nodes of an upstream, by port. */
async function onTheBoard(gateway: Gateway, upstream: string): Promise<ReadonlyMap<number, string>> {
  return new Map((await shownNodes(gateway, upstream)).map(({ port, status }) => [port, status]));
}

/** Failures in a row, by HTTP status, that the board has of a node. */
async function failuresOnTheBoard(gateway: Gateway, upstream: string, port: number): Promise<number> {
  return (await shownNodes(gateway, upstream)).find((node) => node.port === port)!.counter.http_failure;
}

/** Requests that each worker has answered. */
async function answeredBy(gateway: Gateway): Promise<readonly number[]> {
  const { workers } = (await gateway.status("/status/workers")).json() as { workers: { requests: number }[] };
  return workers.map(({ requests }) => requests);
}

test("a killed and a hanging origin leave, a slow one stays, all come back; no client sees a 5xx", async (t) => {
  const [a, b, c] = await patients(t);
  const upstream = {
    id: "u",
    nodes: { [a.node]: 1, [b.node]: 1, [c.node]: 1 },
    timeout: { connect: 1, send: 1, read: 1 },
    checks: {
      active: {
        type: "http",
        http_path: "/health",
        timeout: 1,
        healthy: { interval: 1, successes: 2, http_statuses: [200] },
        unhealthy: { interval: 1, http_failures: 2, tcp_failures: 2, timeouts: 2, http_statuses: [500] },
      },
    },
  };
  const gateway = await serving(
    t,
    { upstreams: [upstream], routes: [{ id: "1", uri: "/*", upstream_id: "u" }] },
    { workers: 2 },
  );
  const failures: string[] = [];
  const names = async (count: number): Promise<string[]> => {
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const reply = await ask(gateway.httpPort, "/");
      if (reply.status !== 200) failures.push(`${reply.status}`);
      seen.add(reply.text);
    }
    return [...seen].sort();
  };
  /** Both workers are asked, again and again, and use just what the board calls healthy. */
  const agree = async (healthy: readonly Patient[]): Promise<void> => {
    const expected = [a, b, c].map((node) => [node.port, healthy.includes(node) ? "healthy" : "unhealthy"] as const);
    assert.deepEqual(await onTheBoard(gateway, "u"), new Map(expected));
    const out = [a, b, c].filter((node) => !healthy.includes(node));
    const before = out.map(({ requests }) => requests);
    const start = await answeredBy(gateway);
    const seen = new Set<string>();
    do {
      for (const name of await names(6)) seen.add(name);
    } while (
      seen.size < healthy.length ||
      (await answeredBy(gateway)).some((count, worker) => count < start[worker]! + 3)
    );
    assert.deepEqual([...seen].sort(), healthy.map(({ name }) => name).sort());
    assert.deepEqual(
      out.map(({ requests }) => requests),
      before,
      "neither worker asks what is marked",
    );
    assert.deepEqual(await onTheBoard(gateway, "u"), new Map(expected));
  };
  const healthOf = (node: Patient, state: string): RegExp =>
    new RegExp(`health of upstreams/u ${node.node}: ${state} by probes \\((tcp|timeout|success), 2 in a row\\)`);

  await agree([a, b, c]);
  c.mode = "slow";
  a.kill();
  assert.deepEqual(await names(12), ["b", "c"], "a retry hides the node until it is marked");
  await logged(gateway, healthOf(a, "unhealthy"));
  await agree([b, c]);

  b.mode = "hanging";
  await names(3);
  await logged(gateway, healthOf(b, "unhealthy"));
  await agree([c]);

  // Another field changes: what is known stays.
  const revision = await gateway.revision();
  gateway.writeStandalone({
    upstreams: [{ ...upstream, desc: "x", retries: 2 }],
    routes: [{ id: "1", uri: "/*", upstream_id: "u" }],
  });
  await gateway.applied(revision + 1);
  await agree([c]);

  await a.start();
  b.mode = "well";
  await logged(gateway, healthOf(a, "healthy"));
  await logged(gateway, healthOf(b, "healthy"));
  await agree([a, b, c]);
  assert.deepEqual(failures, []);
});

test("requests mark a node within the configured count, for every worker; probes bring it back", async (t) => {
  const [a, b] = await patients(t);
  const upstream = {
    id: "u",
    nodes: { [a.node]: 1, [b.node]: 1 },
    checks: {
      active: {
        type: "http",
        http_path: "/health",
        healthy: { interval: 100, successes: 1 },
        unhealthy: { interval: 1, http_failures: 3 },
      },
      passive: { unhealthy: { http_statuses: [500], http_failures: 3 } },
    },
  };
  b.mode = "failing";
  const gateway = await serving(
    t,
    { upstreams: [upstream], routes: [{ id: "1", uri: "/*", upstream_id: "u" }] },
    { workers: 2 },
  );
  // The first probe is judged before requests are, which shows where it fails; the next one comes much later.
  while ((await failuresOnTheBoard(gateway, "u", b.port)) === 0) await setTimeout(5);
  const statuses: number[] = [];
  for (let i = 0; i < 60; i++) statuses.push((await ask(gateway.httpPort, "/")).status);
  assert.equal(
    statuses.filter((status) => status === 500).length,
    2,
    "three failures in a row, that of the probe and those of both workers",
  );
  assert.match(gateway.errorLog, /unhealthy by requests \(status 500, 3 in a row\)/);
  assert.deepEqual(
    await onTheBoard(gateway, "u"),
    new Map([
      [a.port, "healthy"],
      [b.port, "unhealthy"],
    ]),
  );
  b.mode = "well";
  await logged(gateway, /healthy by probes \(success, 1 in a row\)/);
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) seen.add((await ask(gateway.httpPort, "/")).text);
  assert.deepEqual([...seen].sort(), ["a", "b"]);
});

test("passive checks: silence after the head of an answer says nothing of a node, an answer that breaks off does", async (t) => {
  const events = await startOrigin(t, "events", (request, response) => {
    response.write("data: 1\n\n", () => {
      if (request.url === "/broken") request.socket.destroy();
    });
  });
  events.server.on("upgrade", (_, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  });
  // Nobody succeeds, so that failures are in a row.
  const checks = {
    active: { type: "tcp", healthy: { interval: 3_600 }, unhealthy: { interval: 3_600 } },
    passive: { unhealthy: { timeouts: 1, tcp_failures: 1 }, healthy: { http_statuses: [299] } },
  };
  const upstream = {
    nodes: { [events.node]: 1, [`127.0.0.1:${await freePort()}`]: 0 },
    checks,
    timeout: { connect: 1, send: 1, read: 0.2 },
  };
  const gateway = await serving(t, { routes: [{ id: "e", uri: "/*", enable_websocket: true, upstream }] }, {});
  await assert.rejects(async () => await gateway.get("/silent"), /terminated/);
  const socket = connect({ host: "127.0.0.1", port: gateway.httpPort, allowHalfOpen: false });
  socket.write("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  const [head] = (await once(socket, "data")) as [Buffer];
  assert.match(String(head), /^HTTP\/1\.1 101 /);
  await once(socket, "close");
  assert.doesNotMatch(gateway.errorLog, /unhealthy by requests/);
  await assert.rejects(async () => await gateway.get("/broken"), /terminated/);
  await logged(gateway, /health of routes\/e .*: unhealthy by requests \(failed connections, 1 in a row\)/);
});

test("all nodes unhealthy: all of them are used; probes carry what is configured", async (t) => {
  const heads: string[] = [];
  let body = "";
  const rewritten = Promise.withResolvers<string | undefined>();
  const bare = Promise.withResolvers<void>();
  const origin = await startOrigin(t, "origin", (request, response) => {
    if (request.url === "/rewritten") rewritten.resolve(request.headers.host);
    if (request.url === "/bare") bare.resolve();
    if (request.url !== "/probe?x=1") return void response.end("ok");
    const { host, "user-agent": agent, "x-a": sent = "" } = request.headers;
    heads.push(`${request.method} ${host} ${agent} ${Buffer.from(String(sent), "latin1").toString()}`);
    request.on("data", (chunk) => (body = String(chunk)));
    request.on("end", () => response.writeHead(503).end());
  });
  const other = await startOrigin(t, "other");
  const active = {
    http_method: "POST",
    http_path: "/probe?x=1",
    http_req_body: "hello",
    host: "probe.example",
    port: origin.port,
    req_headers: ["User-Agent: mine", "X-A: 1", "x-a: Zürich", "broken", "Content-Length: 1"],
    healthy: { interval: 1 },
    unhealthy: { interval: 1, http_failures: 1 },
  };
  const nodes = { [origin.node]: 1, [other.node]: 1 };
  const gateway = await serving(
    t,
    {
      routes: [{ id: "1", uri: "/*", upstream: { nodes, checks: { active } } }],
      upstreams: [
        {
          id: "rewriting",
          pass_host: "rewrite",
          upstream_host: "up.example:81",
          nodes,
          checks: { active: { http_path: "/rewritten", healthy: { interval: 1 } } },
        },
        { id: "bare", nodes, checks: { active: { http_path: "/bare" } } },
      ],
    },
    { workers: 1 },
  );
  assert.equal(await rewritten.promise, "up.example:81", "the Host that requests have");
  await bare.promise;
  await logged(gateway, /unhealthy by probes \(http, 1 in a row\)/, 2);
  const seen = new Set<string>();
  for (let i = 0; i < 10; i++) {
    const reply = await ask(gateway.httpPort, "/");
    assert.equal(reply.status, 200);
    seen.add(reply.text.split(" ")[0] ?? "");
  }
  assert.deepEqual([...seen].sort(), ["ok", "other"]);
  const explained = (await gateway.control("/v1/explain?path=/", { method: "GET" })).json();
  const { candidates } = explained["upstream"] as { candidates: string[] };
  assert.deepEqual(candidates.toSorted(), [origin.node, other.node].sort());
  assert.equal(heads[0], "POST probe.example mine 1, Zürich");
  assert.equal(body, "hello");
});

test("nodes are not probed before their names were looked up: a start accuses none", async (t) => {
  const dns = await startDns(t);
  const [one, two] = [await startOrigin(t, "one"), await startOrigin(t, "two")];
  const answers = ["a.test", "b.test"].map((name) => {
    const { promise, resolve } = Promise.withResolvers<StandInAnswer>();
    dns.answers.set(name, promise);
    return resolve;
  });
  const checks = { active: { type: "tcp", healthy: { interval: 1 }, unhealthy: { interval: 1, tcp_failures: 1 } } };
  const nodes = { [`a.test:${one.port}`]: 1, [`b.test:${two.port}`]: 1 };
  const other = { "127.0.0.1:1": 1, [one.node]: 1 };
  const gateway = await serving(
    t,
    {
      upstreams: [
        { id: "named", nodes, checks },
        { id: "other", nodes: other, checks },
      ],
    },
    { config: { apisix: { dns_resolver: [dns.server], resolver_timeout: 60 } } },
  );
  await logged(gateway, /upstreams\/other 127\.0\.0\.1:1: unhealthy/);
  assert.deepEqual([...(await onTheBoard(gateway, "named")).values()], ["healthy", "healthy"]);
  for (const answer of answers) answer([{ type: "A", value: "127.0.0.1" }]);
  while (!(await shownNodes(gateway, "named")).every(({ ip }) => ip === "127.0.0.1")) await setTimeout(20);
  assert.doesNotMatch(gateway.errorLog, /upstreams\/named .*unhealthy/);
});

test("names that lead to one address are nodes of their own: virtual hosts have a health each", async (t) => {
  const dns = await startDns(t);
  for (const name of ["good.test", "bad.test"]) dns.answers.set(name, [{ type: "A", value: "127.0.0.1" }]);
  const ingress = await startOrigin(t, "ingress", ({ headers: { host = "" } }, response) => {
    response.writeHead(host.startsWith("bad") ? 503 : 200).end(host);
  });
  const nodes = { [`good.test:${ingress.port}`]: 1, [`bad.test:${ingress.port}`]: 1 };
  const active = { healthy: { interval: 1 }, unhealthy: { interval: 1, http_failures: 1 } };
  const gateway = await serving(
    t,
    {
      routes: [
        { id: "checked", uri: "/checked", upstream: { nodes, pass_host: "node", checks: { active } } },
        { id: "hash", uri: "/hash", upstream: { nodes, pass_host: "node", type: "chash", key: "arg_key" } },
      ],
    },
    { config: { apisix: { dns_resolver: [dns.server] } } },
  );
  await logged(gateway, new RegExp(`routes/checked 127\\.0\\.0\\.1:${ingress.port} bad\\.test: unhealthy`));
  for (let i = 0; i < 10; i++) {
    assert.equal((await ask(gateway.httpPort, "/checked")).text, `good.test:${ingress.port}`);
  }
  const shown = await gateway.control("/v1/healthcheck/routes/checked", { method: "GET" });
  const { nodes: found } = shown.json() as { nodes: { hostname: string; status: string }[] };
  assert.deepEqual(
    new Map(found.map(({ hostname, status }) => [hostname, status])),
    new Map([
      ["good.test", "healthy"],
      ["bad.test", "unhealthy"],
    ]),
  );
  const hosts = new Set<string>();
  for (let i = 0; i < 30; i++) hosts.add((await ask(gateway.httpPort, `/hash?key=${i}`)).text);
  assert.equal(hosts.size, 2, "keys are shared by both");
});

test("what is known of nodes that have a name outlives the control thread, also while the DNS is away", async (t) => {
  const dns = await startDns(t);
  const origin = await startOrigin(t, "here");
  // One address of two, at which nobody listens.
  dns.answers.set("pair.test", [
    { type: "A", value: "127.0.0.1" },
    { type: "A", value: "127.0.0.9" },
  ]);
  const upstream = {
    nodes: { [`pair.test:${origin.port}`]: 1 },
    retries: 0,
    checks: {
      active: { type: "tcp", healthy: { interval: 100 }, unhealthy: { interval: 100, tcp_failures: 254 } },
      passive: { unhealthy: { tcp_failures: 1 } },
    },
  };
  const gateway = await serving(
    t,
    { services: [{ id: "s", upstream }], routes: [{ id: "1", uri: "/*", service_id: "s" }] },
    { workers: 2, faults: "on", config: { apisix: { dns_resolver: [dns.server], resolver_timeout: 1 } } },
  );
  const shown = async (): Promise<string> => {
    const reply = await gateway.control("/v1/healthcheck/services/s", { method: "GET" }).catch(() => null);
    const { nodes = [] } = (reply?.json() ?? {}) as { nodes?: { ip: string; status: string }[] };
    return nodes.map(({ ip, status }) => `${ip} ${status}`).join();
  };
  const known = "127.0.0.1 healthy,127.0.0.9 unhealthy";
  while ((await shown()) !== known) await ask(gateway.httpPort, "/");
  const served = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) assert.equal((await ask(gateway.httpPort, "/")).status, 200);
  };
  await served();
  dns.answers.set("pair.test", "SERVFAIL");
  await gateway.control("/v1/faults?fault=control-crash");
  const exited = async (): Promise<boolean> =>
    ((await gateway.status("/status/events")).json()["events"] as { type: string }[]).some(
      ({ type }) => type === "control-exited",
    );
  while (!(await exited())) await setTimeout(5);
  await dns.asked("pair.test");
  await served();
  while ((await shown()) !== known) await served();
});
