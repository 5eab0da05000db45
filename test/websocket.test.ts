import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import autocannon from "autocannon";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { times } from "./support/extent.ts";
import type { Gateway } from "./support/gateway.ts";
import { bytesFrom, chance } from "./support/interop/chance.ts";
import { type Origin, startOrigin } from "./support/origin.ts";
import { serving, to } from "./support/serving.ts";

// Connections on which much follows each other: WebSocket messages by a real library on both
// sides, and pipelined requests.

const MESSAGES = times(10_000, 3_000);
/** Requests that are pipelined. */
const PIPELINED = times(10_000, 3_000);
const MAX_MESSAGE = 65_536;
/** Messages that are on their way at once. */
const AHEAD = 50;

interface Message {
  readonly content: Buffer;
  readonly binary: boolean;
}

test(`a WebSocket library echoes ${MESSAGES} messages, text and binary, up to 64 KiB`, async (t) => {
  const { gateway } = await startEcho(t);
  const socket = await openSocket(t, gateway);
  const messages = mixedMessages();
  let next = 0;
  let answered = 0;
  const send = (): void => {
    const message = messages[next++];
    if (message !== undefined) socket.send(message.content, { binary: message.binary });
  };
  const done = new Promise<void>((resolve, reject) => {
    socket.once("close", (code) => reject(new Error(`closed with ${code} after ${answered} answers`)));
    socket.on("message", (data: RawData, binary: boolean) => {
      const { content, binary: sentBinary } = messages[answered]!;
      if (binary !== sentBinary || !content.equals(data as Buffer)) reject(new Error(`message ${answered} differs`));
      answered++;
      if (answered === MESSAGES) resolve();
      send();
    });
  });
  for (let i = 0; i < AHEAD; i++) send();
  await done;
  socket.removeAllListeners("close");
  socket.close(4_001, "that was all");
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  assert.deepEqual([code, String(reason)], [4_001, "that was all"]);
});

test("a WebSocket without traffic ends with the read timeout, one with pings stays", async (t) => {
  const { gateway, sockets } = await startEcho(t, { timeout: { connect: 1, send: 1, read: 1 } });
  const silent = await openSocket(t, gateway);
  const busy = await openSocket(t, gateway);
  const ended = once(silent, "close");
  const pings = setInterval(() => busy.ping(), 100);
  t.after(() => clearInterval(pings));
  const [code] = (await ended) as [number];
  assert.equal(code, 1_006, "closed without a closing handshake");
  // As long again as it took the silent one to end, and more.
  await setTimeout(1_500);
  assert.equal(busy.readyState, WebSocket.OPEN);
  busy.send("still there");
  assert.equal(String((await once(busy, "message"))[0]), "still there");
  assert.equal(sockets.clients.size, 1, "the origin's end of the silent one is closed as well");
});

test("autocannon --pipelining 10 gets the answer to each request", async (t) => {
  const origin = await startNumbered(t);
  const { httpUrl } = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  const wrong: string[] = [];
  let answers = 0;
  const requests = Array.from({ length: 100 }, (_, number) => ({
    method: "GET" as const,
    path: `/${number}`,
    onResponse: (status: number, body: string) => {
      answers++;
      if (status !== 200 || body !== numberedBody(number)) wrong.push(`/${number}: ${status} ${body.slice(0, 20)}`);
    },
  }));
  const result = await autocannon({ url: httpUrl, connections: 10, pipelining: 10, amount: PIPELINED, requests });
  assert.deepEqual(wrong, []);
  assert.deepEqual([result.errors, result.timeouts, result.non2xx, result["2xx"]], [0, 0, 0, answers]);
  // It leaves without the last answers of each connection once it has sent its share.
  assert.equal(answers, PIPELINED - 10 * 9);
});

test("a raw client that pipelines, bodies in between, gets its answers in order", async (t) => {
  const origin = await startNumbered(t);
  const { httpPort } = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  const next = chance(3);
  // As many as one connection may carry by default.
  const count = 1_000;
  let sent = "";
  let expected = "";
  for (let number = 0; number < count; number++) {
    const close = number === count - 1 ? "Connection: close\r\n" : "";
    const body = "x".repeat(Math.floor(next() * 100));
    const kind = Math.floor(next() * 3);
    if (kind === 0) sent += `GET /${number} HTTP/1.1\r\nHost: a\r\n${close}\r\n`;
    else if (kind === 1) {
      sent += `POST /${number} HTTP/1.1\r\nHost: a\r\n${close}Content-Length: ${body.length}\r\n\r\n${body}`;
    } else {
      const chunk = body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`;
      sent += `PUT /${number} HTTP/1.1\r\nHost: a\r\n${close}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
    }
    expected += numberedBody(number);
  }
  const received = await exchangePieces(httpPort, Buffer.from(sent, "latin1"), next);
  const heads = received.match(/HTTP\/1\.1 200 OK\r\n/g)?.length;
  assert.equal(heads, count);
  const bodies = received.match(/<\d+-*>/g)?.join("");
  assert.equal(bodies, expected);
});

/** An echoing WebSocket server behind a gateway. */
async function startEcho(
  t: TestContext,
  upstream: object = {},
): Promise<{ gateway: Gateway; sockets: WebSocketServer }> {
  const origin = await startOrigin(t);
  const sockets = new WebSocketServer({ server: origin.server });
  t.after(() => {
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data as Buffer, { binary }));
    socket.on("error", () => undefined);
  });
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 }, upstream, { enable_websocket: true })] });
  return { gateway, sockets };
}

async function openSocket(t: TestContext, gateway: Gateway): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.httpPort}/echo`);
  t.after(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

/** Of every length up to 64 KiB, short ones more often; the limits of WebSocket's length fields among them. */
function mixedMessages(): Message[] {
  const next = chance(2);
  const source = bytesFrom(2, MAX_MESSAGE);
  const text = Buffer.from(source.toString("base64").slice(0, MAX_MESSAGE));
  const limits = [0, 1, 125, 126, 127, 65_535, 65_536];
  return Array.from({ length: MESSAGES }, (_, index) => {
    const binary = index % 2 === 0;
    const size = limits[index % 200] ?? Math.floor(next() ** 3 * MAX_MESSAGE);
    const from = Math.floor(next() * (MAX_MESSAGE - size));
    return { binary, content: (binary ? source : text).subarray(from, from + size) };
  });
}

/** An origin that answers `/N` with the number, after a while that differs. */
async function startNumbered(t: TestContext): Promise<Origin> {
  const next = chance(4);
  return await startOrigin(t, "numbered", (request, response) => {
    const number = Number(request.url?.slice(1));
    request.resume().once("end", () => {
      const answer = (): void => void response.end(numberedBody(number));
      if (next() < 0.3) setImmediate(answer);
      else answer();
    });
  });
}

/** Bodies of many lengths, so that one that is cut or doubled is seen. */
function numberedBody(number: number): string {
  return `<${number}${"-".repeat((number * 37) % 2_000)}>`;
}

/** Writes in pieces of any size, which cut heads and bodies anywhere, and reads to the end. */
async function exchangePieces(port: number, bytes: Buffer, next: () => number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const parts: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => parts.push(chunk));
  const closed = once(socket, "close");
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(next() * 2_000);
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, "drain");
    at += size;
    if (next() < 0.3) await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  return Buffer.concat(parts).toString("latin1");
}
