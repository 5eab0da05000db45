import type { ErrorCode } from "../../lib/errors.ts";
import { nameBit } from "../../lib/header-fields.ts";
import {
  equalsIgnoringCase,
  fieldChar,
  isBlank,
  listElements,
  parseContentLength,
  tabAround,
  targetChar,
  tokenChar,
} from "../../lib/http-grammar.ts";
import { normalisePath } from "../../lib/normalise-path.ts";
import { type Host, parseHost } from "./host.ts";

/**
 * The request head of HTTP/1.1, read strictly (RFC 9112): whatever two parsers could
 * read in two ways is refused. It is read as one latin1 string, line by line, and the
 * first fault in the order of bytes decides, so that it does not matter in what
 * pieces a head arrives.
 */

/** Limits of a head in bytes; see `HttpSettings`. */
export interface HeadLimits {
  readonly maxRequestLine: number;
  readonly maxHeaderLine: number;
  readonly maxHead: number;
  readonly underscoresInHeaders: boolean;
}

/** Why a head is refused. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** The detail of a refusal that nginx tells the client on its page. */
export const LINE_TOO_LONG = "Request Header Or Cookie Too Large";

/** How a body is framed, when it is not by its length. */
export const CHUNKED = -1;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const PERCENT = 0x25;
const DOT = 0x2e;
const UNDERSCORE = 0x5f;

/** A head that was accepted. Not changed any more: requests that are alike share it. */
export class RequestHead {
  /** The head as received, without the empty line. */
  readonly text: string;
  /** Where the first header line begins. */
  fieldsStart = 0;
  /** See `FieldLines`. */
  names = 0;
  method = "";
  /** In origin form (`*` for `OPTIONS *`), as received. */
  target = "";
  /** The path, decoded once and normalised. */
  path = "";
  /** Where `?` stands in `target`; -1 without a query. */
  queryAt = -1;
  /** 0 or 1: of HTTP/1.x. */
  minor = 1;
  /** The Host field, or the authority of an absolute-form target; `null` without one. */
  host: Host | null = null;
  /** Bytes of the body; `CHUNKED`; 0 where there is none. */
  bodyLength = 0;
  /** A Content-Length was sent, if only of 0. */
  hasLength = false;
  /** Whether the client lets the connection be used for another request. */
  keepAlive = false;
  expectContinue = false;
  /** The protocols of an upgrade that Connection announces too; `null` without one. */
  upgrade: string | null = null;
  forwardedFor: string | null = null;
  realIp: string | null = null;
  hasTrailerField = false;
  /** Options that Connection gave. */
  closeNamed = false;
  keepAliveNamed = false;
  upgradeNamed = false;
  /** Field names in lower case that Connection lists, beyond its own options. */
  connectionFields: readonly string[] | null = null;
  /** How often each of these fields, of which there may be one, was sent. */
  hosts = 0;
  lengths = 0;
  codings = 0;
  /** Header lines that are passed on unchanged, in order. */
  kept = "";
  /** Some lines need rewriting: `kept` is not complete (see `upstream-head.ts`). */
  irregular = false;
  /** Whether fields whose names have underscores count. */
  readonly underscores: boolean;

  constructor(text: string, underscores: boolean) {
    this.text = text;
    this.underscores = underscores;
  }
}

/**
 * Where a head lies: `text` is the latin1 text of the bytes from `base` on, the head its
 * first `length` characters (each line with its CRLF, without the empty line). Scanning
 * reads bytes, which is faster, slicing takes text.
 */
export interface HeadBytes {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly text: string;
  readonly length: number;
}

/** Reads a whole head; what follows it is an empty line. */
export function parseRequestHead(source: HeadBytes, limits: HeadLimits): RequestHead | Refusal {
  const head = new RequestHead(source.text.slice(0, source.length), limits.underscoresInHeaders);
  return parseRequestLine(head, source, limits) ?? parseFields(head, source, limits) ?? checkMessage(head) ?? head;
}

/**
 * The fault in the beginning of a head whose end will not be waited for; `null` if there
 * is none. The bytes must end with the text.
 */
export function faultIn(source: HeadBytes, limits: HeadLimits): Refusal | null {
  const head = new RequestHead(source.text, limits.underscoresInHeaders);
  return parseRequestLine(head, source, limits) ?? parseFields(head, source, limits);
}

