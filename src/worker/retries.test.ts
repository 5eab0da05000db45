import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { freePort } from "../../test/support/ports.ts";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, RawClient, startOrigin } from "./raw-peers.ts";

/** What is repeated: only what was never sent, or is idempotent and still there in whole. */

type Answer = Parameters<typeof startOrigin>[0];

const CLOSE = "Connection: close\r\n";
const withBody = (method: string, size: number): string =>
  `${method} / HTTP/1.1\r\nHost: a\r\n${CLOSE}Content-Length: ${size}\r\n\r\n${"x".repeat(size)}`;

async function gateway(t: TestContext, ports: readonly number[]): Promise<number> {
  const plan = planFor(upstreamOf(ports));
  const { server, port } = await startServer(() => plan);
  t.after(() => server.close());
  return port;
}

async function origin(t: TestContext, answer: Answer) {
  const started = await startOrigin(answer);
  t.after(() => started.close());
  return started;
}

test("a stale connection is made good for once, by a fresh one, and not for a POST", async (t) => {
  // The first connection answers once; whatever comes after that is closed.
  const node = await origin(t, ({ length }, connection) => {
    const first = connection.number === 1 && connection.requests === 1;
    if (first && length > 0) connection.socket.write(plainResponse("good"));
    else connection.socket.destroy();
  });
  const port = await gateway(t, [node.port]);
  const get = `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}\r\n`;
  assert.match(await exchangeBytes(port, get), /good$/);
  assert.match(await exchangeBytes(port, get), /^HTTP\/1\.1 502 [^]*\r\nX-APISIX-Upstream-Status: 502\r\n/);
  assert.equal(node.requests.length, 3);
  assert.equal(node.connections.length, 2);

  const once = await origin(t, (_, connection) => {
    if (connection.requests === 1) connection.socket.write(plainResponse("good"));
    else connection.socket.destroy();
  });
  const other = await gateway(t, [once.port]);
  assert.match(await exchangeBytes(other, get), /good$/);
  assert.match(await exchangeBytes(other, withBody("POST", 3)), /^HTTP\/1\.1 502 /);
  assert.equal(once.requests.length, 2);
});

test("a body is sent again while all of it is kept, and not beyond", async (t) => {
  for (const [size, repeated] of [
    [60_000, true],
    [200_000, false],
  ] as const) {
    let asked = 0;
    const answer: Answer = (_, { socket }) => {
      if (++asked === 1) socket.destroy();
      else socket.write(plainResponse("good"));
    };
    const nodes = [await origin(t, answer), await origin(t, answer)];
    const port = await gateway(
      t,
      nodes.map((node) => node.port),
    );
    const text = await exchangeBytes(port, withBody("PUT", size));
    assert.match(text, repeated ? /good$/ : /^HTTP\/1\.1 502 [^]*\r\nX-APISIX-Upstream-Status: 502\r\n/);
    const sent = nodes.flatMap(({ requests }) => requests);
    assert.equal(sent.length, repeated ? 2 : 1);
    assert.ok(sent.every((request) => request.endsWith(`\r\n\r\n${"x".repeat(size)}`)));
  }
});

test("a long POST that no node has got yet goes to the next node", async (t) => {
  const node = await origin(t, (_, { socket }) => socket.write(plainResponse("good")));
  const port = await gateway(t, [await freePort(), node.port]);
  for (let i = 0; i < 2; i++) assert.match(await exchangeBytes(port, withBody("POST", 900_000)), /good$/);
  assert.ok(node.requests.every((request) => request.endsWith(`\r\n\r\n${"x".repeat(900_000)}`)));
  assert.equal(node.requests.length, 2);
});

test("an answer that comes before the body has been read is passed on, though the node then resets", async (t) => {
  const node = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.pause();
      // What is unread at the end makes it a reset.
      socket.write(`HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n${CLOSE}\r\nno!`, () => socket.destroy());
    });
  }).listen(0, "127.0.0.1");
  await once(node, "listening");
  t.after(() => node.close());
  const port = await gateway(t, [(node.address() as AddressInfo).port]);
  for (let i = 0; i < 10; i++) {
    const client = new RawClient(port);
    t.after(() => client.destroy());
    client.send(withBody("POST", 8_000_000));
    assert.match(await client.until("no!"), /^HTTP\/1\.1 413 Too Much\r\n/);
  }
});
