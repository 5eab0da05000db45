import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Plan } from "../compile/plan.ts";
import type { Consumer, RequestContext } from "../plugin/context.ts";
import { reply } from "../plugin/plugin.ts";
import { planFor, startServer, upstreamOf } from "./fixtures.ts";
import { exchangeBytes, plainResponse, type RawOrigin, startOrigin } from "./raw-peers.ts";

const GET =
  "GET /a?x=1&y=a%20b&x=2 HTTP/1.1\r\nHost: a\r\nCookie: c=1; d=2\r\nCookie: c=3\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n\r\n";

async function gateway(t: TestContext, changes: Partial<Plan>) {
  const origin: RawOrigin = await startOrigin((_, { socket }) =>
    socket.write(plainResponse("from the node", "X-Node: 1\r\n")),
  );
  t.after(() => origin.close());
  const plan = planFor(upstreamOf([origin.port]), changes);
  const started = await startServer(() => plan);
  t.after(() => started.server.close());
  return { ...started, origin };
}

const handler = <F>(run: F): { plugin: string; run: F; place: number } => ({ plugin: "tester", run, place: 0 });

test("phases run in order, asynchronous ones are awaited, log comes last", async (t) => {
  const order: string[] = [];
  let logged!: () => void;
  const ended = new Promise<void>((resolve) => {
    logged = resolve;
  });
  const { port } = await gateway(t, {
    rewrite: [
      handler(() => void order.push("rewrite")),
      handler(async () => {
        await new Promise(setImmediate);
        order.push("rewrite later");
      }),
    ],
    access: [handler(() => void order.push("access"))],
    beforeProxy: [handler(() => void order.push("before_proxy"))],
    headerFilter: [handler(() => void order.push("header_filter"))],
    bodyFilter: [
      handler((_: RequestContext, chunk: Buffer, last: boolean) => {
        order.push(`body_filter ${chunk.length} ${last}`);
        return chunk;
      }),
    ],
    log: [
      handler((ctx: RequestContext) => {
        order.push(`log ${ctx.status} ${ctx.bodyBytesSent}`);
        logged();
      }),
    ],
  });
  assert.match(await exchangeBytes(port, GET), /from the node$/);
  await ended;
  assert.deepEqual(order, [
    "rewrite",
    "rewrite later",
    "access",
    "before_proxy",
    "header_filter",
    "body_filter 13 false",
    "body_filter 0 true",
    "log 200 13",
  ]);
});

test("a plugin answers: JSON as text, the standard page where there is no body", async (t) => {
  const json = await gateway(t, { access: [handler(() => reply(401, { message: "no" }, [["X-A", "1"]]))] });
  const answer = await exchangeBytes(json.port, GET);
  assert.match(
    answer,
    /^HTTP\/1\.1 401 Unauthorized\r\n[^]*Content-Type: text\/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n/,
  );
  assert.match(answer, /X-A: 1\r\n[^]*\{"message":"no"\}\n\r\n0\r\n\r\n$/);
  assert.equal(json.origin.requests.length, 0);
  const page = await gateway(t, { rewrite: [handler(async () => reply(403))] });
  assert.match(await exchangeBytes(page.port, GET), /^HTTP\/1\.1 403 [^]*text\/html[^]*<h1>403 Forbidden<\/h1>/);
});

test("a plugin that throws makes 500 for this request only, and is named", async (t) => {
  for (const phase of ["rewrite", "access", "beforeProxy", "headerFilter"] as const) {
    for (const later of phase === "headerFilter" ? [false] : [false, true]) {
      let calls = 0;
      const run = (): void | Promise<void> => {
        if (calls++ > 0) return;
        if (later) return Promise.reject(new Error("broken plugin"));
        throw new Error("broken plugin");
      };
      const { port, logged } = await gateway(t, { [phase]: [handler(run)] });
      assert.match(await exchangeBytes(port, GET), /^HTTP\/1\.1 500 /, phase);
      assert.match(logged.join("\n"), /plugin tester failed on route r1: Error: broken plugin/);
      assert.match(await exchangeBytes(port, GET), /^HTTP\/1\.1 200 /, phase);
    }
  }
});

test("a plugin that throws in log harms nobody", async (t) => {
  const { port, logged } = await gateway(t, {
    log: [
      handler(() => {
        throw new Error("late");
      }),
    ],
  });
  assert.match(await exchangeBytes(port, GET), /from the node$/);
  assert.match(logged.join("\n"), /tester failed in log/);
});

test("what plugins read of the request", async (t) => {
  let seen: unknown[] = [];
  const { port } = await gateway(t, {
    access: [
      handler((ctx: RequestContext) => {
        seen = [ctx.uri, ctx.query, ctx.argument("x"), ctx.argument("y"), ctx.argument("z")];
        seen.push(ctx.cookie("c"), ctx.cookie("d"), ctx.header("x-two"), ctx.host, ctx.remoteAddr);
        seen.push(ctx.headers().length, ctx.protocol, ctx.upstream.header("x-two"));
      }),
    ],
  });
  await exchangeBytes(port, GET);
  assert.deepEqual(seen, [
    "/a",
    "x=1&y=a%20b&x=2",
    "1",
    "a b",
    undefined,
    "3",
    "2",
    "1, 2",
    "a",
    "127.0.0.1",
    6,
    "HTTP/1.1",
    "1, 2",
  ]);
});

