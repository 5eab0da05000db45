import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, RawClient, startOrigin } from "./raw-peers.ts";

/** What plugins ask for with `ctx.upstream.bufferBody`. */

test("bufferBody: the node is asked when the whole body is there, which can then be sent again", async (t) => {
  const body = "0123456789".repeat(20_000);
  let puts = 0;
  const answer: Parameters<typeof startOrigin>[0] = (request, { socket }) => {
    if (request.startsWith("PUT") && ++puts === 1) socket.destroy();
    else socket.write(plainResponse("good"));
  };
  const first = await startOrigin(answer);
  const second = await startOrigin(answer);
  t.after(() => Promise.all([first.close(), second.close()]));
  const plan = planFor(upstreamOf([first.port, second.port]), {
    access: [{ plugin: "tester", run: ({ upstream }) => void (upstream.bufferBody = true) }],
  });
  const { server, port } = await startServer(() => plan);
  t.after(() => server.close());

  const client = new RawClient(port);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  await client.until("100 Continue");
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  client.send(chunk(body.slice(0, 150_000)));
  // Answered by the same worker after it has taken what was sent before.
  await exchangeBytes(port, "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.equal([...first.requests, ...second.requests].filter((request) => request.startsWith("PUT")).length, 0);
  client.send(`${chunk(body.slice(150_000))}0\r\n\r\n`);
  await client.until(/good$/);
  for (const { requests } of [first, second]) {
    const put = requests.filter((request) => request.startsWith("PUT"));
    assert.equal(put.length, 1);
    assert.match(put[0]!, /\r\nContent-Length: 200000\r\n/);
    assert.ok(put[0]!.endsWith(`\r\n\r\n${body}`));
  }
});

test("bufferBody: a body of more than 1 MiB goes on as it comes", async (t) => {
  const size = 3 << 20;
  let received = 0;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const node = createServer((socket) => {
    socket.on("data", (data: Buffer) => {
      received += data.length;
      begin();
      if (received > size) socket.end(plainResponse(String(received > size)));
    });
  });
  node.listen(0, "127.0.0.1");
  await once(node, "listening");
  t.after(() => node.close());
  const plan = planFor(upstreamOf([(node.address() as AddressInfo).port]), {
    access: [{ plugin: "tester", run: ({ upstream }) => void (upstream.bufferBody = true) }],
  });
  const { server, port } = await startServer(() => plan);
  t.after(() => server.close());
  const client = new RawClient(port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
  client.socket.write(Buffer.alloc(2 << 20, "x"));
  await begun;
  client.socket.write(Buffer.alloc(1 << 20, "y"));
  assert.match(await client.end(), /true$/);
});
