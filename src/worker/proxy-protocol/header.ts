import { isIPv4, isIPv6 } from "node:net";
import { latin1 } from "../../lib/latin1.ts";
import { canonicalIp } from "../../settings/address.ts";
import type { ProxiedEnds } from "../../plugin/context.ts";
import type { Address } from "../../settings/settings.ts";

/**
 * The PROXY protocol, versions 1 and 2: what a proxy says of the client before the
 * client's first byte. Read strictly: whatever the specification does not allow is a
 * fault, for the other end could make the gateway believe any address.
 */

/** What a header says, and how long it is. */
export interface ProxyHeader {
  /** Bytes of the header; what follows is the client's. */
  readonly length: number;
  /** The client and where it connected to; `null`: the proxy speaks for itself, or does not know. */
  readonly ends: ProxiedEnds | null;
}

/** Why bytes are no header. */
export interface HeaderFault {
  readonly fault: string;
}

/** Bytes of the longest header of version 1, line end included. */
const MAX_V1 = 107;
/** Bytes of version 2, with everything it may carry besides addresses, as in nginx. */
const MAX_V2 = 4_096;
/** A header that is not complete within so many bytes never will be. */
export const MAX_PROXY_HEADER = MAX_V2;

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const FIXED_V2 = 16;
const V1 = Buffer.from("PROXY ");

/** Reads a header from the beginning of `bytes`; `null`: more is needed. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | HeaderFault | null {
  if (bytes.length === 0) return null;
  if (bytes[0] === V1[0]) return startsLike(bytes, V1) ? parseV1(bytes) : NO_HEADER;
  return startsLike(bytes, SIGNATURE) ? parseV2(bytes) : NO_HEADER;
}

/** The header of version 1 for a connection between two ends of one family. */
export function formatProxyHeader(source: Address, destination: Address): string {
  const ipv6 = source.ip.includes(":");
  if (ipv6 !== destination.ip.includes(":")) return "PROXY UNKNOWN\r\n";
  return `PROXY ${ipv6 ? "TCP6" : "TCP4"} ${source.ip} ${destination.ip} ${source.port} ${destination.port}\r\n`;
}

const NO_HEADER: HeaderFault = { fault: "no PROXY header" };

function startsLike(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.compare(expected, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader | HeaderFault | null {
  const newline = bytes.subarray(0, MAX_V1).indexOf(10);
  if (newline < 0) return bytes.length < MAX_V1 ? null : { fault: "PROXY header of version 1 is too long" };
  const length = newline + 1;
  const line = latin1(bytes, 0, length);
  if (!line.endsWith("\r\n")) return { fault: "PROXY header does not end with CRLF" };
  const words = line.slice(0, -2).split(" ");
  // Whatever follows UNKNOWN is to be ignored.
  if (words[1] === "UNKNOWN") return { length, ends: null };
  const [, family, source = "", destination = "", sourcePort = "", destinationPort = ""] = words;
  const isIp = family === "TCP4" ? isIPv4 : family === "TCP6" ? isPlainIpv6 : null;
  if (isIp === null) return { fault: "PROXY header names no known family" };
  if (words.length !== 6 || !isIp(source) || !isIp(destination)) return { fault: "PROXY header has wrong addresses" };
  if (!isPort(sourcePort) || !isPort(destinationPort)) return { fault: "PROXY header has wrong ports" };
  return {
    length,
    ends: {
      source: { ip: canonicalIp(source), port: Number(sourcePort) },
      destination: { ip: canonicalIp(destination), port: Number(destinationPort) },
    },
  };
}

/** Without the name of an interface, which would mean something on the proxy only. */
function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes("%");
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Bytes that two addresses and their ports take, by the family. */
const addressLengths: readonly number[] = [0, 12, 36, 216];
const Family = { unspecified: 0, ipv4: 1, ipv6: 2 } as const;
const STREAM = 1;

function parseV2(bytes: Buffer): ProxyHeader | HeaderFault | null {
  if (bytes.length < FIXED_V2) return null;
  const command = bytes[12]! & 0x0f;
  if (bytes[12]! >> 4 !== 2 || command > 1) return { fault: "PROXY header has an unknown version or command" };
  const length = FIXED_V2 + bytes.readUInt16BE(14);
  if (length > MAX_V2) return { fault: "PROXY header of version 2 is too long" };
  const [family, transport] = [bytes[13]! >> 4, bytes[13]! & 0x0f];
  const addresses = addressLengths[family];
  // LOCAL: what the proxy says of addresses does not count.
  const local = command === 0;
  if (!local) {
    if (addresses === undefined || transport > 2) return { fault: "PROXY header names no known family" };
    if (family !== Family.unspecified && transport !== STREAM) return { fault: "PROXY header is not for a stream" };
    if (length < FIXED_V2 + addresses) return { fault: "PROXY header is too short for its addresses" };
  }
  if (bytes.length < length) return null;
  if (local) return { length, ends: null };
  if (family !== Family.unspecified && !isTlvList(bytes, FIXED_V2 + addresses!, length)) {
    return { fault: "PROXY header has broken extensions" };
  }
  if (family === Family.ipv4) return { length, ends: endsAt(bytes, ipv4At, 4) };
  if (family === Family.ipv6) return { length, ends: endsAt(bytes, ipv6At, 16) };
  return { length, ends: null };
}

/** Both addresses, of `size` bytes each, then both ports. */
function endsAt(bytes: Buffer, addressAt: (bytes: Buffer, at: number) => string, size: number): ProxiedEnds {
  const [destination, ports] = [FIXED_V2 + size, FIXED_V2 + 2 * size];
  return {
    source: { ip: addressAt(bytes, FIXED_V2), port: bytes.readUInt16BE(ports) },
    destination: { ip: addressAt(bytes, destination), port: bytes.readUInt16BE(ports + 2) },
  };
}

/** Whether extensions (type, length, value) fill the rest exactly. */
function isTlvList(bytes: Buffer, from: number, to: number): boolean {
  let at = from;
  while (at + 3 <= to) at += 3 + bytes.readUInt16BE(at + 1);
  return at === to;
}

function ipv4At(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

function ipv6At(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + i * 2).toString(16));
  return canonicalIp(groups.join(":"));
}
