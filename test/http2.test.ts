import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect as connectPlain } from "node:net";
import { after, before, test } from "node:test";
import { text } from "node:stream/consumers";
import { type Gateway, makePrefix, routeTo, runIn } from "./support/gateway.ts";
import { floods } from "./support/h2-floods.ts";
import { type Frame, flags, frame, get, headers, RawHttp2, types } from "./support/h2-frames.ts";
import { allowed, frameRefusals, leftOut, messageRefusals } from "./support/h2-refusals.ts";
import { startOrigin, type Origin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

let gateway: Gateway;
let origin: Origin;
/** What the origin does with its next requests. */
let handle: (request: IncomingMessage, response: ServerResponse) => void;
const cleanup: (() => unknown)[] = [];

before(async () => {
  origin = await startOrigin({ after: (f: () => void) => cleanup.push(f) } as never, "origin", (request, response) =>
    handle(request, response),
  );
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const options = {
    workers: 1,
    standalone: { routes: [{ id: "1", ...routeTo(origin.node) }] },
    config: { nginx_config: { http: { client_max_body_size: "4m", access_log_format: "$server_protocol $uri" } } },
  };
  gateway = runIn(makePrefix(ports, options), ports, options);
  await gateway.until(200);
});
after(async () => {
  await gateway.close();
  for (const step of cleanup) step();
});

/** Answers with what came; nothing where the request was broken off. */
const echo = (request: IncomingMessage, response: ServerResponse): void => {
  const answer = (body: string): void => {
    const { method, url, rawHeaders, rawTrailers } = request;
    response.end(JSON.stringify({ method, url, rawHeaders, rawTrailers, body }));
  };
  void text(request).then(answer, () => response.destroy());
};

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly rawTrailers: readonly string[];
  readonly body: string;
}

function session(t: { after(step: () => void): void }): ClientHttp2Session {
  const client = connect(gateway.httpUrl);
  client.on("error", () => undefined);
  t.after(() => client.destroy());
  return client;
}

interface Answered {
  readonly status: number;
  readonly fields: Record<string, unknown>;
  readonly body: string;
  readonly trailers: Record<string, unknown>;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answered> {
  let fields: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on("response", (head) => (fields = head));
  stream.on("trailers", (tail) => (trailers = tail));
  const body = await text(stream);
  return { status: Number(fields[":status"]), fields, body, trailers };
}

test("a request of HTTP/2 reaches the node as one of HTTP/1.1", async (t) => {
  handle = echo;
  const client = session(t);
  const stream = client.request(
    {
      ":method": "POST",
      ":path": "/a//b?x=%2F",
      ":authority": "A.test:80",
      cookie: ["a=1", "b=2"],
      te: "trailers",
      "x-a": "1",
    },
    { endStream: false },
  );
  stream.end("body");
  const { status, fields, body } = await answerOf(stream);
  const seen = JSON.parse(body) as Echo;
  assert.equal(status, 200);
  assert.match(String(fields["server"]), /^Turnpike/);
  assert.equal(fields["connection"], undefined);
  assert.equal(fields["transfer-encoding"], undefined);
  assert.deepEqual([seen.method, seen.url, seen.body], ["POST", "/a//b?x=%2F", "body"]);
  const sent = new Map<string, string>();
  for (let i = 0; i < seen.rawHeaders.length; i += 2) sent.set(seen.rawHeaders[i]!, seen.rawHeaders[i + 1]!);
  assert.equal(sent.get("Host"), "A.test:80");
  assert.equal(sent.get("cookie"), "a=1; b=2");
  assert.equal(sent.get("x-a"), "1");
  assert.equal(sent.has("te"), false);
  assert.equal(sent.get("X-Forwarded-Proto"), "http");
});

test("answers without a body have none, and what a head is refused for is told by status", async (t) => {
  handle = (request, response) => {
    response.writeHead(request.url === "/204" ? 204 : 200, { "Content-Length": "5", "X-B": ["1", "2"] });
    response.end(request.method === "HEAD" ? "" : "12345");
  };
  const client = session(t);
  const head = await answerOf(client.request({ ":method": "HEAD" }));
  assert.deepEqual([head.status, head.fields["content-length"], head.fields["x-b"]], [200, "5", "1, 2"]);
  const long = await answerOf(client.request({ ":path": `/${"x".repeat(9_000)}` }));
  assert.equal(long.status, 414);
  const line = await answerOf(client.request({ "x-a": "x".repeat(9_000) }));
  assert.equal(line.status, 400);
  const connected = client.request({ ":method": "CONNECT", ":authority": "a.test:80" });
  assert.equal((await answerOf(connected)).status, 501);
  assert.equal((await answerOf(client.request({ ":path": "*", ":method": "OPTIONS" }))).status, 404);
});

test("bodies flow both ways at once, with trailers both ways", async (t) => {
  handle = (request, response) => {
    response.writeHead(200, { Trailer: "x-end" });
    request.on("data", (chunk: Buffer) => response.write(`<${String(chunk)}>`));
    request.on("end", () => {
      response.addTrailers({ "x-end": JSON.stringify(request.trailers) });
      response.end();
    });
  };
  const stream = session(t).request({ ":method": "POST" }, { endStream: false, waitForTrailers: true } as never);
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "7" }));
  let received = "";
  let trailers: Record<string, unknown> = {};
  stream.on("trailers", (fields) => (trailers = fields));
  for (const piece of ["a", "b", "c"]) {
    stream.write(piece);
    const [chunk] = (await once(stream, "data")) as [Buffer];
    received += String(chunk);
  }
  stream.end();
  await once(stream, "end");
  assert.equal(received, "<a><b><c>");
  assert.equal(trailers["x-end"], '{"x-sum":"7"}');
});

