import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { type ChannelCredentials, credentials, ServerCredentials } from "@grpc/grpc-js";
import {
  caCertificate,
  clientCertificate,
  clientKey,
  serverCertificate,
  serverKey,
} from "../src/control/admin/testing-certificates.ts";
import { makePair } from "../src/tls/testing.ts";
import { times } from "./support/extent.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { EchoClient, type EchoService, startEcho } from "./support/grpc-echo.ts";
import { freePort } from "./support/ports.ts";

/** gRPC through the front door: a client of the field's library, the gateway, a service of the same library. */

/** Calls of each kind. */
const CALLS = times(2_500, 75);
/** The same over TLS; with all of them 10,000 calls each way. */
const SECURE_CALLS = times(2_500, 15);
/** Bytes of the long stream. */
const STREAM = times(1_024, 48) * 1_048_576;
const MESSAGE = 65_536;

const authority = makePair({ name: "authority", authority: true });
const server = makePair({ name: "open.test", names: ["open.test", "closed.test"], issuer: authority });
const person = makePair({ name: "person", issuer: authority });

test("gRPC through the gateway", async (t) => {
  const echo = await startEcho(t);
  const pair = [{ cert_chain: Buffer.from(serverCertificate), private_key: Buffer.from(serverKey) }];
  const secure = await startEcho(t, ServerCredentials.createSsl(Buffer.from(caCertificate), pair, true));
  const tlsPort = await freePort();
  const gateway = await startFor(t, echo, secure, tlsPort);
  const address = `127.0.0.1:${gateway.httpPort}`;
  const client = new EchoClient(address, credentials.createInsecure());
  t.after(() => client.close());

  await t.test(`${CALLS} calls of each kind`, async () => {
    await callEachKind(client, CALLS);
  });

  await t.test("metadata both ways, in the head and behind the body, and statuses", async () => {
    const fine = await client.unary(Buffer.from("x"), { "x-sent": "a, b" });
    assert.deepEqual(fine.head?.get("x-seen"), ["a, b"]);
    assert.deepEqual(fine.trailers?.get("x-trailer"), ["end"]);
    assert.deepEqual(fine.trailers?.get("x-details-bin"), [Buffer.from([0, 1, 255])]);
    const failed = await client.unary(Buffer.from("x"), { "x-do": "fail" });
    assert.deepEqual([failed.code, failed.details], [5, "nö such thing"]);
    assert.deepEqual(failed.trailers?.get("x-details-bin"), [Buffer.from([0, 1, 255])]);
    // What the gateway itself answers is an HTTP status.
    const lost = new EchoClient(address, credentials.createInsecure(), { "grpc.default_authority": "lost.test" });
    t.after(() => lost.close());
    assert.equal((await lost.unary(Buffer.from("x"))).code, 14);
    const call = client.makeUnaryRequest.bind(client);
    const missing = await new Promise((resolve) =>
      call(
        "/no.Such/Route",
        (value: Buffer) => value,
        (value) => value,
        Buffer.alloc(0),
        (error) => resolve(error?.code),
      ),
    );
    assert.equal(missing, 12);
  });

  await t.test("a service that gives up in the middle", async () => {
    const call = client.chat();
    call.write(Buffer.from("one"));
    await once(call, "data");
    call.write(Buffer.from("fail"));
    const [error] = (await once(call, "error")) as [{ code: number; details: string }];
    assert.deepEqual([error.code, error.details], [10, "given up by the service"]);
  });

  await t.test("deadlines and cancellations reach the service", async () => {
    await giveUp(client, echo);
  });

  await t.test("grpcs with a client certificate, and the name that is asked for", async () => {
    const named = new EchoClient(address, credentials.createInsecure(), { "grpc.default_authority": "secure.test" });
    t.after(() => named.close());
    const { code, details, message } = await named.unary(Buffer.from("secret"));
    assert.equal(code, 0, details);
    assert.equal(message?.toString(), "secret");
  });

  for (const [what, name] of [
    ["TLS", "open.test"],
    ["TLS with a client certificate", "closed.test"],
  ] as const) {
    await t.test(
      `over ${what}, to a service over TLS: ${SECURE_CALLS} calls of each kind, and given up ones`,
      async () => {
        const secured = new EchoClient(`127.0.0.1:${tlsPort}`, secureCredentials(name === "closed.test"), as(name));
        t.after(() => secured.close());
        await callEachKind(secured, SECURE_CALLS);
        await giveUp(secured, secure);
        const failed = await secured.unary(Buffer.from("x"), { "x-do": "fail" });
        assert.deepEqual([failed.code, failed.details], [5, "nö such thing"]);
      },
    );
  }

  await t.test("a client without the certificate that is asked for makes no call", async () => {
    const stranger = new EchoClient(`127.0.0.1:${tlsPort}`, secureCredentials(false), as("closed.test"));
    t.after(() => stranger.close());
    assert.equal((await stranger.unary(Buffer.from("x"))).code, 14);
  });

  await t.test("gRPC-Web of browsers: binary and text, errors, preflight", async () => {
    const url = `${gateway.httpUrl}/web/test.Echo/Unary`;
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("hi")]);
    const ask = async (type: string, body: Buffer | string, headers = {}) =>
      await fetch(url, {
        method: "POST",
        headers: { "Content-Type": type, Origin: "https://a.test", ...headers },
        body,
      });
    const binary = await ask("application/grpc-web+proto", frame);
    assert.equal(binary.headers.get("content-type"), "application/grpc-web+proto");
    assert.equal(binary.headers.get("access-control-allow-origin"), "*");
    const bytes = Buffer.from(await binary.arrayBuffer());
    assert.deepEqual(bytes.subarray(0, frame.length), frame);
    assert.equal(bytes[frame.length], 0x80);
    assert.equal(bytes.readUInt32BE(frame.length + 1), bytes.length - frame.length - 5);
    assert.match(bytes.toString("latin1"), /grpc-status:0\r\n/);
    const text = await ask("application/grpc-web-text", frame.toString("base64"));
    const pieces = (await text.text()).match(/[^=]+=*/g) ?? [];
    const decoded = Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64"))).toString("latin1");
    assert.ok(decoded.startsWith("\0\0\0\0\x02hi\x80"));
    assert.match(decoded, /grpc-status:0\r\n/);
    const failed = await ask("application/grpc-web", frame, { "X-Do": "fail" });
    const status = failed.headers.get("grpc-status") ?? /grpc-status:(\d+)/.exec(await failed.text())?.[1] ?? "";
    assert.equal(status, "5");
    const preflight = await fetch(url, { method: "OPTIONS", headers: { Origin: "https://a.test" } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-methods"), "POST");
    assert.equal((await ask("application/json", "{}")).status, 400);
  });

  await t.test("a long stream holds no memory, however slowly it is read", async () => {
    const call = client.repeat(STREAM / MESSAGE, MESSAGE);
    const [first] = (await once(call, "data")) as [Buffer];
    call.pause();
    let bytes = first.length;
    const before = residentBytes(gateway);
    for await (const piece of call) bytes += (piece as Buffer).length;
    assert.equal(bytes, STREAM);
    const grown = residentBytes(gateway) - before;
    assert.ok(grown < 48 * 1_048_576, `${grown} bytes more`);
  });

  await t.test("SIGTERM: open streams go on to their end, then the gateway exits with 0", async () => {
    const calls = Array.from({ length: 5 }, () => client.chat());
    const say = async (text: string): Promise<void> => {
      for (const call of calls) {
        call.write(Buffer.from(text));
        const [piece] = (await once(call, "data")) as [Buffer];
        assert.equal(piece.toString(), text);
      }
    };
    await say("before");
    gateway.child.kill("SIGTERM");
    await gateway.until("draining");
    await say("during");
    const ends = calls.map((call) => once(call, "end"));
    for (const call of calls) call.end();
    await Promise.all(ends);
    assert.equal(await gateway.exited, 0);
  });
});

