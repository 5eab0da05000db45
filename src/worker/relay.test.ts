import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { freePort } from "../../test/support/ports.ts";
import { ChunkedDecoder } from "../lib/chunked-decoder.ts";
import type { Plan } from "../compile/plan.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Settings } from "../settings/settings.ts";
import { planFor, settingsWith, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, RawClient, type RawOrigin, startOrigin } from "./raw-peers.ts";

type Answer = Parameters<typeof startOrigin>[0];

async function origin(t: TestContext, answer: Answer): Promise<RawOrigin> {
  const started = await startOrigin(answer);
  t.after(() => started.close());
  return started;
}

async function serve(t: TestContext, match: (ctx: RequestContext) => Plan, settings?: Settings) {
  const started = await startServer(match, settings);
  t.after(() => started.server.close());
  return started;
}

const request = (method: string, body = ""): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${body === "" ? "" : `Content-Length: ${body.length}\r\n`}\r\n${body}`;

const good: Answer = (_, { socket }) => socket.write(plainResponse("good"));

test("a node that cannot be reached: the next one, whatever the method", async (t) => {
  const works = await origin(t, good);
  const upstream = upstreamOf([await freePort(), works.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (const method of ["GET", "POST", "GET", "POST"]) {
    assert.match(await exchangeBytes(port, request(method, "body")), /good$/, method);
  }
  assert.equal(works.requests.length, 4);
});

test("no node can be reached: 502 with a status for each attempt", async (t) => {
  const upstream = upstreamOf([await freePort(), await freePort()]);
  const { port, logged } = await serve(t, () => planFor(upstream));
  assert.match(
    await exchangeBytes(port, request("GET")),
    /^HTTP\/1\.1 502 Bad Gateway\r\n[^]*X-APISIX-Upstream-Status: 502, 502\r\n/,
  );
  assert.match(logged.join("\n"), /UPSTREAM_CONNECT/);
});

test("a node that closes instead of answering: the next one for idempotent methods only", async (t) => {
  const closes = await origin(t, (_, { socket }) => socket.destroy());
  const works = await origin(t, good);
  const upstream = upstreamOf([closes.port, works.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (const method of ["GET", "PUT", "DELETE", "GET"]) {
    assert.match(await exchangeBytes(port, request(method, "x")), /good$/, method);
  }
  const posts = [];
  for (let i = 0; i < 4; i++) posts.push((await exchangeBytes(port, request("POST", "x"))).slice(9, 12));
  assert.deepEqual(posts.sort(), ["200", "200", "502", "502"]);
});

test("a body is replayed to the next node", async (t) => {
  const closes = await origin(t, (_, { socket }) => socket.destroy());
  const works = await origin(t, good);
  const upstream = upstreamOf([closes.port, works.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (let i = 0; i < 2; i++) await exchangeBytes(port, request("PUT", "replayed"));
  assert.ok(works.requests.every((text) => text.endsWith("\r\n\r\nreplayed")));
  assert.equal(works.requests.length, 2);
});

test("statuses are never retried; 5xx carry the node's status", async (t) => {
  const fails = await origin(t, (_, { socket }) => socket.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  const upstream = upstreamOf([fails.port]);
  const { port } = await serve(t, () => planFor(upstream));
  assert.match(
    await exchangeBytes(port, request("GET")),
    /^HTTP\/1\.1 503 Busy\r\n[^]*X-APISIX-Upstream-Status: 503\r\n/,
  );
  assert.equal(fails.requests.length, 1);
});

test("a node that does not answer in time: 504 after each node was asked once", async (t) => {
  const silent = await origin(t, () => {});
  const other = await origin(t, () => {});
  const upstream = upstreamOf([silent.port, other.port], { readTimeoutMs: 100 });
  const { port } = await serve(t, () => planFor(upstream));
  assert.match(await exchangeBytes(port, request("GET")), /^HTTP\/1\.1 504 [^]*X-APISIX-Upstream-Status: 504, 504\r\n/);
  assert.match(
    await exchangeBytes(port, request("POST", "x")),
    /^HTTP\/1\.1 504 [^]*X-APISIX-Upstream-Status: 504\r\n/,
  );
});

test("a slow upload does not use up the time that the node has for its answer", async (t) => {
  const works = await origin(t, good);
  const upstream = upstreamOf([works.port], { readTimeoutMs: 1_000 });
  const { port } = await serve(t, () => planFor(upstream));
  const client = new RawClient(port);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\na");
  await new Promise((resolve) => {
    setTimeout(resolve, 2_000);
  });
  client.send("b");
  assert.match(await client.end(), /good$/);
});

test("a kept connection that the node has closed meanwhile costs nobody anything", async (t) => {
  // Closes each connection on its second request, as a node does whose idle time is over.
  const stale = await origin(t, (_, connection) => {
    if (connection.requests > 1) connection.socket.destroy();
    else connection.socket.write(plainResponse("fresh"));
  });
  const upstream = upstreamOf([stale.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (let i = 0; i < 5; i++) assert.match(await exchangeBytes(port, request("GET")), /fresh$/);
});

test("an idle connection on which the node says something is thrown away", async (t) => {
  const chatty = await origin(t, (_, { socket }) => {
    socket.write(plainResponse("first"));
    setImmediate(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
  });
  const upstream = upstreamOf([chatty.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (let i = 0; i < 5; i++) {
    assert.match(await exchangeBytes(port, request("GET")), /first$/);
    const { socket } = chatty.connections.at(-1)!;
    if (!socket.destroyed) await once(socket, "close");
  }
  assert.equal(chatty.connections.length, 5);
});

test("a node that says more than its length is cut and never used again", async (t) => {
  const long = await origin(t, (_, { socket }) =>
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
  );
  const upstream = upstreamOf([long.port]);
  const { port } = await serve(t, () => planFor(upstream));
  for (let i = 0; i < 3; i++) assert.match(await exchangeBytes(port, request("GET")), /\r\n\r\nhello$/);
  assert.equal(long.connections.length, 3);
});

test("answers that are no HTTP, or ambiguous, are 502 and not retried", async (t) => {
  for (const answer of [
    "garbage\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"a".repeat(5_000)}\r\n\r\n`,
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
  ]) {
    const bad = await origin(t, (_, { socket }) => socket.write(answer));
    const upstream = upstreamOf([bad.port, bad.port]);
    const { port } = await serve(t, () => planFor(upstream));
    assert.match(await exchangeBytes(port, request("GET")), /^HTTP\/1\.1 502 /, answer);
    assert.equal(bad.requests.length, 1, answer);
  }
});

