import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { FIRST_CONNECTS } from "../upstream/pool.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, RawClient, startOrigin } from "./raw-peers.ts";

/** Many requests at once for a node to which there are no connections yet. */

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async function gateway(t: TestContext, ports: readonly number[], changes: Partial<Upstream> = {}) {
  const plan = planFor(upstreamOf(ports, changes));
  const started = await startServer(() => plan);
  t.after(() => started.server.close());
  const counters = (): readonly number[] => {
    started.server.flushCounters();
    const { record } = started;
    return [record.upstreamConnections, record.upstreamQueued, record.connectFailures];
  };
  return { ...started, counters };
}

/** A node that accepts and says nothing: over TLS connections to it are opened for ever. */
async function silentNode(t: TestContext): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}).resume());
  });
  server.listen(0, "127.0.0.1", 511);
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, sockets };
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test("an origin that needs hundreds of parallel requests gets them all", async (t) => {
  const many = FIRST_CONNECTS * 5;
  const waiting: Socket[] = [];
  const origin = await startOrigin((_, { socket }) => {
    waiting.push(socket);
    // Nobody is answered before everybody has asked.
    if (waiting.length === many) for (const each of waiting) each.write(plainResponse("good"));
  });
  t.after(() => origin.close());
  const { port, counters } = await gateway(t, [origin.port]);
  const answers = await Promise.all(Array.from({ length: many }, () => exchangeBytes(port, GET)));
  assert.ok(answers.every((answer) => answer.endsWith("good")));
  const [open, queued, failures] = counters();
  assert.ok(open! > 0);
  assert.deepEqual([queued, failures], [0, 0]);
});

test("requests that wait for a node to which no connection comes end in time: 504, or the next node", async (t) => {
  const { port: silent, sockets } = await silentNode(t);
  const { port, counters } = await gateway(t, [silent], { scheme: "https", connectTimeoutMs: 6_000 });
  const many = FIRST_CONNECTS + 30;
  let answered = 0;
  const ask = (): Promise<string> => exchangeBytes(port, GET).finally(() => answered++);
  const answers = Promise.all(Array.from({ length: many }, ask));
  let queued = 0;
  while (queued !== 30 && answered === 0) {
    await turn();
    queued = counters()[1]!;
  }
  assert.equal(queued, 30);
  assert.ok(sockets.length <= FIRST_CONNECTS);
  for (const answer of await answers) {
    assert.match(answer, /^HTTP\/1\.1 504 [^]*\r\nX-APISIX-Upstream-Status: 504\r\n/);
  }
  assert.deepEqual(counters().slice(0, 2), [0, 0]);
});

test("a client that goes away leaves the queue; an upload that waits is not gathered in memory", async (t) => {
  const { port: silent } = await silentNode(t);
  const { port, counters } = await gateway(t, [silent], { scheme: "https" });
  const first = Array.from({ length: FIRST_CONNECTS }, () => new RawClient(port).send(GET));
  t.after(() => {
    for (const client of first) client.destroy();
  });
  const next = new RawClient(port).send(GET);
  while (counters()[1] !== 1) await turn();
  next.destroy();
  while (counters()[1] !== 0) await turn();
  const size = 64 * 1024 * 1024;
  const upload = new RawClient(port);
  upload.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  upload.socket.write(Buffer.alloc(size));
  t.after(() => upload.destroy());
  while (counters()[1] !== 1) await turn();
  const { _handle } = upload.socket as unknown as { _handle: { readonly writeQueueSize: number } };
  let left = -1;
  for (let still = 0; still < 5;) {
    still = _handle.writeQueueSize === left ? still + 1 : 0;
    left = _handle.writeQueueSize;
    await new Promise((resolve) => {
      setTimeout(resolve, 40);
    });
  }
  assert.ok(left > size / 2, `${left} bytes left`);
});
