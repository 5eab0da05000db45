import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { RawClient, startOrigin } from "./raw-peers.ts";

/**
 * Answers of all connections are read into the same few buffers, which are written out
 * without a copy where the client takes them at once. No answer may show a byte of another.
 */

const CLIENTS = 40;
/** Around the sizes of reads and buffers; the last is more than the kernel takes at once. */
const SIZES = [100, 16_000, 65_000, 65_536, 73_000, 140_000, 700_000, 12_000_000];

test("readers slow and fast at once, every framing: each gets the bytes of its own answer", async (t) => {
  const origin = await startOrigin((request, { socket }) => {
    const [, framing, size, mark] = /^GET \/(\w+)\/(\d+)\/(\d+) /.exec(request)!;
    const body = bodyOf(Number(size), Number(mark));
    const framed =
      framing === "length"
        ? `Content-Length: ${size}\r\n\r\n${body}`
        : `Transfer-Encoding: chunked\r\n\r\n${chunks(body)}0\r\n\r\n`;
    const head = `HTTP/1.1 200 OK\r\nX-Filler: ${"f".repeat(3_000)}\r\n`;
    // A head in two pieces is put together before it is read, with what follows in the same packet.
    socket.write(head.slice(0, 2_000));
    setImmediate(() => socket.write(head.slice(2_000) + framed));
  });
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port]));
  const { server, port } = await startServer(() => plan);
  t.after(() => server.close());

  const ask = async (number: number): Promise<void> => {
    for (let turn = 0; turn < 2; turn++) {
      const size = SIZES[(number + turn * 3) % SIZES.length]!;
      const framing = number % 2 === 0 ? "length" : "chunked";
      const client = new RawClient(port);
      t.after(() => client.destroy());
      if (number % 3 !== 0) client.socket.pause();
      client.send(`GET /${framing}/${size}/${number} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      // What the kernel does not take waits in the gateway's buffers meanwhile.
      await setTimeout(number % 3 === 0 ? 0 : 100);
      client.socket.resume();
      const answer = await client.end();
      const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
      const received = framing === "length" ? body : unchunked(body);
      // Comparing strings of megabytes by `equal` would print them.
      assert.ok(
        received === bodyOf(size, number),
        `client ${number}, turn ${turn}: ${received.length} of ${size} bytes`,
      );
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => ask(number)));
});

/** Lines that say whose they are and where in the body they stand. */
function bodyOf(size: number, mark: number): string {
  let body = "";
  for (let line = 0; body.length < size; line++) body += `${mark}:${line}`.padEnd(200, ".");
  return body.slice(0, size);
}

function chunks(body: string): string {
  let text = "";
  for (let at = 0; at < body.length; at += 40_000) {
    const chunk = body.slice(at, at + 40_000);
    text += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
  }
  return text;
}

function unchunked(text: string): string {
  let body = "";
  for (let at = 0; ;) {
    const end = text.indexOf("\r\n", at);
    const size = parseInt(text.slice(at, end), 16);
    if (!(size > 0)) return body;
    body += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}
