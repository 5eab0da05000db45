import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import type { Settings } from "../settings/settings.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { planFor, settingsWith, startServer, upstreamOf } from "./fixtures.ts";
import { plainResponse, RawClient, type RawOrigin, startOrigin } from "./raw-peers.ts";

/** Peers that read or write slowly: what they cost is bounded, and only who stands still is given up. */

type Answer = Parameters<typeof startOrigin>[0];

async function proxy(t: TestContext, answer: Answer, settings?: Settings, upstream: Partial<Upstream> = {}) {
  const origin: RawOrigin = await startOrigin(answer);
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port], upstream), { enableWebsocket: true });
  const started = await startServer(() => plan, settings);
  t.after(() => started.server.close());
  return { ...started, origin };
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Waits until `progress` has stood still for a while: everything between the ends is full. */
async function standstill(progress: () => number): Promise<number> {
  let seen = -1;
  for (let still = 0; still < 5;) {
    const now = progress();
    still = now === seen ? still + 1 : 0;
    seen = now;
    await pause(40);
  }
  return seen;
}

/** Reads up to `total` bytes, with a pause after each `piece`; answers how many came. */
async function readSlowly(socket: Socket, total: number, piece: number, ms: number): Promise<number> {
  let received = 0;
  let next = piece;
  try {
    for await (const data of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      received += data.length;
      if (received >= total) break;
      if (received >= next) await pause(ms);
      while (next <= received) next += piece;
    }
  } catch {
    // Reset: what came until then counts.
  }
  return received;
}

test("a client that asks without reading is not asked for, and gets everything once it reads", async (t) => {
  const body = "x".repeat(30_000);
  const { port, origin } = await proxy(t, (_, { socket }) => socket.write(plainResponse(body)));
  const client = new RawClient(port);
  t.after(() => client.destroy());
  client.socket.pause();
  const count = 3_000;
  const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(GET.repeat(count - 1) + GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  const asked = await standstill(() => origin.requests.length);
  assert.ok(asked < count / 2, `${asked} requests`);
  client.socket.resume();
  const answers = await client.end();
  assert.equal(answers.split("HTTP/1.1 200 OK\r\n").length - 1, count);
  assert.equal(origin.requests.length, count);
});

test("send_timeout ends a client that stands still, not one that is slow", async (t) => {
  const size = 24 * 1024 * 1024;
  const { port } = await proxy(
    t,
    (_, { socket }) => socket.write(plainResponse("x".repeat(size))),
    settingsWith({ sendTimeoutMs: 1_500 }),
  );
  const ask = (): Socket => {
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return socket;
  };
  const slow = ask();
  assert.ok((await readSlowly(slow, size, 1 << 20, 50)) >= size);
  const still = ask();
  await pause(4_000);
  assert.ok((await readSlowly(still, size, 1 << 20, 0)) < size);
});

test("a tunnel is idle only when nothing passes in either direction", async (t) => {
  let received = "";
  const { port, origin } = await proxy(
    t,
    (_, { socket }) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nready");
      socket.on("data", (data: Buffer) => {
        received += data.toString("latin1");
      });
    },
    settingsWith(),
    { readTimeoutMs: 1_500 },
  );
  const client = new RawClient(port);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  await client.until(/ready$/);
  for (let i = 0; i < 10; i++) {
    client.send(String(i));
    await pause(200);
  }
  assert.equal(received, "0123456789");
  assert.equal(client.closed, false);
  // Then nothing more: both ends are closed.
  const { socket } = origin.connections[0]!;
  await client.end();
  if (!socket.destroyed) await once(socket, "close");
});

test("a node that reads slowly, but reads, gets its upload", async (t) => {
  const size = 24 * 1024 * 1024;
  const sink = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    void (async () => {
      socket.pause();
      const received = await readSlowly(socket, size, 1 << 20, 50);
      socket.write(plainResponse(String(received >= size)));
    })();
  });
  sink.listen(0, "127.0.0.1");
  await once(sink, "listening");
  t.after(() => sink.close());
  const address = sink.address();
  const upstream = upstreamOf([typeof address === "object" && address !== null ? address.port : 0], {
    sendTimeoutMs: 1_500,
  });
  const { server, port } = await startServer(() => planFor(upstream));
  t.after(() => server.close());
  const client = new RawClient(port);
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`);
  client.socket.write(Buffer.alloc(size, "x"));
  assert.match(await client.end(), /true$/);
});

test("a client that has gone while an answer pauses is noticed, one that ended its half gets all of it", async (t) => {
  const answer: Answer = (text, { socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na");
    if (text.includes("/pauses")) return;
    const rest = [..."bcdef"];
    // Together longer than a pause may be, no pause nearly as long as that.
    const timer = setInterval(() => {
      socket.write(rest.shift() ?? "");
      if (rest.length === 0) clearInterval(timer);
    }, 500);
  };
  // Nothing else would ever end it.
  const { port, origin } = await proxy(t, answer, undefined, { readTimeoutMs: 0 });
  const half = new RawClient(port).send("GET /flows HTTP/1.1\r\nHost: a\r\n\r\n");
  const gone = new RawClient(port).send("GET /pauses HTTP/1.1\r\nHost: a\r\n\r\n");
  await Promise.all([half, gone].map((client) => client.until(/\r\n\r\na$/)));
  half.socket.end();
  gone.destroy();
  const paused = origin.connections[origin.requests.findIndex((text) => text.includes("/pauses"))]!.socket;
  if (!paused.destroyed) await once(paused, "close");
  assert.match(await half.end(), /\r\n\r\nabcdef$/);
});
