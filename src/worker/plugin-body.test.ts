import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { RequestHandler } from "../compile/plan.ts";
import { reply } from "../plugin/plugin.ts";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, type RawOrigin, startOrigin } from "./raw-peers.ts";

// Plugins that read the body, replace it or limit its size.

type Run = RequestHandler["run"];

/** A gateway with these handlers in `rewrite`, before a node that answers with the request as it came. */
async function gateway(t: TestContext, ...handlers: readonly Run[]): Promise<number> {
  const origin: RawOrigin = await startOrigin((request, { socket }) => socket.write(plainResponse(request)));
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port]), { rewrite: handlers.map((run) => ({ plugin: "tester", run })) });
  const started = await startServer(() => plan);
  t.after(() => started.server.close());
  return started.port;
}

const post = (framing: string, body: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${framing}\r\n\r\n${body}`;
const sized = (body: string): string => post(`Content-Length: ${body.length}`, body);
const chunked = (...chunks: readonly string[]): string =>
  post(
    "Transfer-Encoding: chunked",
    [...chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`), "0\r\n\r\n"].join(""),
  );

test("a plugin reads the body, which goes to the node all the same", async (t) => {
  const seen: (string | null)[] = [];
  const read: Run = async (ctx) => void seen.push((await ctx.readBody(10))?.toString() ?? null);
  const port = await gateway(t, read, read);
  assert.match(await exchangeBytes(port, sized("hello")), /Content-Length: 5\r\n[^]*hello$/);
  assert.match(await exchangeBytes(port, chunked("hel", "lo")), /hello/);
  assert.match(await exchangeBytes(port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /GET \//);
  assert.deepEqual(seen, ["hello", "hello", "hello", "hello", "", ""]);
});

test("a body beyond the plugin's limit is not kept but goes to the node", async (t) => {
  const seen: unknown[] = [];
  const port = await gateway(
    t,
    async (ctx) => void seen.push(await ctx.readBody(4)),
    async (ctx) => void seen.push((await ctx.readBody(100_000))?.length),
  );
  assert.match(await exchangeBytes(port, sized("hello")), /hello$/);
  assert.match(await exchangeBytes(port, chunked("hel", "lo")), /hello/);
  const long = "x".repeat(90_000);
  assert.ok((await exchangeBytes(port, chunked(long))).includes(long));
  assert.deepEqual(seen, [null, 5, null, 5, null, 90_000]);
});

test("the body of a plugin goes instead of the client's, with its length", async (t) => {
  const port = await gateway(t, async (ctx) => {
    await ctx.readBody(100);
    ctx.upstream.body = Buffer.from("longer than before");
  });
  for (const request of [sized("short"), chunked("sho", "rt")]) {
    const answer = await exchangeBytes(port, request);
    assert.match(answer, /Content-Length: 18\r\n[^]*longer than before/);
    assert.doesNotMatch(answer, /short|Transfer-Encoding: chunked\r\n[^]*Transfer-Encoding/);
  }
});

test("a plugin that answers after it has read a part ends the request in order", async (t) => {
  const port = await gateway(t, async (ctx) => ((await ctx.readBody(3)) === null ? reply(403, "no") : undefined));
  const two = sized("hello").replace("Connection: close\r\n", "") + sized("ok");
  const answers = await exchangeBytes(port, two);
  assert.match(answers, /^HTTP\/1.1 403 [^]*no[^]*HTTP\/1.1 200 [^]*ok/);
});

test("limitBody refuses what is longer, announced or not", async (t) => {
  const port = await gateway(t, (ctx) => ctx.limitBody(5));
  assert.match(await exchangeBytes(port, sized("12345")), /^HTTP\/1.1 200 /);
  assert.match(await exchangeBytes(port, sized("123456")), /^HTTP\/1.1 413 /);
  assert.match(await exchangeBytes(port, chunked("123", "456")), /^HTTP\/1.1 413 /);
  const late = await gateway(
    t,
    async (ctx) => void (await ctx.readBody(100)),
    (ctx) => ctx.limitBody(5),
  );
  assert.match(await exchangeBytes(late, chunked("123", "456")), /^HTTP\/1.1 413 /);
});
