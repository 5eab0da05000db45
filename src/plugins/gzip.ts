import type { ResponseHead } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { GzipStream } from "./gzip-stream.ts";

export const gzip = definePlugin({
  name: "gzip",
  summary: "Compresses answers with gzip for clients that accept it.",
  priority: 995,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      types: {
        anyOf: [{ type: "array", minItems: 1, items: { type: "string", minLength: 1 } }, { enum: ["*"] }],
        default: ["text/html"],
        $comment: "Media types that are compressed; `*`: all.",
      },
      min_length: {
        type: "integer",
        minimum: 1,
        default: 20,
        $comment: "Shorter answers are left as they are; where no `Content-Length` tells, all are compressed.",
      },
      comp_level: { type: "integer", minimum: 1, maximum: 9, default: 1, $comment: "1: fastest, 9: smallest." },
      http_version: { enum: [1.1, 1], default: 1.1, $comment: "Lowest version of HTTP of requests." },
      buffers: {
        type: "object",
        $comment: "Buffers of nginx.",
        properties: {
          number: { type: "integer", minimum: 1, default: 32, $comment: "Accepted, without effect." },
          size: { type: "integer", minimum: 1, default: 4096, $comment: "Accepted, without effect." },
        },
        default: { number: 32, size: 4096 },
      },
      vary: { type: "boolean", $comment: "Adds `Vary: Accept-Encoding`." },
    },
  },

  compile(conf) {
    const types =
      conf.types === "*" ? null : new Set((conf.types as readonly string[]).map((type) => type.toLowerCase()));
    const { min_length: minLength, comp_level: level } = conf;
    const oldClients = conf.http_version === 1;
    const key = "gzip";
    return {
      header_filter(ctx, head) {
        if (!isEligible(head, types, minLength)) return;
        if (conf.vary === true) head.addHeader("Vary", "Accept-Encoding");
        if (!oldClients && ctx.protocol === "HTTP/1.0") return;
        const accepted = ctx.header("accept-encoding");
        // As nginx, which leaves what goes through a proxy to the proxy.
        if (accepted === undefined || !acceptsGzip(accepted) || ctx.header("via") !== undefined) return;
        ctx.values.set(key, new GzipStream(level));
        head.streamBody();
        head.removeHeader("Accept-Ranges");
        const tag = head.header("etag");
        // The bytes are others now (RFC 9110 section 8.8.3).
        if (tag?.startsWith('"') === true) head.setHeader("ETag", `W/${tag}`);
        head.setHeader("Content-Encoding", "gzip");
      },
      body_filter(ctx, chunk, last) {
        const stream = ctx.values.get(key);
        if (!(stream instanceof GzipStream)) return chunk;
        if (!last) return stream.write(chunk);
        return ctx.method === "HEAD" ? chunk : stream.end();
      },
    };
  },
});

/** Whether the answer may be compressed for clients that accept it. */
function isEligible(head: ResponseHead, types: ReadonlySet<string> | null, minLength: number): boolean {
  const { status } = head;
  if (status !== 200 && status !== 403 && status !== 404) return false;
  if (head.header("content-encoding") !== undefined) return false;
  const type = head.header("content-type");
  if (type === undefined || (types !== null && !types.has(mediaType(type)))) return false;
  const length = head.header("content-length");
  if (length !== undefined && Number(length) < minLength) return false;
  // RFC 9111 section 5.2.2.6.
  return !/\bno-transform\b/i.test(head.header("cache-control") ?? "");
}

function mediaType(value: string): string {
  const end = value.indexOf(";");
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** Whether a list of codings (RFC 9110 section 12.5.3) names gzip with a weight that is not 0. */
export function acceptsGzip(list: string): boolean {
  for (const part of list.split(",")) {
    const [coding = "", ...parameters] = part.split(";");
    if (coding.trim().toLowerCase() !== "gzip") continue;
    return !parameters.some((parameter) => /^\s*q\s*=\s*0(?:\.0*)?\s*$/i.test(parameter));
  }
  return false;
}