/** The name that is asked for and looked at, wherever it leads. */
const as = (name: string) => ({ "grpc.ssl_target_name_override": name, "grpc.default_authority": name });

function secureCredentials(shown: boolean): ChannelCredentials {
  const { key, cert } = person;
  return shown
    ? credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert))
    : credentials.createSsl(Buffer.from(authority.cert));
}

async function startFor(t: TestContext, echo: EchoService, secure: EchoService, tlsPort: number): Promise<Gateway> {
  const to = (node: string, scheme: string, more = {}): object => ({
    upstream: { type: "roundrobin", scheme, nodes: { [node]: 1 }, ...more },
  });
  const tls = { client_cert: clientCertificate, client_key: clientKey };
  const options = {
    workers: 1,
    config: {
      nginx_config: { worker_shutdown_timeout: "30s" },
      apisix: { ssl: { listen: [{ ip: "127.0.0.1", port: tlsPort }] } },
    },
    standalone: {
      ssls: [
        { id: "open", sni: "open.test", ...server },
        { id: "closed", sni: "closed.test", ...server, client: { ca: authority.cert } },
      ],
      routes: [
        { id: "echo", uri: "/test.Echo/*", ...to(echo.node, "grpc") },
        {
          id: "secure",
          uri: "/test.Echo/*",
          hosts: ["secure.test", "open.test", "closed.test"],
          ...to(secure.node, "grpcs", { tls }),
        },
        { id: "lost", uri: "/test.Echo/*", host: "lost.test", ...to("127.0.0.1:1", "grpc") },
        { id: "web", uri: "/web/*", plugins: { "grpc-web": {} }, ...to(echo.node, "grpc") },
      ],
    },
  };
  const gateway = await startGateway(t, options);
  await gateway.until(200);
  return gateway;
}

