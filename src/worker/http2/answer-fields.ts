import type { Answer } from "../answer.ts";
import type { ContentTypes } from "../http1/answer-form.ts";
import { answerHead } from "../http1/answer-head.ts";

/** Fields of one connection: HTTP/2 has none of them (RFC 9113, section 8.2.2). */
const CONNECTION_FIELDS = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** Fields that trailers must not hold (RFC 9110, section 6.5.1). */
const NO_TRAILERS = new Set([...CONNECTION_FIELDS, "content-length", "host", "te", "trailer", "content-type"]);

/** The head of an answer as names and values in turn, `:status` first; lines are those of HTTP/1.1. */
export function answerFields(answer: Answer, extra: string, types: ContentTypes): string[] {
  const length = answer.streamed ? -1 : answer.contentLength;
  const bare = answer.status === 204 || answer.status === 304 || length < 0;
  const framing = bare ? "none" : length;
  const text = answerHead(answer, framing, true, extra, types);
  answer.written(extra, framing, "", types);
  return [":status", String(answer.status), ...fieldsOf(text, text.indexOf("\n") + 1, CONNECTION_FIELDS)];
}

/** Lines with CRLF as names and values in turn. */
export function interimFields(status: number, lines: string): string[] {
  return [":status", String(status), ...fieldsOf(lines, 0, CONNECTION_FIELDS)];
}

/** Trailers by name; of those that are repeated every value. */
export function trailerFields(lines: string): Record<string, string | string[]> {
  const trailers: Record<string, string | string[]> = { __proto__: null } as never;
  const fields = fieldsOf(lines, 0, NO_TRAILERS);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const before = trailers[name];
    trailers[name] = before === undefined ? fields[i + 1]! : [before, fields[i + 1]!].flat();
  }
  return trailers;
}

/** Trailers of a request as lines with CRLF; those that a node must not take for its own are left out. */
export function trailerLines(fields: readonly string[]): string {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (!name.startsWith(":") && !NO_TRAILERS.has(name)) lines += `${name}: ${fields[i + 1]}\r\n`;
  }
  return lines;
}

function fieldsOf(text: string, start: number, dropped: ReadonlySet<string>): string[] {
  const fields: string[] = [];
  let at = start;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at);
    if (end <= at) break;
    const colon = text.indexOf(":", at);
    const name = text.slice(at, colon).toLowerCase();
    if (!dropped.has(name)) fields.push(name, text.slice(colon + 1, end).trim());
    at = end + 2;
  }
  return fields;
}
