import { type HeadLimits, parseRequestHead, type Refusal, type RequestHead } from "../http1/request-head.ts";

/**
 * A request's head of HTTP/2 (RFC 9113, section 8.3) as the one of HTTP/1.1 that says the
 * same, so that it is judged by the same rules and matched, changed and sent on like any
 * other. The library has refused what breaks section 8.2: names in upper case, fields of
 * one connection, pseudo-fields that are missing, repeated, unknown or late.
 */

// oxlint-disable-next-line no-control-regex
const BREAKS_LINES = /[\0\r\n]/;
// oxlint-disable-next-line no-control-regex
const BREAKS_WORDS = /[\0-\x20\x7f]/;

/** `null`: the message is malformed, which ends the stream with PROTOCOL_ERROR (section 8.1.1). */
export function requestHead(
  fields: readonly string[],
  endsHere: boolean,
  limits: HeadLimits,
): RequestHead | Refusal | null {
  let method = "";
  let path = "";
  let authority: string | null = null;
  let host: string | null = null;
  let cookie = "";
  let lines = "";
  let hasLength = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    // The library has looked; a line that ends early would be another request to those behind us.
    if (BREAKS_LINES.test(value)) return null;
    switch (name) {
      case ":method":
        method = value;
        break;
      case ":path":
        path = value;
        break;
      case ":authority":
        authority = value;
        break;
      case ":scheme":
        break;
      case "host":
        if (host !== null) return null;
        host = value;
        break;
      case "cookie":
        // Section 8.2.3: crumbs are put together for whoever does not speak HTTP/2.
        cookie = cookie === "" ? value : `${cookie}; ${value}`;
        break;
      default:
        if (name.startsWith(":")) return null;
        hasLength ||= name === "content-length";
        lines += `${name}: ${value}\r\n`;
    }
  }
  // Section 8.3.1: they must not name different hosts.
  if (authority !== null && host !== null && authority.toLowerCase() !== host.toLowerCase()) return null;
  const named = authority ?? host;
  if (BREAKS_WORDS.test(method) || BREAKS_WORDS.test(path) || BREAKS_WORDS.test(named ?? "")) return null;
  if (method === "CONNECT") path = named ?? "";
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (named !== null) text += `Host: ${named}\r\n`;
  text += lines;
  if (cookie !== "") text += `cookie: ${cookie}\r\n`;
  if (!endsHere && !hasLength) text += "Transfer-Encoding: chunked\r\n";
  const bytes = Buffer.from(text, "latin1");
  return parseRequestHead({ bytes, base: 0, text, length: text.length }, limits);
}
