import { forEachField, nameBit } from "../lib/header-fields.ts";
import {
  equalsIgnoringCase,
  fieldChar,
  isBlank,
  listElements,
  parseContentLength,
  tabAround,
  tokenChar,
} from "../lib/http-grammar.ts";

/**
 * The response head of HTTP/1.1, read as strictly as the request's: a message whose end
 * two readers could see in two places is refused.
 */

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;

/** How the body of a response ends, when it is not by its length. */
export const BodyEnd = { chunked: -1, close: -2 } as const;

/** A response head as received. Not changed any more: responses that are alike share it. */
export class ResponseText {
  /** The head as received, without the empty line. */
  readonly text: string;
  /** Where the first header line begins. */
  fieldsStart = 0;
  /** See `FieldLines`. */
  names = 0;
  status = 0;
  /** ` OK` with its blank, as received; `null`: HTTP/2 has none. */
  reason: string | null = "";
  /** 0 or 1: of HTTP/1.x. */
  minor = 1;
  /** Value of Content-Length; -1 without one. */
  contentLength = -1;
  chunked = false;
  contentType: string | null = null;
  date: string | null = null;
  upgrade: string | null = null;
  closeNamed = false;
  keepAliveNamed = false;
  upgradeNamed = false;
  hasTrailerField = false;
  /** Field names in lower case that Connection lists, beyond its own options. */
  connectionFields: readonly string[] | null = null;
  /** Header lines that are passed on unchanged, in order: all but those above and those for one hop. */
  kept = "";
  /** Some lines need rewriting: `kept` is not complete. */
  irregular = false;

  constructor(text: string) {
    this.text = text;
  }

  /** Whether the connection may be used again: the node lets it, and sends no body where there is none. */
  get keepAlive(): boolean {
    if (this.status === 204 && this.announcesBody) return false;
    return !this.closeNamed && (this.minor === 1 || this.keepAliveNamed);
  }

  /** Whether the framing speaks of a body, whatever the status says. */
  get announcesBody(): boolean {
    return this.chunked || this.contentLength > 0;
  }

  /**
   * Calls for each header as received, in order.
   */
  forEach(visit: (name: string, value: string) => void): void {
    forEachField(this.text, this.fieldsStart, visit);
  }
}

/**
 * Reads a whole head: the first `length` characters of `text`, which is the latin1 text of
 * the bytes from `base` on; an empty line follows. A string says what is wrong.
 */
export function parseResponseHead(
  bytes: Uint8Array,
  base: number,
  text: string,
  length: number,
): ResponseText | string {
  const head = new ResponseText(text.slice(0, length));
  const fault = parseStatusLine(head, bytes, base, text) ?? parseFields(head, bytes, base, text, length);
  if (fault !== null) return fault;
  if (head.chunked && head.contentLength >= 0) return "Content-Length with Transfer-Encoding";
  if (head.chunked && head.minor === 0) return "Transfer-Encoding in HTTP/1.0";
  // RFC 9112, section 6.1, and RFC 9110, section 8.6: readers differ in whether such a body is there.
  if (head.status < 200 && head.announcesBody) return "an interim response with a body";
  return head;
}

/** Whether a head whose end has not come yet can still become a good one: a line must end with CRLF. */
export function couldBeHead(text: string): boolean {
  const start = "HTTP/1.";
  if (text.length < start.length) return start.startsWith(text);
  return text.startsWith(start) && !/[^\r]\n|\r[^\n]/.test(text);
}

/** The length of the body (RFC 9112, section 6.3), or one of `BodyEnd`. */
export function bodyLengthOf(head: ResponseText, toHead: boolean): number {
  if (toHead || head.status < 200 || head.status === 204 || head.status === 304) return 0;
  if (head.chunked) return BodyEnd.chunked;
  return head.contentLength >= 0 ? head.contentLength : BodyEnd.close;
}

function parseStatusLine(head: ResponseText, bytes: Uint8Array, base: number, text: string): string | null {
  if (!text.startsWith("HTTP/1.")) return "invalid status line";
  const minor = bytes[base + 7]! - 48;
  if ((minor !== 0 && minor !== 1) || bytes[base + 8] !== SPACE) return "invalid HTTP version";
  head.minor = minor;
  let status = 0;
  for (let i = base + 9; i < base + 12; i++) {
    const digit = bytes[i]! - 48;
    if (!(digit >= 0 && digit <= 9)) return "invalid status code";
    status = status * 10 + digit;
  }
  if (status < 100) return "invalid status code";
  head.status = status;
  let i = base + 12;
  if (bytes[i] === SPACE) while (fieldChar[bytes[i]!] === 1) i++;
  if (bytes[i] !== CR || bytes[i + 1] !== LF) return "invalid status line";
  // The blank is sent even where there is no phrase (RFC 9112, section 4).
  head.reason = i === base + 12 ? " " : text.slice(12, i - base);
  head.fieldsStart = i - base + 2;
  return null;
}