test("what plugins change of the request", async (t) => {
  const { port, origin } = await gateway(t, {
    rewrite: [
      handler(({ upstream }: RequestContext) => {
        upstream.method = "PUT";
        upstream.target = "/new?y";
        upstream.host = "other";
        upstream.setHeader("X-Two", "one");
        upstream.removeHeader("cookie");
        upstream.addHeader("X-New", "1");
        upstream.addHeader("X-New", "2");
        upstream.setHeader("X-Forwarded-Proto", "https");
        upstream.setHeader("Content-Length", "999");
        assert.throws(() => upstream.setHeader("X-Bad", "a\r\nb: c"), /invalid value/);
        assert.throws(() => upstream.setHeader("X Bad", "a"), /invalid header name/);
        assert.throws(() => {
          upstream.target = "/a b";
        }, /invalid request target/);
      }),
    ],
  });
  await exchangeBytes(port, GET);
  assert.equal(
    origin.requests[0],
    "PUT /new?y HTTP/1.1\r\nHost: other\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Two: one\r\n" +
      "X-New: 1\r\nX-New: 2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: " +
      `${port}\r\n\r\n`,
  );
});

test("headers that are only added do not change how the client's pass", async (t) => {
  const { port, origin } = await gateway(t, {
    rewrite: [handler(({ upstream }: RequestContext) => upstream.setHeader("X-Request-Id", "1"))],
  });
  await exchangeBytes(port, GET);
  assert.match(origin.requests[0]!, /X-Two: 1\r\nx-two: 2\r\nX-Request-Id: 1\r\nX-Forwarded-Proto: http\r\n/);
});

test("a plugin sees what the client sent with what another one added", async (t) => {
  let seen: string | undefined;
  const { port } = await gateway(t, {
    rewrite: [
      handler(({ upstream }: RequestContext) => upstream.addHeader("X-Two", "3")),
      handler(({ upstream }: RequestContext) => void (seen = upstream.header("x-two"))),
    ],
  });
  await exchangeBytes(port, GET);
  assert.equal(seen, "1, 2, 3");
});

test("authentication: consumer headers go out, forged ones do not; the consumer's plugins join", async (t) => {
  const consumer: Consumer = {
    username: "jack",
    groupId: null,
    customId: "7",
    credentialId: null,
    authConf: {},
    plugins: {},
  };
  const ran: string[] = [];
  const { port, origin } = await gateway(t, {
    rewrite: [handler((ctx: RequestContext) => ctx.authenticate(consumer))],
    withConsumer: () =>
      planFor(upstreamOf([]), {
        consumerRewrite: [handler(() => void ran.push("consumer rewrite"))],
        access: [handler((ctx: RequestContext) => void ran.push(`access ${ctx.consumer?.username}`))],
        upstream: null,
      }),
  });
  const forged =
    "GET / HTTP/1.1\r\nHost: a\r\nX-Consumer-Username: root\r\nX-Credential-Identifier: r\r\nConnection: close\r\n\r\n";
  assert.match(await exchangeBytes(port, forged), /^HTTP\/1\.1 503 /);
  assert.deepEqual(ran, ["consumer rewrite", "access jack"]);
  assert.equal(origin.requests.length, 0);
  const plain = await gateway(t, { rewrite: [handler((ctx: RequestContext) => ctx.authenticate(consumer))] });
  await exchangeBytes(plain.port, forged);
  assert.match(plain.origin.requests[0]!, /X-Consumer-Username: jack\r\nX-Consumer-Custom-Id: 7\r\n/);
  assert.doesNotMatch(plain.origin.requests[0]!, /root|Credential/);
});

test("header filters change the head, replace the body, stream another one", async (t) => {
  const edited = await gateway(t, {
    headerFilter: [
      handler((_, head) => {
        head.status = 201;
        head.setHeader("X-Node", "2");
        head.addHeader("X-Node", "3");
      }),
    ],
  });
  assert.match(
    await exchangeBytes(edited.port, GET),
    /^HTTP\/1\.1 201 Created\r\nContent-Length: 13\r\nConnection: close\r\nX-Node: 2\r\nX-Node: 3\r\nServer: [^]*from the node$/,
  );
  const replaced = await gateway(t, { headerFilter: [handler((_, head) => head.replaceBody(Buffer.from("short")))] });
  assert.match(await exchangeBytes(replaced.port, GET), /Content-Length: 5\r\n[^]*\r\n\r\nshort$/);
  const streamed = await gateway(t, {
    headerFilter: [handler((_, head) => head.streamBody())],
    bodyFilter: [
      handler((_: RequestContext, chunk: Buffer, last: boolean) =>
        last ? Buffer.from("!") : Buffer.from(chunk.toString().toUpperCase()),
      ),
    ],
  });
  assert.match(await exchangeBytes(streamed.port, GET), /FROM THE NODE!/);
});

test("filters that break their promise about the length cut the answer", async (t) => {
  const origin = await startOrigin((_, { socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    setTimeout(() => socket.write("56789"), 50);
  });
  t.after(() => origin.close());
  const longer = handler((_: RequestContext, chunk: Buffer) => Buffer.concat([chunk, chunk]));
  const plan = planFor(upstreamOf([origin.port]), { bodyFilter: [longer] });
  const { server, port, logged } = await startServer(() => plan);
  t.after(() => server.close());
  await exchangeBytes(port, GET);
  assert.match(logged.join("\n"), /changed the length without streamBody/);
});

test("a header filter that changes nothing but the status changes it", async (t) => {
  const { port } = await gateway(t, { headerFilter: [handler((_: RequestContext, head) => void (head.status = 202))] });
  assert.match(await exchangeBytes(port, GET), /^HTTP\/1\.1 202 Accepted\r\n[^]*from the node$/);
});
