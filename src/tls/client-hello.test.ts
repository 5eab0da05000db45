import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { connect, type ConnectionOptions } from "node:tls";
import { array, assert as assertProperty, nat, property, record } from "fast-check";
import { type ClientHello, isHelloFault, MAX_HELLO, readClientHello } from "./client-hello.ts";

function helloIn(bytes: Buffer): ClientHello {
  const hello = readClientHello(bytes);
  assert.ok(hello !== null && !isHelloFault(hello));
  return hello;
}

/** The first bytes that a client of the library sends. */
async function helloOf(t: TestContext, options: ConnectionOptions): Promise<Buffer> {
  const server = createServer();
  t.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ ...options, host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  client.on("error", () => {});
  const [socket] = await once(server, "connection");
  const [bytes] = await once(socket, "data");
  client.destroy();
  socket.destroy();
  return bytes as Buffer;
}

test("a hello tells the name in lower case without a final dot, and the protocols in order", async (t) => {
  const bytes = await helloOf(t, { servername: "A.Test.", ALPNProtocols: ["h2", "http/1.1"] });
  const hello = helloIn(bytes);
  assert.deepEqual([hello.serverName, hello.protocols], ["a.test", ["h2", "http/1.1"]]);
});

test("a hello tells whether it asks for the state of the certificate, and what signatures it knows", async (t) => {
  const asking = helloIn(await helloOf(t, { requestOCSP: true, sigalgs: "rsa_pss_rsae_sha256:ECDSA+SHA256" }));
  assert.deepEqual([asking.asksStatus, asking.schemes, asking.knowsTls13], [true, [0x0804, 0x0403], true]);
  const old = helloIn(await helloOf(t, { maxVersion: "TLSv1.2" }));
  assert.deepEqual([old.asksStatus, old.knowsTls13], [false, false]);
});

test("a hello of TLS 1.2 without a name and without ALPN is one all the same", async (t) => {
  const bytes = await helloOf(t, { maxVersion: "TLSv1.2" });
  const hello = helloIn(bytes);
  assert.deepEqual([hello.serverName, hello.protocols], [null, []]);
});

test("a hello arrives in any pieces and in any records", async (t) => {
  const bytes = await helloOf(t, { servername: "a.test" });
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(readClientHello(bytes.subarray(0, length)), null, `${length} bytes`);
  }
  const message = [...bytes.subarray(5)];
  const starts = [0, 1, 2, 3, 4, 50, 200];
  const records = starts.map((start, i) => {
    const piece = message.slice(start, starts[i + 1]);
    return [22, 3, 1, piece.length >> 8, piece.length & 255, ...piece];
  });
  assert.deepEqual(helloIn(Buffer.from(records.flat())), helloIn(bytes));
});

const FAULTS: readonly (readonly [what: string, bytes: readonly number[], alert: number])[] = [
  ["clear text", [...Buffer.from("GET / HTTP/1.1\r\n")], 10],
  ["SSL 2", [22, 2, 0, 0, 5, 1], 10],
  ["an empty record", [22, 3, 1, 0, 0], 10],
  ["a record of 16,385 bytes", [22, 3, 1, 64, 1], 22],
  ["another message", [22, 3, 1, 0, 4, 2, 0, 0, 0], 10],
  ["a message that is too large", [22, 3, 1, 0, 4, 1, 1, 0, 0], 47],
  ["a message that ends too early", [22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3], 50],
];
for (const [what, bytes, alert] of FAULTS) {
  test(`a beginning is refused at once: ${what}`, () => {
    const result = readClientHello(Buffer.from(bytes));
    assert.ok(result !== null && isHelloFault(result));
    assert.equal(result.alert, alert);
  });
}

test("a hello that never ends is refused within the bounds of bytes and records", () => {
  const large = Buffer.alloc(MAX_HELLO);
  for (let at = 0; at < large.length; at += 16_389) large.set([22, 3, 1, 64, 0], at);
  large.set([1, 0, 0x80, 0], 5);
  assert.equal(readClientHello(large.subarray(0, -1)), null);
  assert.ok("alert" in readClientHello(large)!);
  const many = Array.from({ length: 65 }, () => [22, 3, 1, 0, 1, 1]);
  many[0] = [22, 3, 1, 0, 4, 1, 0, 1, 0];
  assert.equal(readClientHello(Buffer.from(many.slice(0, 63).flat())), null);
  assert.ok("alert" in readClientHello(Buffer.from(many.flat()))!);
});

test("whatever comes is a hello, a fault or not enough, and never throws", async (t) => {
  const hello = await helloOf(t, { servername: "a.test", ALPNProtocols: ["h2"] });
  const change = record({ at: nat(hello.length - 1), to: nat(255) });
  assertProperty(
    property(array(change, { maxLength: 8 }), nat(hello.length), (changes, length) => {
      const bytes = Buffer.from(hello.subarray(0, length));
      for (const { at, to } of changes) if (at < length) bytes[at] = to;
      readClientHello(bytes);
    }),
  );
});