/** Whether the result of `parseRequestHead` is a refusal. */
export function isRefusal(result: RequestHead | Refusal): result is Refusal {
  return !(result instanceof RequestHead);
}

function malformed(detail: string): Refusal {
  return { code: "DOWNSTREAM_MALFORMED", detail };
}

function parseRequestLine(head: RequestHead, source: HeadBytes, limits: HeadLimits): Refusal | null {
  const { bytes, base, text, length } = source;
  let i = 0;
  while (tokenChar[bytes[base + i]!] === 1) i++;
  const methodEnd = i;
  if (bytes[base + i] === SPACE) i++;
  const targetStart = i;
  while (targetChar[bytes[base + i]!] === 1) i++;
  // The limit comes first, wherever in the line a fault may be.
  if (i + 11 > limits.maxRequestLine && lineIsTooLong(text, limits.maxRequestLine)) {
    return { code: "DOWNSTREAM_TARGET_TOO_LONG", detail: "request line too long" };
  }
  if (i >= length) return null;
  if (methodEnd === 0 || bytes[base + methodEnd] !== SPACE) return malformed("invalid method");
  if (i === targetStart || bytes[base + i] !== SPACE) return malformed("invalid request target");
  const version = i + 1;
  if (version + 10 > length && text.indexOf("\n", version) < 0) return null;
  if (!text.startsWith("HTTP/1.1\r\n", version)) {
    const refusal = otherVersion(head, version);
    if (refusal !== null) return refusal;
  }
  head.method = text.slice(0, methodEnd);
  head.fieldsStart = version + 10;
  return parseTarget(head, text.slice(targetStart, i));
}

function lineIsTooLong(text: string, limit: number): boolean {
  const lineEnd = text.indexOf("\n");
  return (lineEnd < 0 ? text.length : lineEnd + 1) > limit;
}

function otherVersion(head: RequestHead, at: number): Refusal | null {
  const match = /^HTTP\/(\d)\.(\d)\r\n/.exec(head.text.slice(at, at + 10));
  if (match === null) return malformed("invalid HTTP version");
  if (match[1] !== "1" || match[2] !== "0") return { code: "DOWNSTREAM_VERSION", detail: "unsupported HTTP version" };
  head.minor = 0;
  return null;
}

/** RFC 9112, section 3.2. */
function parseTarget(head: RequestHead, target: string): Refusal | null {
  if (head.method === "CONNECT") return { code: "DOWNSTREAM_NOT_IMPLEMENTED", detail: "CONNECT is not served" };
  // RFC 9113, section 3.4: the method that no HTTP/1.1 message has, so that HTTP/2 is not taken for one.
  if (head.method === "PRI") return malformed("PRI is kept for HTTP/2");
  if (target.charCodeAt(0) === SLASH) return setTarget(head, target);
  if (target === "*") {
    if (head.method !== "OPTIONS") return malformed("invalid request target");
    head.target = head.path = "*";
    return null;
  }
  const match = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  const host = match === null ? null : parseHost(match[1]!);
  if (match === null || host === null) return malformed("invalid request target");
  head.host = host;
  const rest = match[2]!;
  if (rest === "" && head.method === "OPTIONS") {
    head.target = head.path = "*";
    return null;
  }
  return setTarget(head, rest.charCodeAt(0) === SLASH ? rest : `/${rest}`);
}

function setTarget(head: RequestHead, target: string): Refusal | null {
  head.target = target;
  let plain = true;
  let previous = 0;
  let end = target.length;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION) {
      head.queryAt = end = i;
      break;
    }
    if (code === PERCENT || code >= 0x80 || (previous === SLASH && (code === SLASH || code === DOT))) plain = false;
    previous = code;
  }
  const path = end === target.length ? target : target.slice(0, end);
  const normal = plain ? path : normalisePath(path);
  if (normal === null) return malformed("invalid path");
  head.path = normal;
  return null;
}

