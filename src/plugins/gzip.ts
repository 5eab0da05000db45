import type { RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { compileCompression } from "./compression.ts";
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
    const compresses = compileCompression("gzip", conf);
    const { comp_level: level } = conf;
    const streams = new WeakMap<RequestContext, GzipStream>();
    return {
      encodesBody: true,
      header_filter(ctx, head) {
        if (compresses(ctx, head)) streams.set(ctx, new GzipStream(level));
      },
      body_filter(ctx, chunk, last) {
        const stream = streams.get(ctx);
        if (stream === undefined) return chunk;
        if (!last) return stream.write(chunk);
        return stream.end();
      },
    };
  },
});
