import { alerts, type Alert } from "./alert.ts";

/**
 * The first message of a TLS client (RFC 8446, section 4.1.2), read as far as it decides
 * which certificate is shown: before the library sees a byte, so that the versions, the
 * ciphers and the sessions of that certificate hold from the beginning.
 */
export interface ClientHello {
  /** What the client asks for, in lower case without a final dot; `null` without a name. */
  readonly serverName: string | null;
  /** The protocols that it offers by ALPN (RFC 7301), in its order. */
  readonly protocols: readonly string[];
  /** It asks for the response of an OCSP responder (RFC 6066, section 8). */
  readonly asksStatus: boolean;
  /** The signature schemes that it knows (RFC 8446, section 4.2.3), in its order. */
  readonly schemes: readonly number[];
  /** It offers TLS 1.3. */
  readonly knowsTls13: boolean;
}

/** A beginning that cannot become a client's hello, and what to tell the client. */
export interface HelloFault {
  readonly alert: Alert;
  readonly detail: string;
}

/** Bytes that a hello may take with its records; the largest of today's are a tenth of it. */
export const MAX_HELLO = 32_768;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER = 5;
const MAX_RECORD = 16_384;
/** Records that a hello may be cut into: each arrival looks at all of them again. */
const MAX_RECORDS = 64;
const TOO_LARGE: HelloFault = { alert: alerts.illegalParameter, detail: "ClientHello too large" };
const SERVER_NAME = 0;
const STATUS_REQUEST = 5;
const OCSP = 1;
const SIGNATURE_ALGORITHMS = 13;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const TLS13 = 0x0304;

/** Reads a hello from the first bytes of a connection; `null`: more of them are needed. */
export function readClientHello(bytes: Uint8Array): ClientHello | HelloFault | null {
  const message = handshakeMessage(bytes);
  if (message === null || "alert" in message) return message;
  const hello = parseHello(new Cursor(message));
  return hello ?? { alert: alerts.decodeError, detail: "malformed ClientHello" };
}

/** Whether the result of `readClientHello` is a fault. */
export function isHelloFault(result: ClientHello | HelloFault): result is HelloFault {
  return "alert" in result;
}

/** The body of the first handshake message, put together from its records. */
function handshakeMessage(bytes: Uint8Array): Uint8Array | HelloFault | null {
  const pieces: Uint8Array[] = [];
  let have = 0;
  let at = 0;
  while (pieces.length < MAX_RECORDS) {
    const fault = recordFault(bytes, at);
    if (fault !== null) return fault;
    if (bytes.length < at + RECORD_HEADER) return unfinished(bytes);
    const length = bytes[at + 3]! * 256 + bytes[at + 4]!;
    const piece = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    pieces.push(piece);
    have += piece.length;
    at += RECORD_HEADER + length;
    const size = have >= 4 ? messageSize(pieces) : 0;
    if (typeof size !== "number") return size;
    if (have >= 4 && have >= size + 4) return joined(pieces).subarray(4, size + 4);
    if (piece.length < length) return unfinished(bytes);
  }
  return { alert: alerts.unexpectedMessage, detail: "ClientHello in too many records" };
}

/** The size that the message says it has. */
function messageSize(pieces: readonly Uint8Array[]): number | HelloFault {
  const start = pieces[0]!.length >= 4 ? pieces[0]! : joined(pieces.slice(0, 4));
  if (start[0] !== CLIENT_HELLO) return { alert: alerts.unexpectedMessage, detail: "not a ClientHello" };
  const size = start[1]! * 65_536 + start[2]! * 256 + start[3]!;
  return size > MAX_HELLO ? TOO_LARGE : size;
}

function unfinished(bytes: Uint8Array): HelloFault | null {
  return bytes.length >= MAX_HELLO ? TOO_LARGE : null;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

function recordFault(bytes: Uint8Array, at: number): HelloFault | null {
  if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) {
    return { alert: alerts.unexpectedMessage, detail: "not a TLS handshake" };
  }
  if (bytes.length > at + 1 && bytes[at + 1] !== 3) {
    return { alert: alerts.unexpectedMessage, detail: "unknown version of TLS records" };
  }
  if (bytes.length < at + RECORD_HEADER) return null;
  const length = bytes[at + 3]! * 256 + bytes[at + 4]!;
  if (length > MAX_RECORD) return { alert: alerts.recordOverflow, detail: "record too large" };
  return length === 0 ? { alert: alerts.unexpectedMessage, detail: "empty record" } : null;
}

/** Reads numbers and vectors; what lies beyond the end makes it `failed`, and empty. */
class Cursor {
  failed = false;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(count: number): Uint8Array {
    if (this.#at + count > this.#bytes.length) {
      this.failed = true;
      this.#at = this.#bytes.length;
      return this.#bytes.subarray(0, 0);
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(size: number): number {
    let value = 0;
    for (const byte of this.take(size)) value = value * 256 + byte;
    return value;
  }

  /** A vector whose length takes `size` bytes. */
  vector(size: number): Cursor {
    return new Cursor(this.take(this.number(size)));
  }

  text(): string {
    return Buffer.from(this.#bytes).toString("latin1");
  }
}

function parseHello(cursor: Cursor): ClientHello | null {
  cursor.take(2 + 32);
  cursor.vector(1);
  cursor.vector(2);
  cursor.vector(1);
  let serverName: string | null = null;
  let protocols: readonly string[] = [];
  let asksStatus = false;
  let schemes: readonly number[] = [];
  let knowsTls13 = false;
  // TLS 1.2 knows hellos without extensions.
  const extensions = cursor.done ? cursor : cursor.vector(2);
  while (!extensions.done) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === SERVER_NAME) {
      const name = readServerName(content);
      if (name === undefined) return null;
      serverName = name;
    } else if (type === ALPN) {
      const names = readProtocols(content);
      if (names === null) return null;
      protocols = names;
    } else if (type === STATUS_REQUEST) asksStatus = content.number(1) === OCSP;
    else if (type === SIGNATURE_ALGORITHMS) schemes = readNumbers(content.vector(2));
    else if (type === SUPPORTED_VERSIONS) knowsTls13 = readNumbers(content.vector(1)).includes(TLS13);
  }
  if (cursor.failed || extensions.failed) return null;
  return { serverName, protocols, asksStatus, schemes, knowsTls13 };
}

/** RFC 6066, section 3; `undefined`: malformed. */
function readServerName(content: Cursor): string | null | undefined {
  const list = content.vector(2);
  let found: string | null = null;
  while (!list.done) {
    const type = list.number(1);
    const name = list.vector(2).text();
    if (type === 0) found ??= normaliseName(name);
  }
  return list.failed || content.failed ? undefined : found;
}

function readProtocols(content: Cursor): readonly string[] | null {
  const list = content.vector(2);
  const names: string[] = [];
  while (!list.done) names.push(list.vector(1).text());
  return list.failed || content.failed ? null : names;
}

/** Numbers of two bytes. What is malformed is for the library to refuse. */
function readNumbers(list: Cursor): readonly number[] {
  const numbers: number[] = [];
  while (!list.done) numbers.push(list.number(2));
  return numbers;
}

/** A name as certificates are looked up by it. */
export function normaliseName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