/** So many calls of each of the four kinds, some at a time; every byte comes back. */
async function callEachKind(client: EchoClient, calls: number): Promise<void> {
  await inParallel(calls, async (i) => {
    const message = Buffer.from(`message ${i}`);
    const { code, message: answer } = await client.unary(message);
    assert.equal(code, 0);
    assert.deepEqual(answer, message);
  });
  await inParallel(calls, async (i) => {
    const { code, message } = await client.collect([Buffer.from("a"), Buffer.alloc(i % 1_000, "b"), Buffer.from("c")]);
    assert.equal(code, 0);
    assert.equal(message?.length, (i % 1_000) + 2);
  });
  await inParallel(calls, async (i) => {
    const call = client.repeat(5, i % 1_000);
    let bytes = 0;
    for await (const piece of call) bytes += (piece as Buffer).length;
    assert.equal(bytes, (i % 1_000) * 5);
  });
  await inParallel(calls, async (i) => {
    const call = client.chat();
    for (let round = 0; round < 3; round++) {
      call.write(Buffer.from(`${i} ${round}`));
      const [piece] = (await once(call, "data")) as [Buffer];
      assert.equal(piece.toString(), `${i} ${round}`);
    }
    call.end();
    await once(call, "end");
  });
}

/** A deadline passes, and a call is cancelled: the service hears of both. */
async function giveUp(client: EchoClient, service: EchoService): Promise<void> {
  const [hung, cancelled] = [service.hung(), service.cancellations()];
  // A busy machine may not even deliver a call in so short a time.
  for (let ms = 100; service.hung() === hung; ms *= 2) {
    assert.equal((await client.unary(Buffer.from("x"), { "x-do": "hang" }, ms)).code, 4);
  }
  await service.cancelled(cancelled + 1);
  const call = client.chat();
  call.write(Buffer.from("hang"));
  await once(call, "data");
  call.on("error", () => {});
  call.cancel();
  await service.cancelled(cancelled + 2);
}

async function inParallel(count: number, call: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: 20 }, runner));
}

function residentBytes({ child }: Gateway): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}
