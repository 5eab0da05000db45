import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { formatProxyHeader, MAX_PROXY_HEADER, parseProxyHeader, type HeaderFault, type ProxyHeader } from "./header.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";

/** A header of version 2 from its command, family, and what follows. */
function v2(command: number, family: number, payload: Buffer | string, length?: number): Buffer {
  const bytes = Buffer.from(payload as string, "hex");
  const fixed = Buffer.alloc(16);
  fixed.write(SIGNATURE, "hex");
  fixed[12] = 0x20 | command;
  fixed[13] = family;
  fixed.writeUInt16BE(length ?? bytes.length, 14);
  return Buffer.concat([fixed, bytes]);
}

const V4 = "0a0000017f00000104d2238c";
const V6 = `20010db8${"0".repeat(23)}1${"0".repeat(31)}104d2238c`;
const CRC = "030004deadbeef";

const good: readonly (readonly [name: string, bytes: Buffer | string, source: string | null])[] = [
  ["IPv4", "PROXY TCP4 10.0.0.1 127.0.0.1 1234 9100\r\n", "10.0.0.1 1234"],
  ["IPv6", "PROXY TCP6 2001:DB8::1 ::1 65535 0\r\n", "2001:db8::1 65535"],
  ["IPv4 within IPv6", "PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", "10.0.0.1 1"],
  ["unknown", "PROXY UNKNOWN\r\n", null],
  ["unknown with more", `PROXY UNKNOWN ${"f".repeat(91)}\r\n`, null],
  ["v2 IPv4", v2(1, 0x11, V4), "10.0.0.1 1234"],
  ["v2 IPv6", v2(1, 0x21, V6), "2001:db8::1 1234"],
  ["v2 with extensions", v2(1, 0x11, `${V4}${CRC}040000`), "10.0.0.1 1234"],
  ["v2 of a local socket", v2(1, 0x31, "00".repeat(216)), null],
  ["v2 unspecified", v2(1, 0x00, ""), null],
  ["v2 unspecified with bytes to skip", v2(1, 0x00, "abcdef"), null],
  ["v2 LOCAL", v2(0, 0x00, ""), null],
  ["v2 LOCAL with addresses", v2(0, 0x11, V4), null],
  ["v2 as long as may be", v2(1, 0x11, `${V4}040fe1${"00".repeat(4_065)}`), "10.0.0.1 1234"],
];

const bad: readonly (readonly [name: string, bytes: Buffer | string, fault: RegExp])[] = [
  ["HTTP", "GET / HTTP/1.1\r\n", /no PROXY header/],
  ["TLS", Buffer.from("160301", "hex"), /no PROXY header/],
  ["a word like it", "PROXX TCP4", /no PROXY header/],
  ["lower case", "proxy TCP4", /no PROXY header/],
  ["another signature", Buffer.from("0d0a0d0b", "hex"), /no PROXY header/],
  ["newline alone", "PROXY TCP4 10.0.0.1 127.0.0.1 1 2\n", /CRLF/],
  ["too long", `PROXY UNKNOWN ${"f".repeat(100)}`, /too long/],
  ["unknown family", "PROXY UDP4 10.0.0.1 127.0.0.1 1 2\r\n", /no known family/],
  ["no family", "PROXY \r\n", /no known family/],
  ["two spaces", "PROXY  TCP4 10.0.0.1 127.0.0.1 1 2\r\n", /no known family/],
  ["IPv6 as IPv4", "PROXY TCP4 ::1 ::1 1 2\r\n", /wrong addresses/],
  ["IPv4 as IPv6", "PROXY TCP6 10.0.0.1 127.0.0.1 1 2\r\n", /wrong addresses/],
  ["a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", /wrong addresses/],
  ["octal", "PROXY TCP4 010.0.0.1 127.0.0.1 1 2\r\n", /wrong addresses/],
  ["a word more", "PROXY TCP4 10.0.0.1 127.0.0.1 1 2 3\r\n", /wrong addresses/],
  ["a word less", "PROXY TCP4 10.0.0.1 127.0.0.1 1\r\n", /wrong/],
  ["port too high", "PROXY TCP4 10.0.0.1 127.0.0.1 65536 2\r\n", /wrong ports/],
  ["port with zeros", "PROXY TCP4 10.0.0.1 127.0.0.1 01 2\r\n", /wrong ports/],
  ["port with a sign", "PROXY TCP4 10.0.0.1 127.0.0.1 +1 2\r\n", /wrong ports/],
  ["v2 version", Buffer.from(`${SIGNATURE}31110000`, "hex"), /unknown version/],
  ["v2 command", v2(2, 0x11, V4), /unknown version or command/],
  ["v2 family", v2(1, 0x41, V4), /no known family/],
  ["v2 transport", v2(1, 0x13, V4), /no known family/],
  ["v2 datagram", v2(1, 0x12, V4), /not for a stream/],
  ["v2 too short", v2(1, 0x21, V4), /too short/],
  ["v2 too long", v2(1, 0x11, V4, 4_081), /too long/],
  ["v2 extension beyond the end", v2(1, 0x11, `${V4}030005deadbeef`), /broken extensions/],
  ["v2 half an extension", v2(1, 0x11, `${V4}03`), /broken extensions/],
];

