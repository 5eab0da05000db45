import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
} from "node:tls";
import { makePair } from "../src/tls/testing.ts";
import { freePort } from "./support/ports.ts";
import { dial, echo, echoed, named, readAll, readText, startTcp } from "./support/stream-peers.ts";
import { apply, route, startStreams } from "./support/streams.ts";

// Streams with TLS on either side of a real gateway.

const MIB = 1_048_576;

test("streams over TLS", async (t) => {
  const authority = makePair({ name: "authority", authority: true });
  const clients = makePair({ name: "client", issuer: authority });
  const [one, two, plain] = [await startTcp(t, named("one")), await startTcp(t, named("two")), await startTcp(t, echo)];
  const seen: string[] = [];
  const node = makePair({ name: "a.test", issuer: authority });
  const secured = createTlsServer({
    ...node,
    allowHalfOpen: true,
    requestCert: true,
    rejectUnauthorized: false,
    ca: authority.cert,
  });
  secured.on("secureConnection", (socket) => {
    seen.push(`${String(socket.servername)} ${socket.authorized ? socket.getPeerCertificate().subject.CN : "nobody"}`);
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  await once(secured.listen(0, "127.0.0.1"), "listening");
  t.after(() => secured.close());
  const securedNode = `localhost:${(secured.address() as AddressInfo).port}`;
  const trusted = join(mkdtempSync(join(tmpdir(), "turnpike-trusted-")), "ca.pem");
  writeFileSync(trusted, authority.cert);
  t.after(() => rmSync(dirname(trusted), { recursive: true }));
  const tcp = [await freePort(), await freePort()] as const;
  const ssl = (id: string, names: readonly string[], more: object = {}): object => ({
    id,
    snis: names,
    ...makePair({ name: names[0]!, issuer: authority }),
    ...more,
  });
  const { gateway } = await startStreams(
    t,
    {
      ssls: [
        ssl("1", ["a.test", "*.b.test"]),
        ssl("2", ["mtls.test"], { client: { ca: authority.cert, skip_mtls_uri_regex: ["/free"] } }),
      ],
      stream_routes: [
        route("a", [one.node], { sni: "a.test" }),
        route("b", [two.node], { sni: "*.b.test" }),
        route("rest", [plain.node]),
      ],
    },
    {
      ssl: { enable: false, fallback_sni: "x.b.test", ssl_trusted_certificate: trusted },
      stream_proxy: { tcp: [{ addr: `127.0.0.1:${tcp[0]}`, tls: true }, { addr: tcp[1] }] },
    },
  );
  const secure = (servername: string, more: ConnectionOptions = {}): TLSSocket => {
    const options = {
      host: "127.0.0.1",
      port: tcp[0],
      ca: authority.cert,
      checkServerIdentity: () => undefined,
      allowHalfOpen: true,
      ...(servername === "" ? {} : { servername }),
    };
    const socket = connectTls(Object.assign(options, more));
    socket.on("error", () => undefined);
    t.after(() => socket.destroy());
    return socket;
  };

  await t.test("the name in the handshake chooses certificate and route", async (t) => {
    const a = secure("a.test");
    assert.equal(await readText(a, 4), "one\n");
    assert.equal(a.getPeerCertificate().subject.CN, "a.test");
    assert.equal(await readText(secure("X.b.test"), 4), "two\n");
    // Without a name the fallback's certificate and route count, with an unknown one the certificate alone.
    const nameless = secure("");
    assert.equal(await readText(nameless, 4), "two\n");
    assert.equal(nameless.getPeerCertificate().subject.CN, "a.test");
    const unknown = secure("unknown.test");
    unknown.end("hello");
    assert.equal(await readText(unknown, 5), "hello");
    assert.equal(unknown.getPeerCertificate().subject.CN, "a.test");
    // In clear text nobody asks for a name.
    const clear = dial(t, tcp[1]);
    clear.end("hello");
    assert.equal(await readAll(clear), "hello");
    assert.match(await readAll(dial(t, tcp[0]).end("GET / HTTP/1.1\r\n\r\n")), /^[^<]*$/);
  });

  await t.test("bytes come back whole, and either side may end first", async () => {
    assert.ok(await echoed(secure("y.test", { servername: "mtls.test", ...clients }), 4 * MIB));
  });

  await t.test("a client must prove who it is where the certificate asks for it", async () => {
    const without = secure("mtls.test");
    without.end("hello");
    assert.match(await readAll(without), /^(\[reset\])?$/);
  });

  await t.test("a change of certificate and route leaves open streams alone", async () => {
    const open = secure("a.test");
    assert.equal(await readText(open, 4), "one\n");
    await apply(gateway, {
      ssls: [ssl("1", ["a.test"], makePair({ name: "renewed", names: ["a.test"], issuer: authority }))],
      stream_routes: [route("a", [two.node], { sni: "a.test" })],
    });
    const renewed = secure("a.test");
    assert.equal(await readText(renewed, 4), "two\n");
    assert.equal(renewed.getPeerCertificate().subject.CN, "renewed");
    open.end("still there");
    assert.equal(await readText(open, 11), "still there");
  });

  await t.test("TLS to nodes: the name, whether the node is verified, and what it is shown", async (t) => {
    const tls = { client_cert: clients.cert, client_key: clients.key, verify: true };
    await apply(gateway, {
      ssls: [ssl("1", ["a.test"]), ssl("2", ["b.test"])],
      stream_routes: [
        route("a", [securedNode], { sni: "a.test" }, { scheme: "tls", tls }),
        route("b", [securedNode], { sni: "b.test" }, { scheme: "tls", tls: { verify: true } }),
        route("clear", [securedNode], { server_port: tcp[1] }, { scheme: "tls" }),
      ],
    });
    assert.ok(await echoed(secure("a.test"), MIB));
    const wrong = secure("b.test");
    wrong.end("hello");
    assert.match(await readAll(wrong), /^(\[reset\])?$/);
    assert.ok(await echoed(dial(t, tcp[1]), MIB));
    assert.deepEqual(
      seen.filter((one) => !one.startsWith("b.test")),
      ["a.test client", "localhost nobody"],
    );
    assert.match(gateway.errorLog, /upstream failed: stream_routes\/b: .*altnames/);
  });
});
