import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, connect as connectPlain, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { TimerWheel } from "../lib/timer-wheel.ts";
import type { Ssl } from "../schema/ssl.ts";
import type { TlsSettings } from "../settings/settings.ts";
import { defaultCiphers } from "../settings/keys/apisix.ts";
import { CertificateIndex } from "./certificate-index.ts";
import { makePair, sslOf } from "./testing.ts";
import { TicketKeys } from "./ticket-keys.ts";
import { type Secured, TlsAcceptor } from "./tls-acceptor.ts";

const authority = makePair({ name: "authority", authority: true });
const stranger = makePair({ name: "stranger", authority: true });
const client = makePair({ name: "client", issuer: authority });
const unknown = makePair({ name: "unknown", issuer: stranger });
const plain = makePair({ name: "a.test" });
const rsa = makePair({ name: "a.test", kind: "rsa" });

const settings: TlsSettings = {
  protocols: ["TLSv1.2", "TLSv1.3"],
  ciphers: defaultCiphers,
  sessionTickets: true,
  fallbackSni: null,
};

interface Served {
  readonly port: number;
  readonly index: CertificateIndex;
  readonly acceptor: TlsAcceptor;
  readonly logged: string[];
  /** Resolves with the next connection that is secured, or with `null` for one that failed. */
  next(): Promise<Secured | null>;
}

interface ServeOptions {
  readonly changes?: Partial<TlsSettings>;
  readonly limit?: number;
  readonly tickets?: TicketKeys;
}

/** A server that says `hello` over TLS and hears the rest. */
async function serve(t: TestContext, resources: readonly Ssl[], options: ServeOptions = {}): Promise<Served> {
  const index = new CertificateIndex();
  for (const ssl of resources) index.set(ssl.id, JSON.stringify(ssl), ssl);
  const wheel = new TimerWheel();
  const logged: string[] = [];
  const log = { warn: (text: string) => logged.push(text), error: (text: string) => logged.push(text) };
  const tickets = options.tickets ?? new TicketKeys({ epoch: 0, secret: new Uint8Array(32) });
  const acceptor = new TlsAcceptor(
    {
      settings: { ...settings, ...options.changes },
      certificates: index,
      tickets,
      wheel,
      log,
      answerPlain: (socket) => socket.end("plain\n"),
    },
    options.limit,
  );
  const results: (Secured | null)[] = [];
  const waiting: ((result: Secured | null) => void)[] = [];
  const tell = (result: Secured | null): void => {
    const waiter = waiting.shift();
    if (waiter === undefined) results.push(result);
    else waiter(result);
  };
  const open = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (raw) => {
    open.add(raw);
    acceptor.accept(raw, ["h2", "http/1.1"], {
      secured: (secured) => {
        secured.socket.resume();
        secured.socket.write("hello");
        tell(secured);
      },
      failed: () => tell(null),
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    acceptor.close();
    for (const socket of open) socket.destroy();
    wheel.close();
  });
  const next = (): Promise<Secured | null> =>
    new Promise((resolve) => {
      const result = results.shift();
      if (result === undefined) waiting.push(resolve);
      else resolve(result);
    });
  return { port: (server.address() as AddressInfo).port, index, acceptor, logged, next };
}

/** Connects until `hello` has come (which brings the tickets too), or says why not. */
async function visit(port: number, options: ConnectionOptions): Promise<TLSSocket | string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  return await new Promise((resolve) => {
    socket.once("data", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("closed"));
  });
}

async function visitWell(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = await visit(port, options);
  assert.ok(typeof socket !== "string", String(socket));
  return socket;
}

