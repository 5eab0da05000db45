import type { Answer } from "../answer.ts";
import { reasonPhrase } from "../../lib/status-pages.ts";

/** Bytes of an answer's head on an HTTP/1.1 connection. */

/** Types that get a charset when they come without one, as APISIX's nginx is configured. */
const TEXT_TYPES = new Set([
  "text/html",
  "text/xml",
  "text/plain",
  "text/vnd.wap.wml",
  "application/javascript",
  "application/rss+xml",
]);

/** How the body is delimited for this client. */
export type Framing =
  /** Content-Length of so many bytes. */
  | number
  | "chunked"
  /** By the end of the connection (HTTP/1.0). */
  | "close"
  /** There is none and no length is told. */
  | "none"
  /** 101. */
  | "tunnel";

/** The Content-Type that is sent for the one that came. */
export type ContentTypes = (type: string, status: number) => string;

/** Types seen lately. */
const MAX_COMPLETED = 256;

/** @param charset of `nginx_config.http.charset`; `null`: types stay as they came. */
export function compileContentTypes(charset: string | null): ContentTypes {
  if (charset === null) return (type) => type;
  const completed = new Map<string, string>();
  return (type, status) => {
    // Redirections keep theirs, as nginx lets them.
    if (status === 301 || status === 302) return type;
    let full = completed.get(type);
    if (full === undefined) {
      full = TEXT_TYPES.has(type.toLowerCase()) ? `${type}; charset=${charset}` : type;
      if (completed.size >= MAX_COMPLETED) completed.clear();
      completed.set(type, full);
    }
    return full;
  };
}

/**
 * The head with its empty line. Date, Content-Type, framing and Connection come first,
 * then the other lines in their order, then `extra`: Server and the gateway's own lines.
 */
export function answerHead(
  answer: Answer,
  framing: Framing,
  keepAlive: boolean,
  extra: string,
  types: ContentTypes,
): string {
  const text = answer.untouched;
  if (text === null || text.irregular) return rewrittenHead(answer, framing, keepAlive, extra, types);
  let head = `HTTP/1.1 ${answer.status}${answer.reason ?? reasonPhrase(answer.status)}\r\n`;
  if (text.date !== null) head += `Date: ${text.date}\r\n`;
  if (text.contentType !== null && text.contentType !== "")
    head += `Content-Type: ${types(text.contentType, answer.status)}\r\n`;
  return `${head}${framingLines(answer, framing, keepAlive)}${text.kept}${answer.addedLines}${extra}\r\n`;
}

function rewrittenHead(
  answer: Answer,
  framing: Framing,
  keepAlive: boolean,
  extra: string,
  types: ContentTypes,
): string {
  let head = `HTTP/1.1 ${answer.status}${answer.reason ?? reasonPhrase(answer.status)}\r\n`;
  const date = answer.header("date");
  if (date !== undefined) head += `Date: ${date}\r\n`;
  const type = answer.header("content-type");
  if (type !== undefined && type !== "") head += `Content-Type: ${types(type, answer.status)}\r\n`;
  const trailers = framing === "chunked";
  const ownServer = extra.startsWith("Server:") && answer.header("server") !== undefined;
  const lines = answer.lines((name) => name === "date" || name === "content-type" || (name === "trailer" && !trailers));
  const rest = ownServer ? extra.slice(extra.indexOf("\n") + 1) : extra;
  return `${head}${framingLines(answer, framing, keepAlive)}${lines}${rest}\r\n`;
}

function framingLines(answer: Answer, framing: Framing, keepAlive: boolean): string {
  const connection = keepAlive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  if (typeof framing === "number") return `Content-Length: ${framing}\r\n${connection}`;
  if (framing === "chunked") return `Transfer-Encoding: chunked\r\n${connection}`;
  if (framing === "tunnel") return `Connection: upgrade\r\nUpgrade: ${answer.upgrade}\r\n`;
  return connection;
}
