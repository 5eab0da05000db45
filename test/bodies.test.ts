import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { pipeline, Readable } from "node:stream";
import { pipeline as pipelineOf } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask, bodyOf, closing, exchangeBytes, Wire } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import type { Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";
import { serving, to } from "./support/serving.ts";

// Bodies of requests and answers: their framing, their order, their size.

test("request bodies: with a length, chunked, none; of any method; byte for byte", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 })] });
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"]) {
    const headers = { "Content-Length": String(bytes.length) };
    const got = echoOf(await ask(gateway.httpPort, "/b", { method, headers, body: bytes }));
    assert.equal(got.body, bytes.toString("latin1"), method);
    assert.ok(got.headers.includes("Content-Length: 256"), method);
  }
  const chunked = echoOf(
    await ask(gateway.httpPort, "/b", { method: "POST", headers: { "Transfer-Encoding": "chunked" }, body: bytes }),
  );
  assert.equal(chunked.body, bytes.toString("latin1"));
  assert.ok(chunked.headers.some((line) => /^(Transfer-Encoding: chunked|Content-Length: 256)$/.test(line)));
  const empty = echoOf(
    await ask(gateway.httpPort, "/b", { method: "PUT", headers: { "Transfer-Encoding": "chunked" } }),
  );
  assert.ok(
    empty.headers.some((line) => /^(Transfer-Encoding: chunked|Content-Length: 0)$/.test(line)),
    "an empty body that was framed stays so",
  );
  const none = echoOf({ text: bodyOf(await exchangeBytes(gateway.httpPort, `POST /b ${closing}`)) });
  assert.deepEqual([none.body, none.headers.filter((line) => /^(content-length|transfer)/i.test(line))], ["", []]);
});

test("Expect: 100-continue is answered by the gateway, a body in one go is taken as well", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 })] });
  const head = "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
  const wire = new Wire(gateway.httpPort);
  wire.send(head);
  await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  wire.send("abc");
  await wire.closed;
  assert.match(wire.received, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  const echoed = echoOf({ text: bodyOf(bodyOf(wire.received)) });
  assert.equal(echoed.body, "abc");
  assert.ok(!echoed.headers.some((line) => line.startsWith("Expect")));
  assert.match(await exchangeBytes(gateway.httpPort, `${head}abc`), /HTTP\/1\.1 200 OK\r\n.*"body":"abc"/s);
});

test("bodies of 100 MB, both ways, to a reader that waits: the memory of the gateway stays bounded", async (t) => {
  const megabytes = 100;
  const piece = Buffer.alloc(1 << 20, "0123456789abcdef");
  const origin = await startOrigin(t, "big", (request, response) => {
    if (request.method === "GET") {
      pipeline(pieces(piece, megabytes), response, () => undefined);
      return;
    }
    // Reads only when the sender cannot send any more.
    request.socket.pause();
    void stalled(() => sent).then(async () => {
      request.socket.resume();
      response.end(await digestOf(request));
    });
  });
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  const expected = await digestOf(pieces(piece, megabytes));
  const before = memoryOf(gateway, "VmRSS");

  let sent = 0;
  const counted = pieces(piece, megabytes, () => sent++);
  const post = request({ port: gateway.httpPort, host: "127.0.0.1", method: "POST", agent: false });
  post.setHeader("Content-Length", megabytes * piece.length);
  const answered = once(post, "response") as Promise<[IncomingMessage]>;
  await pipelineOf(counted, post);
  const [uploaded] = await answered;
  assert.equal(uploaded.statusCode, 200);
  assert.equal(String(await uploaded.setEncoding("utf8").toArray()), expected);

  const get = request({ port: gateway.httpPort, host: "127.0.0.1", agent: false }).end();
  const [downloaded] = (await once(get, "response")) as [IncomingMessage];
  await stalled(() => downloaded.socket.bytesRead);
  assert.equal(await digestOf(downloaded), expected);

  const grown = memoryOf(gateway, "VmHWM") - before;
  assert.ok(grown < 48 << 20, `grew by ${grown >> 20} MiB`);
});

test("pipelined requests are answered in their order", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 })] });
  const answers = await exchangeBytes(
    gateway.httpPort,
    "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
      "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
      `GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /4 ${closing}`,
  );
  assert.deepEqual(answers.match(/"uri":"[^"]+"/g), ['"uri":"/1"', '"uri":"/2"', '"uri":"/none"', '"uri":"/4"']);
  assert.deepEqual(answers.match(/"body":"[^"]*"/g), ['"body":"abc"', '"body":"def"', '"body":""', '"body":""']);
});

/** The same piece again and again; `taken` is told of each. */
function pieces(piece: Buffer, count: number, taken: () => void = () => undefined): Readable {
  let left = count;
  return new Readable({
    read() {
      taken();
      this.push(left-- > 0 ? piece : null);
    },
  });
}

/** Resolves when the count has stood still for a while: whoever counts has to wait for somebody else. */
async function stalled(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); await setTimeout(100)) last = count();
}

async function digestOf(stream: Readable): Promise<string> {
  const hash = createHash("sha1");
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A line of /proc/PID/status of the gateway, in bytes. */
function memoryOf(gateway: Gateway, name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
}
