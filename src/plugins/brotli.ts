import type { RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { BrotliStream } from "./brotli-stream.ts";
import { compileCompression } from "./compression.ts";

export const brotli = definePlugin({
  name: "brotli",
  summary: "Compresses answers with Brotli for clients that accept it.",
  priority: 996,
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
      mode: { type: "integer", minimum: 0, maximum: 2, default: 0, $comment: "0: anything, 1: text, 2: fonts." },
      comp_level: {
        type: "integer",
        minimum: 0,
        maximum: 11,
        default: 6,
        $comment: "0: fastest, 11: smallest. From 9 on a large answer keeps its worker busy for long.",
      },
      lgwin: {
        enum: [0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24],
        default: 19,
        $comment: "Size of the window as a power of 2; 0: the compressor chooses.",
      },
      lgblock: {
        enum: [0, 16, 17, 18, 19, 20, 21, 22, 23, 24],
        default: 0,
        $comment: "Size of blocks as a power of 2; 0: the compressor chooses.",
      },
      http_version: { enum: [1.1, 1], default: 1.1, $comment: "Lowest version of HTTP of requests." },
      vary: { type: "boolean", $comment: "Adds `Vary: Accept-Encoding`." },
    },
  },

  compile(conf) {
    const compresses = compileCompression("br", conf);
    const streams = new WeakMap<RequestContext, BrotliStream>();
    return {
      encodesBody: true,
      header_filter(ctx, head) {
        if (compresses(ctx, head)) streams.set(ctx, new BrotliStream(conf));
      },
      body_filter(ctx, chunk, last) {
        const stream = streams.get(ctx);
        if (stream === undefined) return chunk;
        return last ? stream.end() : stream.write(chunk);
      },
      log(ctx) {
        // Of an answer that broke off.
        streams.get(ctx)?.close();
      },
    };
  },
});
