import type { OutgoingHttpHeaders } from "node:http2";
import { forEachField } from "../lib/header-fields.ts";
import { lowerCase } from "./header-list.ts";
import type { HttpRequestContext } from "./request-context.ts";
import { upstreamHead } from "./upstream-head.ts";

/** Lines of an HTTP/1.1 head that HTTP/2 says in another way, or that are set below. */
const NOT_SENT = new Set(["host", "content-length", "transfer-encoding", "te", "content-type", "trailer"]);

/**
 * The header section of a request to a gRPC node: what a node of HTTP/1.1 would get, and as
 * gRPC demands it `te: trailers` and a content type of gRPC, which APISIX sets in any case.
 */
export function grpcHeaders(ctx: HttpRequestContext, host: string, scheme: "http" | "https"): OutgoingHttpHeaders {
  const text = upstreamHead(ctx, host, 0, null);
  const lineEnd = text.indexOf("\r\n");
  const [method = "", target = ""] = text.slice(0, lineEnd).split(" ");
  const headers = new Map<string, string>([
    [":method", method],
    [":scheme", scheme],
    [":authority", host],
    [":path", target],
  ]);
  const type = contentType(ctx);
  headers.set("content-type", type !== undefined && isGrpc(type) ? type : "application/grpc");
  headers.set("te", "trailers");
  // Without the empty line at the end.
  forEachField(text.slice(0, -2), lineEnd + 2, (name, value) => {
    const lower = lowerCase(name);
    if (NOT_SENT.has(lower)) return;
    const before = headers.get(lower);
    // RFC 9110, section 5.3; cookies are put together with semicolons (RFC 9113, section 8.2.3).
    headers.set(lower, before === undefined ? value : `${before}${lower === "cookie" ? "; " : ", "}${value}`);
  });
  return Object.fromEntries(headers);
}

function contentType(ctx: HttpRequestContext): string | undefined {
  return ctx.outgoing === null ? ctx.header("content-type") : ctx.outgoing.header("content-type");
}

/** `application/grpc` and those of its messages' forms, as in `application/grpc+proto`. */
function isGrpc(type: string): boolean {
  return /^application\/grpc(?:$|[+;\s])/i.test(type);
}

/** Milliseconds for each unit of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** The time that a client gives its call, in milliseconds; 0: none, or one that cannot be read. */
export function grpcTimeoutMs(value: string | undefined): number {
  const match = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value);
  return match === null ? 0 : Math.max(1, Math.ceil(Number(match[1]) * UNITS[match[2]!]!));
}
