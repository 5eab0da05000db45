import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { times } from "./support/extent.ts";
import { resident } from "./support/interop/resident.ts";
import { exchange, open } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { serving, to } from "./support/serving.ts";

// Clients that send a byte of their head a second (slowloris) against one worker.

const SLOW_CLIENTS = times(5_000, 1_500);
/** Requests of others, before and meanwhile. */
const OTHERS = times(500, 200);
/** Connections that are opened at once: fewer than the listener's backlog. */
const AT_ONCE = 250;
/** What a gateway may keep, in megabytes, a while after the clients have gone. */
const KEPT = 16;
/** A gateway that keeps more never comes to an end: milliseconds. */
const PATIENCE = 600_000;

/** A connection that trickles a head which never ends. */
interface SlowClient {
  readonly socket: Socket;
  answer: string;
  readonly closed: Promise<void>;
}

test(
  `${SLOW_CLIENTS} slow clients end with 408, others are served meanwhile, memory returns`,
  { timeout: PATIENCE },
  async (t) => {
    requireOpenFiles(SLOW_CLIENTS + 500);
    const origin = await startOrigin(t);
    const config = {
      apisix: {},
      nginx_config: { http: { client_header_timeout: "5s" }, event: { worker_connections: 10_620 } },
    };
    const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] }, { workers: 1, config });

    const idle = await latencies(gateway.httpPort, OTHERS);
    const before = resident(gateway);
    t.diagnostic(`${before} MB before`);
    for (const round of ["first", "second"]) {
      const clients = await openSlowClients(t, gateway.httpPort, SLOW_CLIENTS);
      const all = Promise.all(clients.map(({ closed }) => closed));
      const trickle = setInterval(() => {
        for (const { socket } of clients) if (socket.writable) socket.write("a");
      }, 1_000);
      t.after(() => clearInterval(trickle));
      const full = resident(gateway);
      const busy = await latencies(gateway.httpPort, OTHERS);
      await all;
      clearInterval(trickle);
      const wrong = clients.filter(({ answer }) => !answer.startsWith("HTTP/1.1 408 "));
      assert.equal(wrong.length, 0, `not 408: ${JSON.stringify(wrong[0]?.answer)}`);
      assert.match(clients[0]!.answer, /\r\nConnection: close\r\n/i);
      const left = resident(gateway);
      t.diagnostic(`${round} round: ${full} MB with all of them, ${left} MB when they had gone`);
      t.diagnostic(`${await below(gateway, before + KEPT)} MB a while later`);
      t.diagnostic(`p99 of other requests: ${p99(busy)} ms, ${p99(idle)} ms without slow clients`);
    }
    assert.equal((await gateway.get("/")).status, 200);
  },
);

/** Node raises its own limit to the hard one, so that is what counts for both processes. */
function requireOpenFiles(count: number): void {
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  const enough = limit === "unlimited" || Number(limit) >= count;
  assert.ok(enough, `${count} open files are needed, the hard limit is ${limit}: raise it (ulimit -Hn)`);
}

async function openSlowClients(t: TestContext, port: number, count: number): Promise<SlowClient[]> {
  const clients: SlowClient[] = [];
  t.after(() => {
    for (const { socket } of clients) socket.destroy();
  });
  while (clients.length < count) {
    const sockets = await Promise.all(Array.from({ length: AT_ONCE }, () => open(port)));
    for (const socket of sockets) {
      assert.ok(socket !== null, "a connection was refused");
      clients.push(slowClient(socket));
    }
  }
  return clients;
}

function slowClient(socket: Socket): SlowClient {
  const client: SlowClient = {
    socket,
    answer: "",
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
  };
  socket.on("data", (chunk) => (client.answer += chunk.toString("latin1")));
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
  return client;
}

/** Milliseconds that each of so many requests took, one after the other, half of them on new connections. */
async function latencies(port: number, count: number): Promise<number[]> {
  const kept = await open(port);
  assert.ok(kept !== null);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const socket: Socket | null = i % 2 === 0 ? kept : await open(port);
    assert.ok(socket !== null, "a connection was refused");
    const { status, head } = await exchange(socket, "/");
    assert.equal(status, 200, head);
    times.push(performance.now() - started);
    if (socket !== kept) socket.destroy();
  }
  kept.destroy();
  return times;
}

function p99(times: readonly number[]): string {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!.toFixed(1);
}

/** Waits until the gateway holds less than so many megabytes: this test's own time is the limit. */
async function below(gateway: Parameters<typeof resident>[0], limit: number): Promise<number> {
  while (resident(gateway) >= limit) await setTimeout(100);
  return resident(gateway);
}
