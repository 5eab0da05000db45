import assert from "node:assert/strict";
import { once } from "node:events";
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import type { Upstream } from "../upstream/upstream.ts";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, RawClient } from "./raw-peers.ts";

/** gRPC nodes behind clients of HTTP/1.1: what happens on the streams and sessions of HTTP/2. */

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Node {
  readonly port: number;
  readonly server: Http2Server;
  readonly sessions: ServerHttp2Session[];
}

async function startNode(t: TestContext, handler: Handler, settings: Settings = {}): Promise<Node> {
  const sessions: ServerHttp2Session[] = [];
  const server = createServer({ settings });
  server.on("session", (session) => sessions.push(session));
  server.on("sessionError", () => {});
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => {});
    handler(stream, headers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, sessions };
}

async function gateway(t: TestContext, ports: readonly number[], changes: Partial<Upstream> = {}) {
  const plan = planFor(upstreamOf(ports, { scheme: "grpc", ...changes }));
  const started = await startServer(() => plan);
  t.after(() => started.server.close());
  return started;
}

const call = (more = "", body = "5\r\nhello\r\n0\r\n\r\n"): string =>
  `POST /pkg.Svc/Call HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Type: application/grpc\r\nConnection: close\r\n${more}\r\n${body}`;

/** Answers with what it was sent, and trailers. */
const echo: Handler = (stream) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "fine" }));
  stream.pipe(stream);
};

test("a call: the node's head, its body as it comes, its trailers", async (t) => {
  let seen: Record<string, unknown> = {};
  const node = await startNode(t, (stream, headers) => {
    seen = { ...headers };
    echo(stream, headers);
  });
  const { port } = await gateway(t, [node.port]);
  const answer = await exchangeBytes(
    port,
    call("X-Meta-Bin: AAEC\r\nX-Twice: 1\r\nX-Twice: 2\r\nCookie: a=1\r\nCookie: b=2\r\n"),
  );
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\nContent-Type: application\/grpc\r\nTransfer-Encoding: chunked\r\n/);
  assert.match(answer, /\r\n5\r\nhello\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n$/);
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(seen).filter(([name]) => !name.startsWith("x-forwarded") && name !== "x-real-ip"),
    ),
    {
      ":method": "POST",
      ":scheme": "http",
      ":authority": "a.test",
      ":path": "/pkg.Svc/Call",
      "content-type": "application/grpc",
      te: "trailers",
      "x-meta-bin": "AAEC",
      "x-twice": "1, 2",
      cookie: "a=1; b=2",
    },
  );
  assert.equal(seen["x-forwarded-for"], "127.0.0.1");
});

test("an answer of trailers only, and a request without a body whose type is not gRPC's", async (t) => {
  const types: unknown[] = [];
  const node = await startNode(t, (stream, headers) => {
    types.push(headers["content-type"]);
    stream.respond({ ":status": 200, "grpc-status": "12", "grpc-message": "no%20such" }, { endStream: true });
  });
  const { port } = await gateway(t, [node.port]);
  const answer = await exchangeBytes(
    port,
    "GET /x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
  );
  assert.match(
    answer,
    /^HTTP\/1\.1 200 OK\r\n[^]*grpc-status: 12\r\ngrpc-message: no%20such\r\n[^]*\r\n\r\n0\r\n\r\n$/,
  );
  assert.deepEqual(types, ["application/grpc"]);
});

test("both directions flow at once; calls share a session", async (t) => {
  const node = await startNode(t, echo);
  const { port } = await gateway(t, [node.port]);
  const clients = Array.from({ length: 20 }, () => new RawClient(port));
  for (const client of clients) client.send(call("", ""));
  for (let round = 0; round < 3; round++) {
    for (const client of clients) client.send(`2\r\nm${round}\r\n`);
    for (const client of clients) await client.until(`2\r\nm${round}\r\n`);
  }
  for (const client of clients) client.send("0\r\n\r\n");
  for (const client of clients) assert.match(await client.end(), /0\r\ngrpc-status: 0\r\n/);
  assert.equal(node.sessions.length, 1);
});

