import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test, type TestContext } from "node:test";
import type { Plan } from "../compile/plan.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Settings } from "../settings/settings.ts";
import { planFor, settingsWith, startServer, upstreamOf } from "./fixtures.ts";
import { smugglingCases } from "./http1/smuggling-cases.ts";
import { exchangeBytes, plainResponse, RawClient, type RawOrigin, startOrigin } from "./raw-peers.ts";

type Answer = Parameters<typeof startOrigin>[0];

async function origin(t: TestContext, answer: Answer): Promise<RawOrigin> {
  const started = await startOrigin(answer);
  t.after(() => started.close());
  return started;
}

async function serve(
  t: TestContext,
  match: (ctx: RequestContext) => Plan,
  settings?: Settings,
): Promise<Awaited<ReturnType<typeof startServer>>> {
  const started = await startServer(match, settings);
  t.after(() => started.server.close());
  return started;
}

/** A gateway in front of one origin. */
async function proxy(t: TestContext, answer: Answer, settings?: Settings, plan: Partial<Plan> = {}) {
  const o = await origin(t, answer);
  const upstream = upstreamOf([o.port]);
  const started = await serve(t, () => planFor(upstream, plan), settings);
  return { ...started, origin: o };
}

const echo: Answer = (request, { socket }) => socket.write(plainResponse(request), "latin1");
const close = "Connection: close\r\n";

test("the request to the node: order, case and the gateway's own headers", async (t) => {
  const { port, origin } = await proxy(t, echo);
  await exchangeBytes(
    port,
    `GET /a%2Fb//c?x HTTP/1.1\r\nhost: A.com:99\r\nX-Mixed: 1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nx-mixed:  2 \r\nX-Forwarded-Host: evil\r\nX-Forwarded-For: 1.2.3.4\r\nTE: trailers\r\n\r\n`,
  );
  assert.equal(
    origin.requests[0],
    "GET /a%2Fb//c?x HTTP/1.1\r\nHost: A.com:99\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n" +
      "X-Mixed: 1\r\nx-mixed: 2\r\nX-Forwarded-Host: A.com:99\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 99\r\n\r\n",
  );
});

test("X-Real-IP is believed where it is an address", async (t) => {
  const { port, origin } = await proxy(t, echo);
  await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 9.9.9.9\r\n${close}\r\n`);
  await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 9.9.9.9, 1.1.1.1\r\n${close}\r\n`);
  assert.match(origin.requests[0]!, /X-Real-IP: 9\.9\.9\.9\r\nX-Forwarded-For: 9\.9\.9\.9\r\n/);
  assert.match(origin.requests[1]!, /X-Real-IP: 127\.0\.0\.1\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
});

