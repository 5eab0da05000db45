import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask } from "./support/client.ts";
import type { Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { serving } from "./support/serving.ts";

// Active and passive checks: nodes leave and come back, and no client notices.

/** An origin that can be killed, made to hang or to be slow, and be brought back on its port. */
class Patient {
  readonly name: string;
  mode: "well" | "hanging" | "failing" = "well";
  requests = 0;
  port = 0;
  #server: Server | null = null;
  readonly #held = new Set<ServerResponse>();

  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      if (request.url?.startsWith("/health") !== true) this.requests++;
      if (this.mode === "hanging") this.#held.add(response);
      else response.writeHead(this.mode === "failing" ? 500 : 200).end(this.name);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (address !== null && typeof address === "object") this.port = address.port;
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
  const all = [new Patient("a"), new Patient("b"), new Patient("c")] as const;
  for (const one of all) await one.start();
  t.after(() => all.forEach((one) => one.kill()));
  return all;
}

/** Waits until the error log has the line. */
async function logged(gateway: Gateway, pattern: RegExp, times = 1): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((gateway.errorLog.match(new RegExp(pattern, "g")) ?? []).length < times) {
    if (Date.now() > deadline) throw new Error(`never ${pattern}: ${gateway.errorLog}`);
    await setTimeout(20);
  }
}

test("a killed, a hanging and a failing origin leave, and come back; no client sees a 5xx", async (t) => {
  const [a, b, c] = await patients(t);
  const upstream = {
    id: "u",
    nodes: { [a.node]: 1, [b.node]: 1, [c.node]: 1 },
    timeout: { connect: 1, send: 1, read: 0.3 },
    checks: {
      active: {
        type: "http",
        http_path: "/health",
        timeout: 0.3,
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
  const healthOf = (node: Patient, state: string): RegExp =>
    new RegExp(`health of upstreams/u ${node.node}: ${state} by probes \\((tcp|timeout|success), 2 in a row\\)`);

  assert.deepEqual(await names(30), ["a", "b", "c"]);
  a.kill();
  assert.deepEqual(await names(12), ["b", "c"], "a retry hides the node until it is marked");
  await logged(gateway, healthOf(a, "unhealthy"));
  assert.deepEqual(await names(12), ["b", "c"]);

  b.mode = "hanging";
  await names(3);
  await logged(gateway, healthOf(b, "unhealthy"));
  const asked = b.requests;
  assert.deepEqual(await names(20), ["c"]);
  assert.equal(b.requests, asked, "both workers leave it alone");

  // Another field changes: what is known stays.
  const revision = await gateway.revision();
  gateway.writeStandalone({
    upstreams: [{ ...upstream, desc: "x", retries: 2 }],
    routes: [{ id: "1", uri: "/*", upstream_id: "u" }],
  });
  await gateway.applied(revision + 1);
  assert.deepEqual(await names(20), ["c"]);
  assert.equal(b.requests, asked);

  await a.start();
  b.mode = "well";
  await logged(gateway, healthOf(a, "healthy"));
  await logged(gateway, healthOf(b, "healthy"));
  assert.deepEqual(await names(30), ["a", "b", "c"]);
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
  const gateway = await serving(
    t,
    { upstreams: [upstream], routes: [{ id: "1", uri: "/*", upstream_id: "u" }] },
    { workers: 2 },
  );
  // The first probe is over before requests are judged.
  await ask(gateway.httpPort, "/");
  b.mode = "failing";
  const statuses: number[] = [];
  for (let i = 0; i < 60; i++) statuses.push((await ask(gateway.httpPort, "/")).status);
  assert.equal(
    statuses.filter((status) => status === 500).length,
    3,
    "three failures in a row, counted over both workers",
  );
  assert.match(gateway.errorLog, /unhealthy by requests \(status 500, 3 in a row\)/);
  const shown = await fetch(`http://127.0.0.1:${gateway.controlPort}/v1/healthcheck/upstreams/u`);
  const report = (await shown.json()) as {
    readonly nodes: readonly { readonly port: number; readonly status: string }[];
  };
  assert.deepEqual(
    new Map(report.nodes.map(({ port, status }) => [port, status])),
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

test("all nodes unhealthy: all of them are used; probes carry what is configured", async (t) => {
  const heads: string[] = [];
  let body = "";
  const origin = await startOrigin(t, "origin", (request, response) => {
    if (request.url !== "/probe?x=1") return void response.end("ok");
    heads.push(`${request.method} ${request.headers.host} ${request.headers["user-agent"]} ${request.headers["x-a"]}`);
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
    req_headers: ["User-Agent: mine", "X-A: 1", "broken"],
    healthy: { interval: 1 },
    unhealthy: { interval: 1, http_failures: 1 },
  };
  const nodes = { [origin.node]: 1, [other.node]: 1 };
  const gateway = await serving(
    t,
    { routes: [{ id: "1", uri: "/*", upstream: { nodes, checks: { active } } }] },
    { workers: 1 },
  );
  await logged(gateway, /unhealthy by probes \(http, 1 in a row\)/, 2);
  const seen = new Set<string>();
  for (let i = 0; i < 10; i++) {
    const reply = await ask(gateway.httpPort, "/");
    assert.equal(reply.status, 200);
    seen.add(reply.text.split(" ")[0] ?? "");
  }
  assert.deepEqual([...seen].sort(), ["ok", "other"]);
  assert.equal(heads[0], "POST probe.example mine 1");
  assert.equal(body, "hello");
});
