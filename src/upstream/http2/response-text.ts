import { isFieldValue, isToken } from "../../lib/http-grammar.ts";
import { parseResponseHead, type ResponseText } from "../response-head.ts";

/** Header sections of HTTP/2 in the form that the rest of the gateway reads. */

/** Fields that HTTP/2 does not have (RFC 9113, section 8.2.2): a node that sends them is not heard. */
const NOT_IN_HTTP2 = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);

/** Names and values in turn, as they came; several of one name stay several. */
export type FieldList = readonly string[];

/** The head of a response. A string says what is wrong. */
export function responseText(status: number, fields: FieldList): ResponseText | string {
  const lines = fieldLines(fields);
  if (lines === null) return "invalid header field";
  const text = `HTTP/1.1 ${status} \r\n${lines}`;
  const head = parseResponseHead(Buffer.from(text, "latin1"), 0, text, text.length);
  if (typeof head !== "string") head.reason = null;
  return head;
}

/** Trailers as lines with CRLF; those that are not well-formed are left out. */
export function trailerLines(fields: FieldList): string {
  return fieldLines(fields) ?? "";
}

/** `null`: one of them could not stand in a line. Pseudo-header fields are left out. */
function fieldLines(fields: FieldList): string | null {
  let lines = "";
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (name.startsWith(":") || NOT_IN_HTTP2.has(name)) continue;
    if (!isToken(name) || !isFieldValue(value)) return null;
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** The fields of a header object, for versions of Node that hand over no list. */
export function fieldsOf(headers: Readonly<Record<string, unknown>>): FieldList {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).flatMap((one) => [name, String(one)]),
  );
}