test("a length passes as it is, and Server is replaced", async (t) => {
  const { port } = await proxy(t, (_, { socket }) =>
    socket.write(plainResponse("hello", "Server: o\r\nContent-Type: text/html\r\nX-Dup: 1\r\nx-dup: 2\r\n")),
  );
  const answer = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`);
  assert.match(
    answer,
    /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/html; charset=utf-8\r\nContent-Length: 5\r\nConnection: close\r\nX-Dup: 1\r\nx-dup: 2\r\nServer: Turnpike\/[\d.]+\r\n\r\nhello$/,
  );
});

/** What a client must get of a response, whatever the pieces it comes in. */
const framings: readonly [name: string, response: string, expected: RegExp][] = [
  ["length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", /\r\n\r\nhello$/],
  ["empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", /Content-Length: 0\r\n[^]*\r\n\r\n$/],
  [
    "chunked with trailers",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nX-T: 1\r\n\r\n",
    /Transfer-Encoding: chunked\r\n[^]*Trailer: X-T\r\n[^]*\r\n0\r\nX-T: 1\r\n\r\n$/,
  ],
  [
    "no body (204)",
    "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
    /^HTTP\/1\.1 204 No Content\r\nConnection[^]*\r\n\r\n$/,
  ],
  ["no body (304)", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", /^HTTP\/1\.1 304[^]*ETag: x[^]*\r\n\r\n$/],
  [
    "early hints",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    /^HTTP\/1\.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP\/1\.1 200 OK[^]*\r\n\r\nok$/,
  ],
];

for (const [name, response, expected] of framings) {
  test(`response framing: ${name}, whole and byte by byte`, async (t) => {
    const whole = await proxy(t, (_, { socket }) => socket.write(response, "latin1"));
    assert.match(await exchangeBytes(whole.port, `GET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`), expected);
    const slow = await proxy(t, (_, { socket }) => {
      let at = 0;
      const next = (): void => {
        if (at < response.length && !socket.destroyed)
          socket.write(response[at++]!, "latin1", () => setImmediate(next));
      };
      next();
    });
    assert.match(await exchangeBytes(slow.port, `GET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`), expected);
  });
}

test("a body that ends with the connection becomes chunked, for 1.0 it stays", async (t) => {
  const { port } = await proxy(t, (_, { socket }) => socket.end("HTTP/1.1 200 OK\r\n\r\nhello"));
  const chunked = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`);
  assert.match(chunked, /Transfer-Encoding: chunked\r\n[^]*\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
  const old = await exchangeBytes(port, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.match(old, /^HTTP\/1\.1 200 OK\r\nConnection: close\r\n[^]*\r\n\r\nhello$/);
});

test("HEAD has a head only, and the connection goes on", async (t) => {
  const { port } = await proxy(t, (request, { socket }) =>
    socket.write(
      request.startsWith("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" : plainResponse("second"),
    ),
  );
  const answer = await exchangeBytes(
    port,
    `HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`,
  );
  assert.match(answer, /Content-Length: 500\r\n[^]*?\r\n\r\nHTTP\/1\.1 200 OK[^]*second$/);
});

test("pipelined requests are answered in order", async (t) => {
  const { port } = await proxy(t, (request, { socket }) => {
    const path = /^GET (\S+)/.exec(request)![1]!;
    // The first takes longest.
    setTimeout(() => socket.write(plainResponse(path)), path === "/0" ? 60 : 0);
  });
  const requests = Array.from(
    { length: 20 },
    (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n${i === 19 ? close : ""}\r\n`,
  );
  const answer = await exchangeBytes(port, requests.join(""));
  const bodies = [...answer.matchAll(/\r\n\r\n(\/\d+)/g)].map((match) => match[1]);
  assert.deepEqual(
    bodies,
    Array.from({ length: 20 }, (_, i) => `/${i}`),
  );
});

test("request bodies: length and chunked, whole and byte by byte", async (t) => {
  const { port, origin } = await proxy(t, echo);
  const length = `POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n${close}\r\nhello`;
  const chunked = `POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${close}\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`;
  for (const request of [length, chunked]) {
    await exchangeBytes(port, request);
    const client = new RawClient(port);
    for (const byte of request) {
      client.send(byte);
      await new Promise(setImmediate);
    }
    await client.end();
  }
  assert.match(origin.requests[0]!, /Content-Length: 5\r\n[^]*hello$/);
  assert.match(origin.requests[1]!, /Content-Length: 5\r\n[^]*hello$/);
  // A chunked body that is there as a whole has a known length.
  assert.match(origin.requests[2]!, /Content-Length: 5\r\n[^]*hello$/);
  const data = [...origin.requests[3]!.matchAll(/1\r\n(.)\r\n/g)].map((match) => match[1]).join("");
  assert.match(origin.requests[3]!, /Transfer-Encoding: chunked\r\n/);
  assert.equal(data, "hello");
});

test("100-continue comes from the gateway", async (t) => {
  const { port, origin } = await proxy(t, echo);
  const client = new RawClient(port);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n${close}\r\n`);
  await client.until("HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  assert.match(await client.end(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  assert.doesNotMatch(origin.requests[0]!, /Expect/i);
});

test("a client that ends its half in the middle of a pipelined head is not waited for", async (t) => {
  const { port } = await proxy(t, echo);
  const client = new RawClient(port);
  client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HT");
  client.socket.end();
  const answer = await client.end();
  assert.equal([...answer.matchAll(/^HTTP\/1\.1 /gm)].length, 1);
  assert.match(answer, /^HTTP\/1\.1 200 OK/);
});

test("a client that ends its half behind a whole request is answered, whatever phases wait for", async (t) => {
  const released = Promise.withResolvers<void>();
  const { port, origin } = await proxy(t, echo, undefined, {
    access: [{ plugin: "waits", run: () => released.promise }],
  });
  const client = new RawClient(port);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  client.socket.end();
  const cut = new RawClient(port);
  cut.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello");
  cut.socket.end();
  // A third client shows that what the others sent has arrived.
  const third = new RawClient(port);
  t.after(() => third.destroy());
  third.send("GET /\r\n\r\n");
  await third.until("400 Bad Request");
  released.resolve();
  assert.match(await client.end(), /^HTTP\/1\.1 200 OK[^]*hello$/);
  assert.equal(await cut.end(), "", "the rest of its body will not come");
  assert.equal(origin.requests.length, 1);
});

test("smuggling corpus at the front door: refused, closed, and nothing reaches the origin", async (t) => {
  const { port, origin } = await proxy(t, echo);
  const statuses: Record<string, string> = {
    DOWNSTREAM_MALFORMED: "400",
    DOWNSTREAM_NOT_IMPLEMENTED: "501",
    DOWNSTREAM_VERSION: "505",
    body: "400",
  };
  for (const { name, bytes, code } of smugglingCases) {
    const before = origin.requests.length;
    const answer = await exchangeBytes(port, `${bytes}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1], statuses[code], `${name}: ${answer}`);
    assert.equal([...answer.matchAll(/^HTTP\/1\.1 /gm)].length, 1, name);
    assert.match(answer, /Connection: close\r\n/, name);
    assert.equal(origin.requests.length, before, name);
  }
});

test("limits have their statuses", async (t) => {
  const { port } = await proxy(t, echo, settingsWith({ clientMaxBodySize: 4 }));
  const status = async (request: string): Promise<string> => (await exchangeBytes(port, request)).slice(9, 12);
  assert.equal(await status(`GET /${"a".repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`), "414");
  assert.equal(await status(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(9_000)}\r\n\r\n`), "400");
  assert.equal(await status(`GET / HTTP/1.1\r\nHost: a\r\n${`X: ${"a".repeat(8_000)}\r\n`.repeat(5)}\r\n`), "431");
  assert.equal(await status(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n${close}\r\nhello`), "413");
  assert.equal(
    await status(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${close}\r\n5\r\nhello\r\n0\r\n\r\n`),
    "413",
  );
});

test("worker_connections: one too many is told so", async (t) => {
  const { port } = await proxy(t, echo, settingsWith({ workerConnections: 1 }));
  const first = new RawClient(port);
  t.after(() => first.destroy());
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await first.until("200 OK");
  const second = new RawClient(port);
  assert.match(await second.end(), /^HTTP\/1\.1 503 /);
});

test("slow clients end with 408, idle ones without a word", async (t) => {
  const { port } = await proxy(
    t,
    echo,
    settingsWith({ clientHeaderTimeoutMs: 500, clientBodyTimeoutMs: 500, keepaliveTimeoutMs: 500 }),
  );
  assert.match(await exchangeBytes(port, "GET / HT"), /^HTTP\/1\.1 408 /);
  assert.match(
    await exchangeBytes(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
    /^HTTP\/1\.1 408 /,
  );
  assert.equal(await exchangeBytes(port, ""), "");
  const answer = await exchangeBytes(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal([...answer.matchAll(/HTTP\/1\.1 200 OK/g)].length, 1);
});

test("a route that is not there, an upstream without nodes", async (t) => {
  const { port } = await serve(t, (ctx) =>
    planFor(ctx.uri === "/empty" ? upstreamOf([]) : null, { found: ctx.uri === "/empty" }),
  );
  const missing = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: a\r\n${close}\r\n`);
  assert.match(
    missing,
    /^HTTP\/1\.1 404 Not Found\r\nDate: [^]*Content-Type: text\/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n/,
  );
  assert.match(missing, /\r\n\r\n24\r\n\{"error_msg":"404 Route Not Found"\}\n\r\n0\r\n\r\n$/);
  assert.match(
    await exchangeBytes(port, "GET / HTTP/1.0\r\n\r\n"),
    /Connection: close\r\n[^]*\r\n\r\n\{"error_msg":"404 Route Not Found"\}\n$/,
  );
  assert.match(await exchangeBytes(port, `GET /empty HTTP/1.1\r\nHost: a\r\n${close}\r\n`), /^HTTP\/1\.1 503 /);
});

test("an address in use is named", async (t) => {
  const taken = createServer();
  taken.listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.after(() => taken.close());
  const address = taken.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { server } = await serve(t, () => planFor(null));
  await assert.rejects(
    server.listen([{ ip: "127.0.0.1", port, tls: false, http2: true, proxyProtocol: false }]),
    new RegExp(`ADDRESS_IN_USE: 127.0.0.1:${port} `),
  );
});
