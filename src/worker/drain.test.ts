import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { plainResponse, RawClient, type RawOrigin, startOrigin } from "./raw-peers.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function gateway(t: TestContext, delayMs: number) {
  const origin = await startOrigin((_, { socket }) => {
    if (delayMs !== Infinity) setTimeout(() => socket.write(plainResponse("answer")), delayMs);
  });
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port]));
  const started = await startServer(() => plan);
  t.after(() => started.server.close());
  return { ...started, origin };
}

/** Resolves once a request has reached the origin. */
async function asked({ requests }: RawOrigin): Promise<void> {
  while (requests.length === 0) await new Promise(setImmediate);
}

test("what is in flight is finished and told to close; new connections are refused", async (t) => {
  const { server, port, origin } = await gateway(t, 150);
  const client = new RawClient(port);
  client.send(GET);
  await asked(origin);
  const drained = server.drain(60_000);
  assert.match(await client.end(), /Connection: close\r\n[^]*answer$/);
  await drained;
  const late = connect(port, "127.0.0.1");
  await assert.rejects(once(late, "connect"), /ECONNREFUSED/);
});

test("an idle connection may ask once more within its grace", async (t) => {
  const { server, port } = await gateway(t, 0);
  const client = new RawClient(port);
  client.send(GET);
  await client.until(/answer$/);
  const silent = new RawClient(port);
  silent.send(GET);
  await silent.until(/answer$/);
  const drained = server.drain(60_000);
  // Some turns later, and well within the grace.
  await new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
  client.send(GET);
  assert.match(await client.end(), /keep-alive[^]*answerHTTP[^]*Connection: close\r\n[^]*answer$/);
  assert.match(await silent.end(), /answer$/);
  await drained;
});

test("at the deadline the rest is cut", async (t) => {
  const { server, port, origin } = await gateway(t, Infinity);
  const client = new RawClient(port);
  client.send(GET);
  await asked(origin);
  await server.drain(100);
  assert.equal(await client.end(), "");
});

test("drain under load: no request on a connection that was accepted fails", async (t) => {
  const { server, port } = await gateway(t, 1);
  let answered = 0;
  let failed = 0;
  let stop = false;
  const one = async (): Promise<void> => {
    while (!stop) {
      const client = new RawClient(port);
      const connected = await new Promise<boolean>((resolve) => {
        client.socket.on("connect", () => resolve(true));
        client.socket.on("close", () => resolve(false));
      });
      if (!connected) return;
      client.send(GET);
      try {
        await client.until(/answer$/);
        answered++;
        client.send(GET);
        await client.until(/answer[^]*answer$/);
        answered++;
      } catch {
        // Either the answer said that the connection would be closed, or the kernel reset what
        // was waiting to be accepted.
        if (client.received !== "" && !client.received.includes("Connection: close")) failed++;
      }
      client.destroy();
    }
  };
  const clients = Array.from({ length: 16 }, one);
  while (answered < 500) await new Promise(setImmediate);
  await server.drain(60_000);
  stop = true;
  await Promise.all(clients);
  assert.equal(failed, 0);
});