function parseFields(head: RequestHead, source: HeadBytes, limits: HeadLimits): Refusal | null {
  const { bytes, base, text, length } = source;
  if (head.fieldsStart === 0) return null;
  let lineStart = head.fieldsStart;
  // Lines are passed on in runs: `runStart` is where the present one begins.
  let runStart = lineStart;
  while (lineStart < length) {
    let i = base + lineStart;
    while (tokenChar[bytes[i]!] === 1) i++;
    const nameEnd = i - base;
    if (bytes[i] === COLON) {
      i++;
      while (fieldChar[bytes[i]!] === 1) i++;
    }
    const end = i - base;
    const refusal = lineFault(source, lineStart, nameEnd, end, limits);
    if (refusal !== null) return refusal;
    if (end + 1 >= length) return null;
    head.names |= nameBit(nameEnd - lineStart, bytes[base + lineStart]!);
    let from = nameEnd + 1;
    let to = end;
    while (from < to && isBlank(bytes[base + from]!)) from++;
    while (to > from && isBlank(bytes[base + to - 1]!)) to--;
    // White space around the value beyond one blank is not passed on.
    if (to !== end || from > nameEnd + 2 || bytes[base + nameEnd + 1] === HTAB) head.irregular = true;
    const next = end + 2;
    const special = specialField(head, text, lineStart, nameEnd, from, to);
    if (special === SPECIAL) {
      if (runStart < lineStart) head.kept += text.slice(runStart, lineStart);
      runStart = next;
    } else if (special !== null) return special;
    lineStart = next;
  }
  if (runStart < lineStart) head.kept += text.slice(runStart, lineStart);
  return null;
}

/** What is wrong with the line that begins at `start` and was read up to `at`; its name ends at `nameEnd`. */
function lineFault(
  { bytes, base, length }: HeadBytes,
  start: number,
  nameEnd: number,
  at: number,
  limits: HeadLimits,
): Refusal | null {
  if (at + 2 - start > limits.maxHeaderLine) return malformed(LINE_TOO_LONG);
  if (at + 2 > limits.maxHead) return { code: "DOWNSTREAM_HEAD_TOO_LARGE", detail: "header section too large" };
  if (at >= length) return null;
  if (nameEnd === start || bytes[base + nameEnd] !== COLON) return malformed("invalid header name");
  if (bytes[base + at] !== CR) return malformed("invalid header value");
  if (at + 1 < length && bytes[base + at + 1] !== LF) return malformed("bare CR in a header");
  return null;
}

const TAB_AROUND = malformed("a tab around the length or the transfer coding");

/** The line is not passed on as it is. */
const SPECIAL = Symbol("special");

/** Takes note of a field that means something to a proxy; `null` for all others. */
function specialField(
  head: RequestHead,
  text: string,
  start: number,
  nameEnd: number,
  from: number,
  to: number,
): typeof SPECIAL | Refusal | null {
  const is = (name: string): boolean => equalsIgnoringCase(text, start, name);
  switch (nameEnd - start) {
    case 2:
      return is("te") ? SPECIAL : null;
    case 4:
      return is("host") ? hostField(head, text.slice(from, to)) : null;
    case 6:
      if (!is("expect")) return plainField(head, text, start, nameEnd);
      // Other expectations are dropped, as nginx does (RFC 9110, section 10.1.1 lets us).
      if (text.slice(from, to).toLowerCase() === "100-continue") head.expectContinue = head.minor === 1;
      return SPECIAL;
    case 7:
      if (is("upgrade")) {
        head.upgrade = head.upgrade === null ? text.slice(from, to) : `${head.upgrade}, ${text.slice(from, to)}`;
        return SPECIAL;
      }
      if (is("trailer")) head.irregular = head.hasTrailerField = true;
      return plainField(head, text, start, nameEnd);
    case 9:
      if (is("x-real-ip")) {
        head.realIp ??= text.slice(from, to);
        return SPECIAL;
      }
      return is("forwarded") ? SPECIAL : plainField(head, text, start, nameEnd);
    case 10:
      if (is("connection")) return connectionField(head, text.slice(from, to));
      return is("keep-alive") ? SPECIAL : plainField(head, text, start, nameEnd);
    case 14:
      if (is("content-length")) {
        return tabAround(text, nameEnd, from, to) ? TAB_AROUND : lengthField(head, text.slice(from, to));
      }
      return is("http2-settings") ? SPECIAL : plainField(head, text, start, nameEnd);
    case 15:
      if (!is("x-forwarded-for")) return plainField(head, text, start, nameEnd);
      if (to > from) {
        const value = text.slice(from, to);
        head.forwardedFor = head.forwardedFor === null ? value : `${head.forwardedFor}, ${value}`;
      }
      return SPECIAL;
    case 16:
      if (is("proxy-connection")) return SPECIAL;
      if (is("x-forwarded-host") || is("x-forwarded-port")) head.irregular = true;
      return plainField(head, text, start, nameEnd);
    case 17:
      if (is("transfer-encoding")) {
        return tabAround(text, nameEnd, from, to) ? TAB_AROUND : codingField(head, text.slice(from, to));
      }
      if (is("x-forwarded-proto")) head.irregular = true;
      return plainField(head, text, start, nameEnd);
    case 19:
      return is("proxy-authorization") || is("x-consumer-username") ? SPECIAL : plainField(head, text, start, nameEnd);
    case 23:
      return is("x-credential-identifier") ? SPECIAL : plainField(head, text, start, nameEnd);
    default:
      return plainField(head, text, start, nameEnd);
  }
}

