import { ChunkedDecoder } from "../src/lib/chunked-decoder.ts";
import { forEachField } from "../src/lib/header-fields.ts";
import {
  BodyEnd,
  bodyLengthOf,
  couldBeHead,
  parseResponseHead,
  type ResponseText,
} from "../src/upstream/response-head.ts";
import { HeadReader } from "../src/worker/http1/head-reader.ts";
import { RequestBody } from "../src/worker/http1/request-body.ts";
import { type HeadLimits, isRefusal, type RequestHead } from "../src/worker/http1/request-head.ts";
import type { Asked, Message, Reading } from "./message.ts";

/** Our own readers, driven without sockets: what the gateway makes of a stream. */

const ENDED = "the connection has ended";
const LIMITS: HeadLimits = { maxRequestLine: 8_192, maxHeaderLine: 8_192, maxHead: 32_768, underscoresInHeaders: true };

/** What we make of requests that come in these pieces. */
export function readRequests(pieces: readonly string[]): Reading {
  const messages: Message[] = [];
  const reader = new HeadReader(LIMITS);
  let reading = false;
  let head: RequestHead | null = null;
  let body: RequestBody | null = null;
  let data = "";
  const complete = (): boolean => {
    messages.push(requestOf(head!, data, body?.trailers ?? ""));
    const open = head!.keepAlive;
    head = body = null;
    return open;
  };
  for (const piece of pieces) {
    let rest: Buffer = Buffer.from(piece, "latin1");
    while (rest.length > 0) {
      if (head === null) {
        const result: ReturnType<HeadReader["read"]> = reader.read(rest, rest.length);
        reading = result === null;
        if (result === null) break;
        if (isRefusal(result)) return { messages, refused: `${result.code}: ${result.detail}`, partial: false };
        rest = rest.subarray(reader.restAt);
        head = result;
        data = "";
        if (head.bodyLength === 0) {
          if (!complete()) return { messages, refused: null, partial: false };
        } else body = new RequestBody(head);
      } else {
        const part: RequestBody = body!;
        if (!part.read(rest, 0, rest.length)) {
          return { messages, refused: `body: ${part.reason}`, partial: false, refusedMethod: head.method };
        }
        data += rest.toString("latin1", part.from, part.to);
        rest = rest.subarray(part.end);
        if (part.done && !complete()) return { messages, refused: null, partial: false };
      }
    }
  }
  return { messages, refused: null, partial: head !== null || reading };
}

function requestOf(head: RequestHead, body: string, trailers: string): Message {
  return {
    method: head.method,
    target: head.target,
    status: 0,
    minor: head.minor,
    fields: fieldsOf(head.text, head.fieldsStart),
    body,
    trailers: fieldsOf(trailers, 0),
    keepAlive: head.keepAlive,
  };
}

function fieldsOf(text: string, start: number): [string, string][] {
  const list: [string, string][] = [];
  forEachField(text, start, (name, value) => list.push([name, value]));
  return list;
}

/**
 * What we make of the response to a request, interim ones before it included; it is read
 * as `UpstreamConnection` does. `ended`: the connection ends after these bytes.
 */
export function readResponse(text: string, asked: Asked, ended: boolean): Reading & { readonly rest: string } {
  const messages: Message[] = [];
  const bytes = Buffer.from(text, "latin1");
  const refuse = (why: string): Reading & { readonly rest: string } => ({
    messages,
    refused: why,
    partial: false,
    rest: "",
  });
  for (let at = 0; ;) {
    const found = text.indexOf("\r\n\r\n", at);
    if (found < 0) {
      const begun = text.slice(at);
      if (begun !== "" && !couldBeHead(begun)) return refuse("invalid status line");
      return ended ? refuse(ENDED) : { messages, refused: null, partial: begun !== "", rest: "" };
    }
    const head = parseResponseHead(bytes, at, text.slice(at), found + 2 - at);
    if (typeof head === "string") return refuse(head);
    at = found + 4;
    if (head.status < 200) {
      if (head.status === 101) return refuse("an upgrade that was not asked for");
      messages.push(responseOf(head, "", "", true));
      continue;
    }
    return readBody(head, bytes, at, asked, ended, messages, refuse);
  }
}

function readBody(
  head: ResponseText,
  bytes: Buffer,
  at: number,
  asked: Asked,
  ended: boolean,
  messages: Message[],
  refuse: (why: string) => Reading & { readonly rest: string },
): Reading & { readonly rest: string } {
  const left = bodyLengthOf(head, asked.toHead);
  const decoder = left === BodyEnd.chunked ? new ChunkedDecoder() : null;
  let from = at;
  let to = bytes.length;
  let end = bytes.length;
  let done = ended;
  let keepAlive = false;
  if (decoder !== null) {
    if (!decoder.decode(bytes, at, bytes.length)) return refuse(decoder.reason);
    ({ from, to, end, done } = decoder);
    keepAlive = head.keepAlive;
  } else if (left !== BodyEnd.close) {
    done = bytes.length - at >= left;
    end = to = Math.min(bytes.length, at + left);
    keepAlive = head.keepAlive;
  }
  if (!done) return ended ? refuse(ENDED) : { messages, refused: null, partial: true, rest: "" };
  messages.push(responseOf(head, bytes.toString("latin1", from, to), decoder?.trailers ?? "", keepAlive));
  return { messages, refused: null, partial: false, rest: bytes.toString("latin1", end) };
}

function responseOf(head: ResponseText, body: string, trailers: string, keepAlive: boolean): Message {
  return {
    method: "",
    target: "",
    status: head.status,
    minor: head.minor,
    fields: fieldsOf(head.text, head.fieldsStart),
    body,
    trailers: fieldsOf(trailers, 0),
    keepAlive,
  };
}
