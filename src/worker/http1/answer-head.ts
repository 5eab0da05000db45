import type { Answer } from "../answer.ts";
import { reasonPhrase } from "../../lib/status-pages.ts";
import type { ContentTypes, Framing } from "./answer-form.ts";

/** Bytes of an answer's head on an HTTP/1.1 connection. */

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
