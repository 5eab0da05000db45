import { request as requestHttps } from "node:https";
import { monotonicMs } from "../lib/clock.ts";
import { parseDuration } from "../lib/duration.ts";
import { reasonOf } from "../lib/errors.ts";
import { request as requestHttp } from "../lib/node-http.ts";
import type { RequestContext } from "../plugin/context.ts";
import { definePlugin, type PluginEnv } from "../plugin/plugin.ts";
import { mirroredHeaders } from "./proxy-mirror-headers.ts";

/** Bytes of a body that is copied; a request with more is not mirrored. */
const MAX_BODY = 1_048_576;
/** Copies under way at once; what comes then is not mirrored. */
const MAX_PENDING = 256;
const DEFAULT_TIMEOUT_MS = 60_000;
/** Time between two warnings of one configuration. */
const WARNING_MS = 10_000;

export const proxyMirror = definePlugin({
  name: "proxy-mirror",
  summary: "Sends a copy of requests to another service, whose answers are dropped.",
  priority: 1010,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      host: {
        type: "string",
        pattern: "^(http(s)?|grpc(s)?):\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?$",
        $comment: "Where copies go: scheme, host and port.",
      },
      path: { type: "string", pattern: "^/[^?&]+$", $comment: "Path of copies; without it the request's own." },
      path_concat_mode: {
        type: "string",
        enum: ["replace", "prefix"],
        default: "replace",
        description: "What `path` does.",
        $comment: "Whether `path` stands instead of the request's path, or before it.",
      },
      sample_ratio: {
        type: "number",
        minimum: 0.00001,
        maximum: 1,
        default: 1,
        $comment: "Share of the requests that is mirrored.",
      },
    },
    required: ["host"],
  },

  compile(conf, env) {
    if (conf.host.startsWith("grpc")) throw new Error("copies to grpc services are not supported yet");
    const { sample_ratio: ratio, path, path_concat_mode: mode } = conf;
    const send = compileSender(conf.host, env);
    const target = (ctx: RequestContext): string => {
      if (path === undefined) return ctx.target;
      return mode === "prefix" ? path + ctx.target : path + (ctx.query === "" ? "" : `?${ctx.query}`);
    };
    return {
      before_proxy(ctx) {
        if (ratio < 1 && Math.random() >= ratio) return undefined;
        const to = target(ctx);
        const length = ctx.header("content-length");
        if ((length === undefined || length === "0") && ctx.header("transfer-encoding") === undefined) {
          send(ctx, to, null);
          return undefined;
        }
        return ctx.readBody(MAX_BODY).then((body) => send(ctx, to, body ?? "too long"));
      },
    };
  },
});

type Send = (ctx: RequestContext, target: string, body: Uint8Array | "too long" | null) => void;

/** Sends copies, within bounds, and forgets them. */
function compileSender(origin: string, env: PluginEnv): Send {
  const url = new URL(origin);
  const request = url.protocol === "https:" ? requestHttps : requestHttp;
  const timeoutMs = timeoutOf(env.attr);
  const warn = compileWarning(env);
  let pending = 0;
  return (ctx, target, body) => {
    if (body === "too long") return warn(`a body of more than ${MAX_BODY} bytes is not mirrored`);
    if (pending >= MAX_PENDING) return warn(`${MAX_PENDING} copies are under way, more are not made`);
    const { method } = ctx;
    try {
      const copy = request({
        hostname: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: url.port,
        path: target,
        method,
        headers: mirroredHeaders(ctx, body),
        setHost: false,
        agent: false,
        // As APISIX, which does not verify where copies go.
        rejectUnauthorized: false,
      });
      pending++;
      const deadline = setTimeout(() => copy.destroy(new Error("timed out")), timeoutMs);
      copy.on("close", () => {
        pending--;
        clearTimeout(deadline);
      });
      copy.on("response", (response) => response.on("error", () => undefined).resume());
      copy.on("error", (error) => warn(`no copy to ${origin}: ${reasonOf(error)}`));
      copy.end(body ?? undefined);
    } catch (error) {
      warn(`no copy to ${origin}: ${reasonOf(error)}`);
    }
  };
}

/** `timeout.read` of the plugin's attributes: milliseconds for a copy as a whole. */
function timeoutOf(attr: PluginEnv["attr"]): number {
  const { timeout } = attr as { readonly timeout?: { readonly read?: string | number } };
  const ms = timeout?.read === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout.read);
  if (ms === null) throw new Error(`plugin_attr.proxy-mirror.timeout.read is no time: ${String(timeout?.read)}`);
  return ms;
}

/** A service that is away must not fill the log. */
function compileWarning(env: PluginEnv): (message: string) => void {
  let next = -Infinity;
  return (message) => {
    const now = monotonicMs();
    if (now < next) return;
    next = now + WARNING_MS;
    env.warn(message);
  };
}