test("a client that goes away cancels its stream, and no other", async (t) => {
  const streams: ServerHttp2Stream[] = [];
  const node = await startNode(t, (stream, headers) => {
    streams.push(stream);
    echo(stream, headers);
  });
  const { port } = await gateway(t, [node.port]);
  const [stays, goes] = [new RawClient(port), new RawClient(port)];
  stays.send(call("", "1\r\na\r\n"));
  await stays.until("1\r\na\r\n");
  goes.send(call("", "1\r\nb\r\n"));
  await goes.until("1\r\nb\r\n");
  goes.destroy();
  await once(streams[1]!, "close");
  assert.equal(streams[1]!.rstCode, 8);
  stays.send("1\r\nc\r\n0\r\n\r\n");
  assert.match(await stays.end(), /1\r\nc\r\n0\r\ngrpc-status: 0/);
});

test("a stream that the node resets: 502 before the head, a cut after it", async (t) => {
  const node = await startNode(t, (stream, headers) => {
    const path = headers[":path"];
    if (path === "/early") {
      stream.close(2);
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.write("part", () => {
      if (path === "/session") stream.session?.destroy();
      else if (path === "/socket") stream.session?.socket.destroy();
      else if (path === "/goaway") stream.session?.destroy(undefined, 11);
      else stream.close(2);
    });
  });
  const { port, logged } = await gateway(t, [node.port]);
  const early = await exchangeBytes(port, call().replace("/pkg.Svc/Call", "/early"));
  assert.match(early, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.match(logged.join("\n"), /stream reset by the node: INTERNAL_ERROR \(UPSTREAM_CLOSED\)/);
  const late = await exchangeBytes(port, call());
  assert.match(late, /part\r\n$/);
  assert.equal(node.sessions.length, 1);
  for (const path of ["/session", "/socket", "/goaway"]) {
    const lost = await exchangeBytes(port, call().replace("/pkg.Svc/Call", path));
    assert.match(lost, /part\r\n$/, path);
  }
});

test("a refused stream is sent again; one that is refused twice goes to the next node", async (t) => {
  let refusals = 0;
  const busy = await startNode(t, (stream, headers) => {
    if (headers["x-refuse"] === "always" || (headers["x-refuse"] === "once" && refusals++ === 0)) stream.close(7);
    else echo(stream, headers);
  });
  const other = await startNode(t, (stream) => stream.respond({ ":status": 200, "x-other": "1" }, { endStream: true }));
  const alone = await gateway(t, [busy.port]);
  assert.match(await exchangeBytes(alone.port, call("X-Refuse: once\r\n")), /hello\r\n0\r\ngrpc-status: 0/);
  assert.match(await exchangeBytes(alone.port, call("X-Refuse: always\r\n")), /^HTTP\/1\.1 502 /);
  const both = await gateway(t, [busy.port, other.port]);
  for (let i = 0; i < 2; i++) {
    assert.match(await exchangeBytes(both.port, call("X-Refuse: always\r\n")), /x-other: 1/);
  }
});

test("GOAWAY: streams end where they are, new ones go to a new session", async (t) => {
  const node = await startNode(t, echo);
  const { port } = await gateway(t, [node.port]);
  const long = new RawClient(port);
  long.send(call("", "1\r\na\r\n"));
  await long.until("1\r\na\r\n");
  node.sessions[0]!.goaway(0);
  for (let i = 0; i < 3; i++) assert.match(await exchangeBytes(port, call()), /hello\r\n0\r\ngrpc-status: 0/);
  assert.equal(node.sessions.length, 2);
  long.send("1\r\nb\r\n0\r\n\r\n");
  assert.match(await long.end(), /1\r\nb\r\n0\r\ngrpc-status: 0/);
});

test("no more streams than the node allows: more sessions", async (t) => {
  let most = 0;
  const node = await startNode(
    t,
    (stream, headers) => {
      const { session } = stream;
      const open = (counts.get(session) ?? 0) + 1;
      counts.set(session, open);
      most = Math.max(most, open);
      stream.on("close", () => counts.set(session, (counts.get(session) ?? 0) - 1));
      echo(stream, headers);
    },
    { maxConcurrentStreams: 2 },
  );
  const counts = new Map<unknown, number>();
  const { port } = await gateway(t, [node.port]);
  const clients = Array.from({ length: 9 }, () => new RawClient(port));
  for (const client of clients) client.send(call("", "1\r\na\r\n"));
  for (const client of clients) await client.until("1\r\na\r\n");
  assert.equal(most, 2);
  assert.equal(node.sessions.length, 5);
  for (const client of clients) client.send("0\r\n\r\n");
  for (const client of clients) assert.match(await client.end(), /grpc-status: 0/);
});

test("keepalive_pool: a session serves so many calls, and idle ones are not kept beyond its size", async (t) => {
  const node = await startNode(t, echo);
  const { port } = await gateway(t, [node.port], { keepaliveRequests: 3, keepalive: 1 });
  for (let i = 0; i < 6; i++) assert.match(await exchangeBytes(port, call()), /grpc-status: 0/);
  assert.equal(node.sessions.length, 2);
  const { port: off } = await gateway(t, [node.port], { keepaliveTimeoutMs: 0 });
  for (let i = 0; i < 3; i++) assert.match(await exchangeBytes(off, call()), /grpc-status: 0/);
  assert.equal(node.sessions.length, 5, "an idle_timeout of 0 keeps none");
});

test("the client's time for the call: 504, and the node is told", async (t) => {
  const closed = Promise.withResolvers<number>();
  const node = await startNode(t, (stream) => stream.on("close", () => closed.resolve(stream.rstCode)));
  const { port } = await gateway(t, [node.port]);
  const answer = await exchangeBytes(port, call("grpc-timeout: 100m\r\n"));
  assert.match(answer, /^HTTP\/1\.1 504 Gateway Time-out\r\n/);
  assert.match(answer, /X-APISIX-Upstream-Status: 504\r\n/);
  assert.equal(await closed.promise, 8);
});

test("a node that is silent, one that is not there, one that speaks HTTP/1.1", async (t) => {
  const silent = await startNode(t, () => {});
  const { port } = await gateway(t, [silent.port], { readTimeoutMs: 100 });
  assert.match(await exchangeBytes(port, call()), /^HTTP\/1\.1 504 /);

  const gone = await startNode(t, echo);
  await new Promise((resolve) => gone.server.close(resolve));
  const works = await startNode(t, echo);
  const { port: both } = await gateway(t, [gone.port, works.port]);
  for (let i = 0; i < 2; i++) assert.match(await exchangeBytes(both, call()), /hello\r\n0\r\ngrpc-status: 0/);
  const { port: none } = await gateway(t, [gone.port]);
  assert.match(await exchangeBytes(none, call()), /^HTTP\/1\.1 502 /);

  const old = await startServer(() => planFor(null));
  t.after(() => old.server.close());
  const { port: wrong } = await gateway(t, [old.port]);
  assert.match(await exchangeBytes(wrong, call()), /^HTTP\/1\.1 502 /);
});

test("a client that does not read holds the node back, and no other stream of the session", async (t) => {
  let written = 0;
  const chunk = Buffer.alloc(65_536);
  const node = await startNode(t, (stream, headers) => {
    if (headers[":path"] === "/other") {
      echo(stream, headers);
      return;
    }
    stream.respond({ ":status": 200 });
    const push = (): void => {
      do written += chunk.length;
      while (stream.write(chunk));
      stream.once("drain", push);
    };
    push();
  });
  const { port } = await gateway(t, [node.port]);
  const client = new RawClient(port);
  client.socket.pause();
  client.send(call());
  // Each of these takes longer than a piece that may flow, and leaves it time to.
  for (let i = 0; i < 50; i++) {
    assert.match(await exchangeBytes(port, call().replace("/pkg.Svc/Call", "/other")), /grpc-status: 0/);
  }
  assert.ok(written > 0 && written < 16 * 1_048_576, `${written} bytes were taken`);
  assert.equal(node.sessions.length, 1);
  client.destroy();
});

test("a node that does not read holds the client back", async (t) => {
  const node = await startNode(t, (stream, headers) => {
    if (headers[":path"] === "/other") echo(stream, headers);
    else stream.pause();
  });
  const { port } = await gateway(t, [node.port]);
  const client = new RawClient(port);
  client.send(call("", ""));
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  for (let i = 0; i < 1_024; i++) client.socket.write(chunk, "latin1");
  for (let i = 0; i < 50; i++) {
    assert.match(await exchangeBytes(port, call().replace("/pkg.Svc/Call", "/other")), /grpc-status: 0/);
  }
  const taken = client.socket.bytesWritten - client.socket.writableLength;
  assert.ok(taken < 32 * 1_048_576, `${taken} bytes were taken`);
  client.destroy();
});