test("the name chooses the certificate, ALPN the protocol, and the client's abilities the kind of key", async (t) => {
  const other = makePair({ name: "b.test" });
  const both = sslOf("1", ["a.test"], plain, { certs: [rsa.cert], keys: [rsa.key] });
  const { port, next } = await serve(t, [both, sslOf("2", ["b.test"], other)]);
  const seen: unknown[] = [];
  for (const options of [
    { servername: "a.test", ALPNProtocols: ["http/1.1", "h2"] },
    { servername: "b.test" },
    { servername: "a.test", maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" },
  ] as const) {
    const socket = await visitWell(port, options);
    const secured = await next();
    const { subject } = socket.getPeerCertificate();
    const kind = socket.getPeerX509Certificate()!.publicKey.asymmetricKeyType;
    seen.push([subject.CN, kind, socket.alpnProtocol, secured!.protocol, secured!.serverName, secured!.certificate.id]);
    socket.destroy();
  }
  assert.deepEqual(seen, [
    ["a.test", "ec", "h2", "h2", "a.test", "1"],
    ["b.test", "ec", false, null, "b.test", "2"],
    ["a.test", "rsa", false, null, "a.test", "1"],
  ]);
});

test("without a certificate for the name the handshake ends with internal_error, unless there is a fallback", async (t) => {
  const without = await serve(t, [sslOf("1", ["a.test"], plain)]);
  assert.equal(await visit(without.port, { servername: "b.test" }), "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR");
  assert.equal(await visit(without.port, {}), "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR");
  assert.equal(await without.next(), null);
  const { port } = await serve(t, [sslOf("1", ["a.test"], plain)], { changes: { fallbackSni: "A.Test" } });
  for (const options of [{ servername: "b.test" }, {}]) (await visitWell(port, options)).destroy();
});

test("versions are those of the certificate, or else of the settings", async (t) => {
  const old = sslOf("2", ["old.test"], plain, { ssl_protocols: ["TLSv1.2"] });
  const older = sslOf("3", ["older.test"], rsa, { ssl_protocols: ["TLSv1.1"] });
  const { port } = await serve(t, [sslOf("1", ["new.test"], plain), old, older], {
    changes: { protocols: ["TLSv1.3"], ciphers: `${defaultCiphers}:ECDHE-RSA-AES128-SHA` },
  });
  const versions: (string | null)[] = [];
  for (const servername of ["new.test", "old.test", "older.test"]) {
    const socket = await visitWell(port, { servername, minVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" });
    versions.push(socket.getProtocol());
    socket.destroy();
  }
  assert.deepEqual(versions, ["TLSv1.3", "TLSv1.2", "TLSv1.1"]);
  const refused = await visit(port, { servername: "new.test", maxVersion: "TLSv1.2" });
  assert.equal(refused, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
});

const mutual = sslOf("1", ["a.test"], plain, { client: { ca: authority.cert, depth: 1 } });
for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a client must prove who it is before anything else (${maxVersion})`, async (t) => {
    const { port, next } = await serve(t, [mutual]);
    assert.equal(typeof (await visit(port, { servername: "a.test", maxVersion })), "string");
    assert.equal(await next(), null);
    assert.equal(typeof (await visit(port, { servername: "a.test", maxVersion, ...unknown })), "string");
    assert.equal(await next(), null);
    (await visitWell(port, { servername: "a.test", maxVersion, ...client })).destroy();
    assert.deepEqual((await next())?.client, { verified: true, result: "SUCCESS" });
  });
}

test("where some paths are free a client without proof comes in, and is known as such", async (t) => {
  const free = sslOf("1", ["a.test"], plain, { client: { ca: authority.cert, depth: 1, skip_mtls_uri_regex: ["/x"] } });
  const { port, next } = await serve(t, [free]);
  const results: (string | undefined)[] = [];
  for (const options of [{}, unknown, client]) {
    (await visitWell(port, { servername: "a.test", ...options })).destroy();
    results.push((await next())?.client.result);
  }
  assert.equal(results[0], "NONE");
  assert.match(results[1]!, /^FAILED:/);
  assert.equal(results[2], "SUCCESS");
});

test("a chain longer than the depth proves nothing", async (t) => {
  const middle = makePair({ name: "middle", issuer: authority, authority: true });
  const below = makePair({ name: "below", issuer: middle });
  const chained = { cert: below.cert + middle.cert, key: below.key };
  const resource = (depth: number): Ssl => sslOf("1", ["a.test"], plain, { client: { ca: authority.cert, depth } });
  const shallow = await serve(t, [resource(0)]);
  assert.equal(typeof (await visit(shallow.port, { servername: "a.test", ...chained })), "string");
  const deep = await serve(t, [resource(1)]);
  (await visitWell(deep.port, { servername: "a.test", ...chained })).destroy();
});

/** Visits until a session can be resumed, and resumes it elsewhere. */
async function resume(from: number, to: number, first: ConnectionOptions, second = first): Promise<boolean | string> {
  const socket = connect({ host: "127.0.0.1", port: from, rejectUnauthorized: false, ...first });
  const [session] = (await once(socket, "session")) as [Buffer];
  socket.destroy();
  const again = await visit(to, { ...second, session });
  if (typeof again === "string") return again;
  const reused = again.isSessionReused();
  again.destroy();
  return reused;
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a session is resumed by any thread, not for another certificate (${maxVersion})`, async (t) => {
    const seed = { epoch: 9, secret: new Uint8Array(32).fill(3) };
    const resources = [sslOf("1", ["a.test"], plain), { ...mutual, id: "2", snis: ["m.test"] }];
    const one = await serve(t, resources, { tickets: new TicketKeys(seed) });
    const other = await serve(t, resources, { tickets: new TicketKeys(seed) });
    const mine = { servername: "a.test", maxVersion };
    assert.equal(await resume(one.port, other.port, mine), true);
    const proven = { servername: "m.test", maxVersion, ...client };
    assert.equal(await resume(one.port, other.port, proven), true);
    // Whoever proved nothing for one name has nothing to show for the other.
    assert.equal(typeof (await resume(one.port, other.port, mine, { servername: "m.test", maxVersion })), "string");
    const off = await serve(t, resources, { changes: { sessionTickets: false } });
    assert.equal(await resume(one.port, off.port, mine), false);
  });
}

test("a changed certificate is shown to the next client, and connections keep what they have", async (t) => {
  const { port, index } = await serve(t, [sslOf("1", ["a.test"], plain)]);
  const before = await visitWell(port, { servername: "a.test" });
  const changed = sslOf("1", ["a.test"], makePair({ name: "changed.test" }));
  index.set("1", JSON.stringify(changed), changed);
  const after = await visitWell(port, { servername: "a.test" });
  assert.equal(after.getPeerCertificate().subject.CN, "changed.test");
  assert.equal(before.destroyed, false);
  before.destroy();
  after.destroy();
});

test("a certificate that cannot be used is named once, and ends handshakes", async (t) => {
  const { port, logged } = await serve(t, [sslOf("7", ["a.test"], { cert: plain.cert, key: client.key })]);
  for (let i = 0; i < 2; i++) {
    assert.equal(await visit(port, { servername: "a.test" }), "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR");
  }
  assert.equal(logged.length, 1);
  assert.match(logged[0]!, /^ssls\/7 cannot be used: /);
});

test("of too many handshakes the oldest is given up; clear text is answered in clear text", async (t) => {
  const { port, acceptor } = await serve(t, [sslOf("1", ["a.test"], plain)], { limit: 2 });
  const silent = connectPlain(port, "127.0.0.1");
  await once(silent, "connect");
  for (let i = 0; i < 3; i++) (await visitWell(port, { servername: "a.test" })).destroy();
  assert.equal(acceptor.pending, 1);
  const more = [connectPlain(port, "127.0.0.1"), connectPlain(port, "127.0.0.1")];
  await once(silent, "close");
  for (const socket of more) socket.destroy();
  const talker = connectPlain(port, "127.0.0.1");
  talker.write("GET / HTTP/1.1\r\n\r\n");
  assert.equal(String((await once(talker, "data"))[0]), "plain\n");
  talker.destroy();
});