function parseFields(head: ResponseText, bytes: Uint8Array, base: number, text: string, length: number): string | null {
  let start = head.fieldsStart;
  let runStart = start;
  while (start < length) {
    let i = base + start;
    while (tokenChar[bytes[i]!] === 1) i++;
    const nameEnd = i - base;
    if (nameEnd === start || bytes[i] !== COLON) return "invalid header name";
    head.names |= nameBit(nameEnd - start, bytes[base + start]!);
    i++;
    while (fieldChar[bytes[i]!] === 1) i++;
    if (bytes[i] !== CR || bytes[i + 1] !== LF) return "invalid header value";
    const end = i - base;
    let from = nameEnd + 1;
    let to = end;
    while (from < to && isBlank(bytes[base + from]!)) from++;
    while (to > from && isBlank(bytes[base + to - 1]!)) to--;
    if (to !== end || from > nameEnd + 2 || bytes[base + nameEnd + 1] === HTAB) head.irregular = true;
    const next = end + 2;
    const special = specialField(head, text, start, nameEnd - start, from, to);
    if (typeof special === "string") return special;
    if (special) {
      if (runStart < start) head.kept += text.slice(runStart, start);
      runStart = next;
    }
    start = next;
  }
  if (runStart < start) head.kept += text.slice(runStart, start);
  return null;
}

/** Takes note of a field; true where it is not passed on as it is, a string where it is wrong. */
function specialField(
  head: ResponseText,
  text: string,
  start: number,
  length: number,
  from: number,
  to: number,
): boolean | string {
  switch (length) {
    case 4:
      if (!equalsIgnoringCase(text, start, "date")) return false;
      // Of a field that should come once the first counts, as nginx has it; no framing depends on it.
      head.date ??= text.slice(from, to);
      return true;
    case 6:
      return equalsIgnoringCase(text, start, "server");
    case 7:
      if (equalsIgnoringCase(text, start, "upgrade")) {
        head.upgrade = text.slice(from, to);
        return true;
      }
      if (equalsIgnoringCase(text, start, "trailer")) head.hasTrailerField = head.irregular = true;
      return false;
    case 10:
      if (equalsIgnoringCase(text, start, "connection")) return connectionField(head, text.slice(from, to));
      return equalsIgnoringCase(text, start, "keep-alive");
    case 12:
      if (!equalsIgnoringCase(text, start, "content-type")) return false;
      head.contentType ??= text.slice(from, to);
      return true;
    case 14: {
      if (!equalsIgnoringCase(text, start, "content-length")) return false;
      if (tabAround(text, start + length, from, to)) return "a tab around Content-Length";
      const value = parseContentLength(text.slice(from, to));
      if (value < 0) return "invalid Content-Length";
      if (head.contentLength >= 0) return "repeated Content-Length";
      head.contentLength = value;
      return true;
    }
    case 16:
      return equalsIgnoringCase(text, start, "proxy-connection");
    case 17:
      if (!equalsIgnoringCase(text, start, "transfer-encoding")) return false;
      if (tabAround(text, start + length, from, to)) return "a tab around Transfer-Encoding";
      if (head.chunked) return "repeated Transfer-Encoding";
      if (text.slice(from, to).toLowerCase() !== "chunked") return "unknown transfer coding";
      head.chunked = true;
      return true;
    default:
      return false;
  }
}

const CONNECTION_OPTIONS = new Set(["close", "keep-alive", "upgrade"]);
/** Fields that frame or describe the message: Connection cannot take them away. */
const PROTECTED = new Set(["content-length", "transfer-encoding", "content-type", "date", "set-cookie", "location"]);

function connectionField(head: ResponseText, value: string): true {
  if (value === "keep-alive") {
    head.keepAliveNamed = true;
    return true;
  }
  const options = listElements(value);
  const fields = options.filter((option) => !CONNECTION_OPTIONS.has(option) && !PROTECTED.has(option));
  if (fields.length > 0) {
    head.connectionFields = [...(head.connectionFields ?? []), ...fields];
    head.irregular = true;
  }
  head.keepAliveNamed ||= options.includes("keep-alive");
  head.closeNamed ||= options.includes("close");
  head.upgradeNamed ||= options.includes("upgrade");
  return true;
}
