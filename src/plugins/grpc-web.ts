import type { RequestContext, ResponseHead } from "../plugin/context.ts";
import { definePlugin, reply, type Reply } from "../plugin/plugin.ts";
import { decodeBase64Pieces } from "./grpc-web-text.ts";

/** Types of requests; whether their bodies are base64. */
const types: ReadonlyMap<string, boolean> = new Map([
  ["application/grpc-web", false],
  ["application/grpc-web+proto", false],
  ["application/grpc-web-text", true],
  ["application/grpc-web-text+proto", true],
]);

/** Bytes of a body in base64, which is read whole: gRPC's own default for a message, in base64, and some. */
const MAX_TEXT = 8 * 1_048_576;
/** The flag of a frame that holds trailers. */
const TRAILERS = 0x80;
/** Where the type of a request that is translated is left for the later phases. */
const KEY = "grpc-web";

export const grpcWeb = definePlugin({
  name: "grpc-web",
  summary: "Translates gRPC-Web of browsers into gRPC for upstreams of scheme `grpc` and `grpcs`.",
  priority: 505,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      cors_allow_headers: {
        type: "string",
        default: "content-type,x-grpc-web,x-user-agent",
        description: "Headers by comma.",
        $comment: "Request headers that scripts of other origins may send, separated by commas.",
      },
    },
  },

  compile(conf, env) {
    return {
      access(ctx) {
        if (ctx.method === "OPTIONS") return reply(204);
        if (ctx.method !== "POST") return reply(405);
        const type = (ctx.header("content-type") ?? "").toLowerCase();
        const text = types.get(type);
        if (text === undefined) return reply(400);
        const path = callPath(ctx);
        if (path === null) {
          env.warn("the route must match a prefix, as in /grpc/*");
          return reply(400);
        }
        ctx.values.set(KEY, type);
        ctx.upstream.target = path;
        ctx.upstream.setHeader("Content-Type", "application/grpc");
        return text ? decodeBody(ctx) : undefined;
      },

      header_filter(ctx, head) {
        allowOrigins(ctx, head, conf.cors_allow_headers);
        const type = ctx.values.get(KEY);
        const answered = head.header("content-type") ?? "";
        if (type === undefined || !head.fromUpstream || !answered.startsWith("application/grpc")) {
          ctx.values.delete(KEY);
          return;
        }
        head.setHeader("Content-Type", String(type));
        head.streamBody();
      },

      body_filter(ctx, chunk, last) {
        const type = ctx.values.get(KEY) as string | undefined;
        if (type === undefined) return chunk;
        const frame = last ? Buffer.concat([chunk, trailerFrame(ctx.takeTrailers())]) : chunk;
        // Each piece is padded by itself, which the format allows: nothing is held back.
        return types.get(type) === true ? Buffer.from(frame.toString("base64"), "latin1") : frame;
      },
    };
  },
});

async function decodeBody(ctx: RequestContext): Promise<Reply | void> {
  const body = await ctx.readBody(MAX_TEXT);
  if (body === null) return reply(413);
  const decoded = decodeBase64Pieces(body.toString("latin1"));
  if (decoded === null) return reply(400);
  ctx.upstream.body = decoded;
  return undefined;
}

/** The path of the call: what the `*` of the route stands for; `null`: it has none. */
function callPath({ uri, route }: RequestContext): string | null {
  const prefixes = (route.patterns?.uris ?? [])
    .filter((pattern) => pattern.indexOf("*") === pattern.length - 1)
    .map((pattern) => pattern.slice(0, -1))
    .filter((prefix) => uri.startsWith(prefix));
  if (prefixes.length === 0) return null;
  const rest = uri.slice(Math.max(...prefixes.map(({ length }) => length)));
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  return path.replaceAll(/[^A-Za-z0-9._~/$-]/g, (character) => encodeURIComponent(character.toWellFormed()));
}

/** Browsers of other origins may call; plugin `cors` may have said already whose. */
function allowOrigins(ctx: RequestContext, head: ResponseHead, headers: string): void {
  if (head.header("access-control-allow-origin") === undefined) head.setHeader("Access-Control-Allow-Origin", "*");
  if (ctx.method === "OPTIONS") {
    head.setHeader("Access-Control-Allow-Methods", "POST");
    head.setHeader("Access-Control-Allow-Headers", headers);
  } else head.setHeader("Access-Control-Expose-Headers", "grpc-message,grpc-status");
}

/** The frame that ends a body; nothing where the trailers came in the head of the answer. */
function trailerFrame(trailers: readonly (readonly [name: string, value: string])[]): Buffer {
  if (trailers.length === 0) return Buffer.alloc(0);
  const text = Buffer.from(trailers.map(([name, value]) => `${name.toLowerCase()}:${value}\r\n`).join(""), "latin1");
  const head = Buffer.alloc(5);
  head[0] = TRAILERS;
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, text]);
}
