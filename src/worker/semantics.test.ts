import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Plan } from "../compile/plan.ts";
import type { Settings } from "../settings/settings.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { planFor, settingsWith, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, RawClient, startOrigin } from "./raw-peers.ts";

/** What RFC 9110 and 9112 ask of a proxy, and the limits of `nginx_config.http`, on raw bytes. */

type Answer = Parameters<typeof startOrigin>[0];

interface Parts {
  readonly settings?: Settings;
  readonly upstream?: Partial<Upstream>;
  readonly plan?: Partial<Plan>;
}

async function proxy(t: TestContext, answer: Answer, parts: Parts = {}) {
  const origin = await startOrigin(answer);
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port], parts.upstream), parts.plan);
  const started = await startServer(() => plan, parts.settings);
  t.after(() => started.server.close());
  return { ...started, origin };
}

const good: Answer = (_, { socket }) => socket.write(plainResponse("good"));
const CLOSE = "Connection: close\r\n\r\n";

test("absolute-form: its authority is the Host, the node gets origin-form", async (t) => {
  const { port, origin } = await proxy(t, good);
  await exchangeBytes(port, `GET http://real.test:8080/a?b HTTP/1.1\r\nHost: other.test\r\n${CLOSE}`);
  await exchangeBytes(port, `GET http://real.test?b HTTP/1.1\r\nHost: other.test\r\n${CLOSE}`);
  assert.match(origin.requests[0]!, /^GET \/a\?b HTTP\/1\.1\r\nHost: real\.test:8080\r\n/);
  assert.match(origin.requests[1]!, /^GET \/\?b HTTP\/1\.1\r\nHost: real\.test\r\n/);
});

test("OPTIONS * passes as it is, CONNECT is refused", async (t) => {
  const { port, origin } = await proxy(t, good);
  assert.match(await exchangeBytes(port, `OPTIONS * HTTP/1.1\r\nHost: a\r\n${CLOSE}`), /good$/);
  assert.match(await exchangeBytes(port, `OPTIONS http://a HTTP/1.1\r\nHost: a\r\n${CLOSE}`), /good$/);
  for (const request of origin.requests) assert.match(request, /^OPTIONS \* HTTP\/1\.1\r\nHost: a\r\n/);
  const refused = await exchangeBytes(port, "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n");
  assert.match(refused, /^HTTP\/1\.1 501 [^]*\r\nConnection: close\r\n/);
  assert.equal(origin.requests.length, 2);
});

test("hop-by-hop fields end here in both directions, also those that Connection names; no Via", async (t) => {
  const { port, origin } = await proxy(t, (_, { socket }) =>
    socket.write(
      "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nLink: <a>\r\nLink: <b>\r\n\r\n" +
        plainResponse(
          "good",
          "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n" +
            "Upgrade: h2\r\nSet-Cookie: a\r\nX-End: 1\r\nset-cookie: b\r\n",
        ),
    ),
  );
  const fields =
    "Connection: X-One, close\r\nConnection: x-two\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: x\r\n" +
    "TE: trailers\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nUpgrade: websocket\r\n";
  const answer = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  assert.doesNotMatch(
    origin.requests[0]!,
    /^(?:x-one|x-two|connection|keep-alive|te|proxy-connection|proxy-authorization|upgrade|via):/im,
  );
  assert.match(origin.requests[0]!, /\r\nX-Three: 3\r\n/);
  assert.match(answer, /^HTTP\/1\.1 103 Early Hints\r\nLink: <a>\r\nLink: <b>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\nSet-Cookie: a\r\nX-End: 1\r\nset-cookie: b\r\n/);
  assert.doesNotMatch(answer, /^(?:x-hop|keep-alive|proxy-connection|upgrade|via):/im);
});

test("HTTP/1.0: closed by default, kept where asked, and no interim responses", async (t) => {
  const { port } = await proxy(t, (_, { socket }) =>
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${plainResponse("good")}`),
  );
  const once = await exchangeBytes(port, "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n");
  assert.match(once, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*good$/);
  assert.equal(once.split("good").length, 2);
  const kept = await exchangeBytes(port, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
  assert.equal(kept.split("good").length, 3);
});

test("trailers pass in both directions, without those that could change the message", async (t) => {
  const { port, origin } = await proxy(t, (_, { socket }) =>
    socket.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n",
    ),
  );
  const answer = await exchangeBytes(
    port,
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n${CLOSE}1\r\nx\r\n0\r\nX-T: 1\r\nHost: b\r\n\r\n`,
  );
  assert.match(origin.requests[0]!, /\r\nTrailer: X-T\r\n[^]*\r\n0\r\nX-T: 1\r\n\r\n$/);
  assert.match(answer, /\r\n0\r\nX-Sum: 1\r\n\r\n$/);
});

test("an answer that begins before the body has ended does not stop the body", async (t) => {
  const { port, origin } = await proxy(t, () => {});
  const client = new RawClient(port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n${CLOSE}abc`);
  while (!(origin.connections[0]?.pending.endsWith("abc") ?? false)) await new Promise(setImmediate);
  const node = origin.connections[0]!;
  node.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegun");
  await client.until(/begun$/);
  client.send("def");
  while (origin.requests.length === 0) await new Promise(setImmediate);
  assert.match(origin.requests[0]!, /abcdef$/);
  node.socket.write("ended");
  assert.match(await client.end(), /begunended$/);
});

test("a switch of protocols that nobody asked for is a bad answer", async (t) => {
  const { port } = await proxy(
    t,
    (_, { socket }) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    { plan: { enableWebsocket: true } },
  );
  assert.match(await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`), /^HTTP\/1\.1 502 /);
});