const bytesOf = (bytes: Buffer | string): Buffer => (typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);

function shown(result: ProxyHeader | HeaderFault | null): string | null {
  if (result === null) return "more";
  if ("fault" in result) return result.fault;
  return result.ends === null ? null : `${result.ends.source.ip} ${result.ends.source.port}`;
}

test("headers that are right, whole and byte by byte", () => {
  for (const [name, written, source] of good) {
    const bytes = bytesOf(written);
    const followed = Buffer.concat([bytes, Buffer.from("\r\nPROXY GET")]);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(parseProxyHeader(followed.subarray(0, length)), null, `${name}: ${length} bytes are not enough`);
    }
    const header = parseProxyHeader(followed);
    assert.equal(shown(header), source, name);
    assert.equal((header as ProxyHeader).length, bytes.length, name);
  }
});

test("the addresses of both ends", () => {
  const ends = (bytes: Buffer | string): unknown => (parseProxyHeader(bytesOf(bytes)) as ProxyHeader).ends;
  assert.deepEqual(ends("PROXY TCP6 2001:DB8::1 ::1 65535 443\r\n"), {
    source: { ip: "2001:db8::1", port: 65_535 },
    destination: { ip: "::1", port: 443 },
  });
  assert.deepEqual(ends(v2(1, 0x11, V4)), {
    source: { ip: "10.0.0.1", port: 1_234 },
    destination: { ip: "127.0.0.1", port: 9_100 },
  });
  assert.deepEqual(ends(v2(1, 0x21, V6)), {
    source: { ip: "2001:db8::1", port: 1_234 },
    destination: { ip: "::1", port: 9_100 },
  });
});

test("headers that are wrong, whole and byte by byte", () => {
  for (const [name, written, fault] of bad) {
    const bytes = bytesOf(written);
    assert.match(shown(parseProxyHeader(bytes)) ?? "", fault, name);
    // No prefix of them is a header, and once one is wrong it stays so.
    let wrong = false;
    for (let length = 0; length <= bytes.length; length++) {
      const said = shown(parseProxyHeader(bytes.subarray(0, length)));
      assert.ok(said === "more" ? !wrong : fault.test(said ?? ""), `${name}: ${length} bytes: ${said}`);
      wrong = said !== "more";
    }
  }
});

test("what is written is read again", () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  const ends = (ip: fc.Arbitrary<string>) => fc.record({ ip, port });
  const pair = fc.oneof(fc.tuple(ends(fc.ipV4()), ends(fc.ipV4())), fc.tuple(ends(fc.ipV6()), ends(fc.ipV6())));
  fc.assert(
    fc.property(pair, ([source, destination]) => {
      const header = Buffer.from(formatProxyHeader(source, destination));
      const read = parseProxyHeader(header) as ProxyHeader;
      assert.equal(read.length, header.length);
      assert.equal(read.ends?.source.port, source.port);
      assert.equal(read.ends.destination.port, destination.port);
      // Read again it does not change any more.
      for (const end of [read.ends.source, read.ends.destination]) {
        const again = parseProxyHeader(Buffer.from(formatProxyHeader(end, end))) as ProxyHeader;
        assert.deepEqual(again.ends, { source: end, destination: end });
      }
    }),
  );
  assert.equal(formatProxyHeader({ ip: "::1", port: 1 }, { ip: "10.0.0.1", port: 2 }), "PROXY UNKNOWN\r\n");
});

test("whatever bytes come, a verdict is reached within the limit and never changes", () => {
  const near = fc.constantFrom(...[...good, ...bad].map(([, bytes]) => bytesOf(bytes)));
  const changed = fc.tuple(near, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([bytes, at, value]) => {
    const copy = Buffer.from(bytes);
    copy[at % copy.length] = value;
    return copy;
  });
  const any = fc.oneof(
    changed,
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(any, fc.nat(), (bytes, cut) => {
      const whole = parseProxyHeader(bytes);
      const part = parseProxyHeader(bytes.subarray(0, cut % (bytes.length + 1)));
      if (part !== null) assert.deepEqual(part, whole, "more bytes change nothing");
      if (whole !== null && "length" in whole) assert.ok(whole.length <= bytes.length);
      const filled = Buffer.concat([bytes, Buffer.alloc(MAX_PROXY_HEADER)]);
      assert.notEqual(parseProxyHeader(filled), null, "it ends somewhere");
    }),
  );
});