test("a client that resets its stream cancels the work for it; the connection stays", async (t) => {
  const client = session(t);
  const gone = Promise.withResolvers<void>();
  handle = (request, response) => {
    request.socket.once("close", () => gone.resolve());
    response.write("begun");
  };
  const stream = client.request();
  stream.on("error", () => undefined);
  await once(stream, "data");
  stream.close(constants.NGHTTP2_CANCEL);
  await gone.promise;
  handle = echo;
  assert.equal((await answerOf(client.request())).status, 200);
});

test("an answer that breaks off is reset, so that nobody takes it for whole", async (t) => {
  handle = (_request, response) => {
    response.write("begun", () => response.socket?.destroy());
  };
  const stream = session(t).request();
  const error = new Promise<NodeJS.ErrnoException>((resolve) => stream.once("error", resolve));
  stream.resume();
  await error;
  assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
});

test("a client that reads slowly holds the node back, and gets every byte", async (t) => {
  const total = 64;
  const chunk = Buffer.alloc(1_048_576, "x");
  let written = 0;
  handle = (request, response) => {
    if (request.url !== "/large") {
      response.end();
      return;
    }
    const more = (): void => {
      while (written < total) {
        written++;
        if (!response.write(chunk)) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  };
  const client = session(t);
  const stream = client.request({ ":path": "/large" });
  await once(stream, "response");
  // Another stream of the connection goes on meanwhile.
  assert.equal((await answerOf(client.request())).status, 200);
  assert.ok(written < total, `${written} MiB were taken from the node for nobody`);
  let bytes = 0;
  for await (const piece of stream) bytes += (piece as Buffer).length;
  assert.equal(bytes, total * chunk.length);
});

test("a body that is too large is answered with 413, and the rest of it is refused", async (t) => {
  handle = (request) => request.resume();
  const stream = session(t).request({ ":method": "POST" }, { endStream: false });
  stream.on("error", () => undefined);
  const answer = answerOf(stream);
  stream.write(Buffer.alloc(5 * 1_048_576));
  assert.equal((await answer).status, 413);
});

test("the preface may come in pieces; what only begins like it is a request that is refused", async () => {
  handle = echo;
  const client = new RawHttp2(gateway.httpPort, Buffer.alloc(0));
  client.socket.destroy();
  const socket = connectPlain(gateway.httpPort, "127.0.0.1");
  await once(socket, "connect");
  socket.setNoDelay(true);
  for (const byte of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
    await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
  }
  socket.write(Buffer.concat([frame(types.settings, 0), headers(1)]));
  const [first] = (await once(socket, "data")) as [Buffer];
  assert.equal(first[3], types.settings);
  socket.destroy();
  const other = connectPlain(gateway.httpPort, "127.0.0.1");
  other.end("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  assert.match(await text(other), /^HTTP\/1\.1 505 /);
});

for (const { section, what, send, expected } of [...frameRefusals, ...messageRefusals]) {
  test(`refused by section ${section}: ${what}`, async () => {
    handle = echo;
    const client = new RawHttp2(gateway.httpPort);
    client.send(...send);
    const refusal = await client.refusal();
    client.socket.destroy();
    assert.ok(expected.includes(refusal), refusal);
  });
}

for (const [section, what, send] of allowed) {
  test(`allowed by section ${section}: ${what}`, async () => {
    handle = echo;
    const client = new RawHttp2(gateway.httpPort);
    client.send(...send, headers(101));
    const ends = ({ type, stream, flags: flag }: Frame): boolean =>
      type === types.goaway || (stream === 101 && (flag & flags.endStream) !== 0);
    assert.equal((await client.until(ends))?.type, types.data);
    const refused = client.frames.filter(({ type, payload }) => type === types.reset && payload.readUInt32BE(0) !== 8);
    client.socket.destroy();
    assert.deepEqual(refused, []);
  });
}

test("refused by section 3.4: a preface that SETTINGS do not follow", async () => {
  const client = new RawHttp2(gateway.httpPort, frame(types.ping, 0, Buffer.alloc(8)));
  assert.equal(await client.refusal(), "GOAWAY PROTOCOL_ERROR");
  client.socket.destroy();
});

test("fields that are not well-formed reach nobody", async () => {
  const seen = Promise.withResolvers<readonly string[]>();
  handle = (request, response) => {
    seen.resolve(request.rawHeaders);
    response.end();
  };
  const client = new RawHttp2(gateway.httpPort);
  client.send(headers(1, [...get, ...leftOut, ["x-good", "1"]]));
  const names = (await seen.promise).filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  client.socket.destroy();
  assert.ok(names.includes("x-good"));
  for (const name of ["x a", "x-line", "x-smuggled", "x-zero", "x-blank"]) assert.ok(!names.includes(name), name);
});

for (const { what, send, expected } of floods) {
  test(`a flood is ended: ${what}`, async () => {
    handle = (request) => request.resume();
    const client = new RawHttp2(gateway.httpPort);
    await client.settled();
    client.send(...send());
    assert.match(await client.refusal(), expected);
    client.socket.destroy();
  });
}

test("after all this the gateway serves, and nothing is left of it", async (t) => {
  handle = echo;
  assert.equal((await answerOf(session(t).request())).status, 200);
  const workers = (await gateway.status("/status/workers")).json() as { workers: { restarts: number }[] };
  assert.equal(workers.workers[0]!.restarts, 0);
});

test("SIGTERM: a client is told to go, its streams finish, and the gateway ends with 0", async (t) => {
  const client = session(t);
  const finish = Promise.withResolvers<void>();
  handle = (_request, response) => {
    response.write("begun ");
    void finish.promise.then(() => response.end("finished"));
  };
  const stream = client.request();
  const answer = answerOf(stream);
  await once(stream, "response");
  const told = once(client, "goaway");
  gateway.child.kill("SIGTERM");
  assert.equal((await told)[0], constants.NGHTTP2_NO_ERROR);
  finish.resolve();
  assert.equal((await answer).body, "begun finished");
  assert.equal(await gateway.exited, 0);
  assert.match(gateway.errorLog, /draining/);
});