test("an upgrade that the node refuses is a plain answer, and the connection goes on", async (t) => {
  const { port } = await proxy(t, good, { plan: { enableWebsocket: true } });
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  const answer = await exchangeBytes(port, `${upgrade}GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`);
  assert.equal(answer.split("good").length, 3);
});

test("keepalive_requests: the last one is told so, what follows is not answered", async (t) => {
  const { port } = await proxy(t, good, { settings: settingsWith({ keepaliveRequests: 2 }) });
  const answer = await exchangeBytes(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
  assert.equal(answer.split("good").length, 3);
  assert.match(answer, /Connection: keep-alive\r\n[^]*Connection: close\r\n/);
});

test("keepalive_timeout of 0: every connection is used once", async (t) => {
  const { port } = await proxy(t, good, { settings: settingsWith({ keepaliveTimeoutMs: 0 }) });
  assert.match(await exchangeBytes(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /Connection: close\r\n[^]*good$/);
});

test("worker_connections: a flood of them is told nothing and kept nowhere", async (t) => {
  const { port, logged } = await proxy(t, good, { settings: settingsWith({ workerConnections: 1 }) });
  const first = new RawClient(port).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  t.after(() => first.destroy());
  await first.until(/good$/);
  const clients = Array.from({ length: 400 }, () => new RawClient(port));
  const answers = await Promise.all(clients.map((client) => client.end()));
  const told = answers.filter((answer) => answer.startsWith("HTTP/1.1 503 "));
  assert.ok(told.length > 0);
  assert.ok(answers.every((answer) => answer === "" || told.includes(answer)));
  assert.deepEqual(logged, ["1 worker_connections are not enough"]);
});

test("underscores_in_headers: off drops such fields, on passes them", async (t) => {
  for (const underscoresInHeaders of [false, true]) {
    const { port, origin } = await proxy(t, good, { settings: settingsWith({ underscoresInHeaders }) });
    await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\nX-B: 2\r\ncontent_length: 5\r\n${CLOSE}`);
    assert.equal(origin.requests[0]!.includes("X_A: 1\r\n"), underscoresInHeaders);
    assert.equal(origin.requests[0]!.includes("content_length: 5\r\n"), underscoresInHeaders);
    assert.match(origin.requests[0]!, /\r\nX-B: 2\r\n/);
  }
});

test("real_ip_header, real_ip_from, real_ip_recursive", async (t) => {
  const realIp = async (changes: Partial<Settings["http"]>, value: string): Promise<string> => {
    const settings = settingsWith({ realIpHeader: "X-Forwarded-For", ...changes });
    const { port, origin } = await proxy(t, good, { settings });
    await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${value}\r\n${CLOSE}`);
    return /\r\nX-Real-IP: ([^\r]*)/.exec(origin.requests[0]!)![1]!;
  };
  assert.equal(await realIp({}, "1.1.1.1, 2.2.2.2"), "2.2.2.2");
  assert.equal(await realIp({}, "1.1.1.1, 2.2.2.2, "), "2.2.2.2");
  assert.equal(await realIp({}, "1.1.1.1 [2001:db8::1]:99"), "2001:db8::1");
  assert.equal(await realIp({}, "unknown"), "127.0.0.1");
  const recursive = { realIpRecursive: true, realIpFrom: ["127.0.0.1", "10.0.0.0/8"] };
  assert.equal(await realIp(recursive, "9.9.9.9, 1.1.1.1, 10.0.0.2, 10.0.0.1"), "1.1.1.1");
  assert.equal(await realIp(recursive, "10.0.0.3, 10.0.0.2"), "10.0.0.3");
  assert.equal(await realIp({ realIpFrom: ["10.0.0.0/8"] }, "1.1.1.1"), "127.0.0.1");
});

test("retry_timeout: no further node is asked once it has passed", async (t) => {
  const silent = await startOrigin(() => {});
  t.after(() => silent.close());
  const other = await startOrigin(() => {});
  t.after(() => other.close());
  const plan = planFor(upstreamOf([silent.port, other.port], { readTimeoutMs: 200, retryTimeoutMs: 100 }));
  const { server, port } = await startServer(() => plan);
  t.after(() => server.close());
  assert.match(
    await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`),
    /^HTTP\/1\.1 504 [^]*\r\nX-APISIX-Upstream-Status: 504\r\n/,
  );
  assert.equal(silent.requests.length + other.requests.length, 1);
});

test("keepalive_pool: idle connections up to its size, as long as its idle_timeout", async (t) => {
  const upstream = { keepalive: 2, keepaliveTimeoutMs: 200 };
  let waiting: (() => void)[] = [];
  const { port, origin, server, record } = await proxy(
    t,
    (_, { socket }) => {
      waiting.push(() => socket.write(plainResponse("good")));
      if (waiting.length < 5) return;
      for (const answer of waiting) answer();
      waiting = [];
    },
    { upstream },
  );
  await Promise.all(Array.from({ length: 5 }, () => exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`)));
  const open = (): number =>
    origin.connections.filter(({ socket }) => !socket.destroyed && !socket.readableEnded).length;
  while (open() > 2) await new Promise(setImmediate);
  server.flushCounters();
  assert.equal(record.upstreamConnections, 2);
  while (open() > 0) await new Promise(setImmediate);
});