/** A field that is passed on, unless its name has underscores that do not count, or is a forged X-Consumer-*. */
function plainField(head: RequestHead, text: string, start: number, nameEnd: number): typeof SPECIAL | null {
  if (nameEnd - start > 11 && equalsIgnoringCase(text, start, "x-consumer-")) return SPECIAL;
  if (head.underscores) return null;
  for (let i = start; i < nameEnd; i++) if (text.charCodeAt(i) === UNDERSCORE) return SPECIAL;
  return null;
}

function hostField(head: RequestHead, value: string): typeof SPECIAL | Refusal {
  // RFC 9112, section 3.2: more than one Host is refused, and so is an invalid one.
  if (++head.hosts > 1) return malformed("repeated Host");
  const host = parseHost(value);
  if (host === null) return malformed("invalid Host");
  // The authority of an absolute-form target wins (section 3.2.2).
  head.host ??= host;
  return SPECIAL;
}

function lengthField(head: RequestHead, value: string): typeof SPECIAL | Refusal {
  const length = parseContentLength(value);
  if (length < 0) return malformed("invalid Content-Length");
  if (++head.lengths > 1) return malformed("repeated Content-Length");
  if (head.codings > 0) return malformed("Content-Length with Transfer-Encoding");
  head.bodyLength = length;
  head.hasLength = true;
  return SPECIAL;
}

/** RFC 9112, section 6.1. */
function codingField(head: RequestHead, value: string): typeof SPECIAL | Refusal {
  if (++head.codings > 1) return malformed("repeated Transfer-Encoding");
  if (head.lengths > 0) return malformed("Content-Length with Transfer-Encoding");
  if (head.minor === 0) return malformed("Transfer-Encoding in HTTP/1.0");
  if (value.toLowerCase() !== "chunked") {
    return { code: "DOWNSTREAM_NOT_IMPLEMENTED", detail: "unknown transfer coding" };
  }
  head.bodyLength = CHUNKED;
  return SPECIAL;
}

const CONNECTION_OPTIONS = new Set(["close", "keep-alive", "upgrade"]);

function connectionField(head: RequestHead, value: string): typeof SPECIAL {
  if (value === "keep-alive") {
    head.keepAliveNamed = true;
    return SPECIAL;
  }
  const options = listElements(value);
  const fields = options.filter((option) => !CONNECTION_OPTIONS.has(option) && option !== "host");
  if (fields.length > 0) {
    head.connectionFields = [...(head.connectionFields ?? []), ...fields];
    head.irregular = true;
  }
  head.keepAliveNamed ||= options.includes("keep-alive");
  head.closeNamed ||= options.includes("close");
  head.upgradeNamed ||= options.includes("upgrade");
  return SPECIAL;
}

/** What can be judged only when all fields are known. */
function checkMessage(head: RequestHead): Refusal | null {
  if (head.hosts === 0 && head.minor === 1) return malformed("missing Host");
  head.keepAlive = !head.closeNamed && (head.minor === 1 || head.keepAliveNamed);
  // RFC 9110, section 7.8: Upgrade counts only where Connection names it, and not in HTTP/1.0.
  if (head.minor === 0 || !head.upgradeNamed || !mayUpgrade(head)) head.upgrade = null;
  return null;
}

/**
 * Whether the bytes that follow may become another protocol's: not before a body, whose
 * end would be in doubt, and not HTTP/2 in clear text, whose requests would pass unseen.
 */
function mayUpgrade(head: RequestHead): boolean {
  return head.upgrade !== null && head.bodyLength === 0 && !/(?:^|[,\s])(?:h2c|http)\s*(?:$|[,/])/i.test(head.upgrade);
}
