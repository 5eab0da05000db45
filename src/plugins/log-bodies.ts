import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import type { RequestContext } from "../plugin/context.ts";
import { compileExpression, type Predicate } from "../plugin/expression.ts";
import type { PluginHandlers } from "../plugin/plugin.ts";

/** The attributes of log plugins that say whether bodies are logged. */
export interface BodyConf {
  readonly include_req_body?: boolean;
  readonly include_req_body_expr?: readonly unknown[];
  readonly include_resp_body?: boolean;
  readonly include_resp_body_expr?: readonly unknown[];
  /** Bytes. */
  readonly max_req_body_bytes?: number;
  readonly max_resp_body_bytes?: number;
}

/** The bodies of a request as a log plugin may show them. */
export interface LogBodies {
  /** The handlers that have the bodies kept; none where no body is asked for. */
  readonly handlers: Pick<PluginHandlers, "rewrite" | "header_filter">;
  /** `undefined`: not to be logged, or there is none. */
  request(ctx: RequestContext): string | undefined;
  response(ctx: RequestContext): string | undefined;
}

const DEFAULT_MAX_BYTES = 524_288;

/** @param asked whether the format names a body, apart from what `conf` includes. */
export function compileLogBodies(conf: BodyConf, asked: { request: boolean; response: boolean }): LogBodies {
  const { max_req_body_bytes: maxRequest = DEFAULT_MAX_BYTES, max_resp_body_bytes: maxResponse = DEFAULT_MAX_BYTES } =
    conf;
  const request = asked.request ? always : condition(conf.include_req_body, conf.include_req_body_expr);
  const response = asked.response ? always : condition(conf.include_resp_body, conf.include_resp_body_expr);
  return {
    handlers: {
      ...(request === null ? {} : { rewrite: (ctx) => ctx.captureBody(maxRequest) }),
      ...(response === null ? {} : { header_filter: (ctx) => ctx.captureAnswer(maxResponse) }),
    },
    request(ctx) {
      return request === null || !request(ctx) ? undefined : textOf(ctx.capturedBody, maxRequest);
    },
    response(ctx) {
      if (response === null || !response(ctx)) return undefined;
      const sent = ctx.capturedAnswer;
      return textOf(
        sent === null ? null : decoded(sent, ctx.responseHeader("content-encoding"), maxResponse),
        maxResponse,
      );
    },
  };
}

const always: Predicate = () => true;

function condition(include: boolean | undefined, expression: readonly unknown[] | undefined): Predicate | null {
  if (include !== true) return null;
  return expression === undefined ? always : compileExpression(expression);
}

/** Others may have had more kept. What is no UTF-8 becomes U+FFFD. */
function textOf(body: Buffer | null, limit: number): string | undefined {
  return body === null ? undefined : body.subarray(0, limit).toString("utf8");
}

const decoders = { gzip: gunzipSync, "x-gzip": gunzipSync, deflate: inflateSync, br: brotliDecompressSync } as const;

/** The body as it was before it was compressed; `null` where that cannot be told, or is too long. */
function decoded(body: Buffer, encoding: string | undefined, limit: number): Buffer | null {
  if (encoding === undefined || encoding === "identity") return body;
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders] : null;
  try {
    return decoder?.(body, { maxOutputLength: limit }) ?? null;
  } catch {
    return null;
  }
}