test("an answer that breaks off is cut, so that the client notices", async (t) => {
  const breaks = await origin(t, (text, { socket }) =>
    socket.end(
      text.startsWith("GET")
        ? "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"
        : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ),
  );
  const upstream = upstreamOf([breaks.port]);
  const { port } = await serve(t, () => planFor(upstream));
  assert.match(await exchangeBytes(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /\r\n\r\n0123456789$/);
  assert.match(await exchangeBytes(port, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"), /3\r\nabc\r\n$/);
});

test("connections are kept up to their number of requests", async (t) => {
  const works = await origin(t, good);
  const upstream = upstreamOf([works.port], { keepaliveRequests: 3 });
  const { port } = await serve(t, () => planFor(upstream));
  for (let i = 0; i < 7; i++) await exchangeBytes(port, request("GET"));
  assert.deepEqual(
    works.connections.map((connection) => connection.requests),
    [3, 3, 1],
  );
});

test("pass_host", async (t) => {
  const works = await origin(t, good);
  const plans: Record<string, Plan> = {
    "/node": planFor(upstreamOf([works.port], { passHost: "node" })),
    "/rewrite": planFor(upstreamOf([works.port], { passHost: "rewrite", upstreamHost: "up.org" })),
  };
  const { port } = await serve(t, (ctx) => plans[ctx.uri]!);
  for (const path of ["/node", "/rewrite"]) {
    await exchangeBytes(port, `GET ${path} HTTP/1.1\r\nHost: client\r\nConnection: close\r\n\r\n`);
  }
  assert.match(works.requests[0]!, new RegExp(`\r\nHost: 127.0.0.1:${works.port}\r\n[^]*X-Forwarded-Host: client`));
  assert.match(works.requests[1]!, /\r\nHost: up\.org\r\n/);
});

test("a client that goes away cancels the work upstream", async (t) => {
  const silent = await origin(t, () => {});
  const upstream = upstreamOf([silent.port]);
  const { port } = await serve(t, () => planFor(upstream));
  const waysToLeave = [(client: RawClient) => client.socket.resetAndDestroy(), (client: RawClient) => client.destroy()];
  for (const [i, leave] of waysToLeave.entries()) {
    const client = new RawClient(port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (silent.requests.length === i) await new Promise(setImmediate);
    leave(client);
    const { socket } = silent.connections[i]!;
    if (!socket.destroyed) await once(socket, "close");
  }
});

test("a client that ends its half still gets its answer", async (t) => {
  const works = await origin(t, (_, { socket }) => {
    setTimeout(() => socket.write(plainResponse("late")), 100);
  });
  const upstream = upstreamOf([works.port]);
  const { port } = await serve(t, () => planFor(upstream));
  const client = new RawClient(port);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.socket.end();
  assert.match(await client.end(), /late$/);
});

test("an early answer ends the request; the rest of its body is dropped", async (t) => {
  const early = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"));
  });
  early.listen(0, "127.0.0.1");
  await once(early, "listening");
  t.after(() => early.close());
  const address = early.address();
  const upstream = upstreamOf([typeof address === "object" && address !== null ? address.port : 0]);
  const { port } = await serve(t, () => planFor(upstream));
  const client = new RawClient(port);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
  await client.until(/early$/);
  client.send("56789GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.equal([...(await client.end()).matchAll(/early/g)].length, 2);
});

/** Bytes of which every position is recognisable. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

/** Waits until `progress` has stood still for a while: everything between the ends is full. */
async function standstill(progress: () => number): Promise<number> {
  let seen = -1;
  for (let still = 0; still < 5;) {
    const now = progress();
    still = now === seen ? still + 1 : 0;
    seen = now;
    await new Promise((resolve) => {
      setTimeout(resolve, 40);
    });
  }
  return seen;
}

const MiB = 1024 * 1024;
/** What the buffers of two TCP connections on one machine and ours may hold; the bodies are far larger. */
const IN_BETWEEN = 40 * MiB;
const BODY = 96 * MiB;

function digestOf(piece: Buffer): string {
  const hash = createHash("sha256");
  for (let sent = 0; sent < BODY; sent += piece.length) hash.update(piece);
  return hash.digest("hex");
}

for (const framing of ["length", "chunked", "close"]) {
  test(`a large answer (${framing}) waits for a slow reader and reaches it whole`, async (t) => {
    const piece = pattern(MiB);
    let sent = 0;
    const big = await origin(t, async (_, { socket }) => {
      const head = { length: `Content-Length: ${BODY}\r\n`, chunked: "Transfer-Encoding: chunked\r\n", close: "" }[
        framing
      ]!;
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n`);
      for (; sent < BODY; sent += piece.length) {
        if (framing === "chunked") socket.write(`${piece.length.toString(16)}\r\n`);
        const flowing = socket.write(piece);
        if (framing === "chunked") socket.write("\r\n");
        if (!flowing) await once(socket, "drain");
      }
      if (framing === "chunked") socket.write("0\r\n\r\n");
      if (framing === "close") socket.end();
    });
    const upstream = upstreamOf([big.port]);
    const { port } = await serve(t, () => planFor(upstream));
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write("GET / HTTP/1.0\r\n\r\n");
    while (big.requests.length === 0) await new Promise(setImmediate);
    assert.ok((await standstill(() => sent)) < IN_BETWEEN, `${sent} bytes taken`);
    const hash = createHash("sha256");
    let head = Buffer.alloc(0);
    let received = -1;
    for await (const data of socket as AsyncIterable<Buffer>) {
      let body = data;
      if (received < 0) {
        head = Buffer.concat([head, data]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0) continue;
        body = head.subarray(end + 4);
        received = 0;
      }
      received += body.length;
      hash.update(body);
    }
    assert.equal(received, BODY);
    assert.equal(hash.digest("hex"), digestOf(piece));
  });
}

for (const chunked of [false, true]) {
  test(`a large upload (${chunked ? "chunked" : "length"}) waits for a slow node and reaches it whole`, async (t) => {
    const piece = pattern(MiB);
    const hash = createHash("sha256");
    const accepted = Promise.withResolvers<Socket>();
    const sink = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on("error", () => {});
      let bytes = 0;
      const decoder = new ChunkedDecoder();
      let inHead = true;
      socket.on("data", (data: Buffer) => {
        const start = inHead ? data.indexOf("\r\n\r\n") + 4 : 0;
        inHead = false;
        let body = data.subarray(start);
        if (chunked) {
          assert.ok(decoder.decode(body, 0, body.length));
          body = body.subarray(decoder.from, decoder.to);
        }
        bytes += body.length;
        hash.update(body);
        if (chunked ? decoder.done : bytes === BODY) socket.write(plainResponse("done"));
      });
      socket.pause();
      accepted.resolve(socket);
    });
    sink.listen(0, "127.0.0.1");
    await once(sink, "listening");
    t.after(() => sink.close());
    const address = sink.address();
    const upstream = upstreamOf([typeof address === "object" && address !== null ? address.port : 0]);
    const { port } = await serve(t, () => planFor(upstream));
    const client = new RawClient(port);
    const framing = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${BODY}`;
    client.send(`PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${framing}\r\n\r\n`);
    let sent = 0;
    const upload = async (): Promise<void> => {
      for (; sent < BODY; sent += piece.length) {
        if (chunked) client.socket.write(`${piece.length.toString(16)}\r\n`);
        const flowing = client.socket.write(piece);
        if (chunked) client.socket.write("\r\n");
        if (!flowing) await once(client.socket, "drain");
      }
      if (chunked) client.socket.write("0\r\n\r\n");
    };
    const uploaded = upload();
    const node = await accepted.promise;
    assert.ok((await standstill(() => sent)) < IN_BETWEEN, `${sent} bytes taken`);
    node.resume();
    await uploaded;
    assert.match(await client.end(), /done$/);
    assert.equal(hash.digest("hex"), digestOf(piece));
  });
}

test("settings: the revision, server tokens, the status of the node", async (t) => {
  const works = await origin(t, good);
  const upstream = upstreamOf([works.port]);
  const settings = settingsWith({}, { showRevision: true, serverTokens: false, showUpstreamStatus: true });
  const { port } = await serve(t, () => planFor(upstream), settings);
  const answer = await exchangeBytes(port, request("GET"));
  assert.match(answer, /\r\nX-APISIX-Upstream-Status: 200\r\nServer: Turnpike\r\nX-Turnpike-Revision: 0; worker=0\r\n/);
});

test("an upgrade becomes a tunnel where the route has WebSocket enabled, else a plain request", async (t) => {
  const switches = await origin(t, (text, { socket }) => {
    if (!/^upgrade: websocket/im.test(text)) {
      socket.write(plainResponse("plain"));
      return;
    }
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
    socket.on("data", (data: Buffer) => socket.write(data));
  });
  const upstream = upstreamOf([switches.port]);
  const { port } = await serve(t, (ctx) => planFor(upstream, { enableWebsocket: ctx.uri === "/ws" }));
  const upgrade = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  const client = new RawClient(port);
  client.send(`GET /ws ${upgrade}early`);
  await client.until(/helloearly$/);
  client.send(" late");
  await client.until(/ late$/);
  client.socket.end();
  assert.match(
    await client.end(),
    /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nServer: [^\r]*\r\n\r\nhelloearly late$/,
  );
  const plain = new RawClient(port);
  t.after(() => plain.destroy());
  plain.send(`GET /plain ${upgrade}`);
  await plain.until(/plain$/);
  assert.doesNotMatch(switches.requests[1]!, /Upgrade|Connection/);
});
