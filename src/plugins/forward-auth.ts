import { reasonOf } from "../lib/errors.ts";
import { version } from "../lib/version.ts";
import type { RequestContext } from "../plugin/context.ts";
import { isHeaderName, isOwnedByGateway } from "../plugin/header-text.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { createHttpCaller, type HttpAnswer } from "./http-call.ts";
import { compileHeaders } from "./templated-headers.ts";

export const forwardAuth = definePlugin({
  name: "forward-auth",
  summary: "Asks an authorisation service about every request; what it refuses is refused.",
  priority: 2002,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      uri: { type: "string", $comment: "Address of the service." },
      allow_degradation: {
        type: "boolean",
        default: false,
        $comment: "Whether requests pass while the service cannot be asked.",
      },
      status_on_error: {
        type: "integer",
        minimum: 200,
        maximum: 599,
        default: 403,
        $comment: "Status while the service cannot be asked.",
      },
      ssl_verify: { type: "boolean", default: true, $comment: "Whether the service's certificate is verified." },
      request_method: {
        type: "string",
        enum: ["GET", "POST"],
        default: "GET",
        description: "Method of the question.",
      },
      request_headers: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "Client headers that go with the question.",
      },
      extra_headers: {
        type: "object",
        minProperties: 1,
        patternProperties: { "^[^:]+$": { type: "string", description: "A value; may hold variables." } },
        description: "Further headers of the question.",
      },
      upstream_headers: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "Headers of the answer that go to the upstream.",
      },
      client_headers: {
        type: "array",
        items: { type: "string" },
        default: [],
        description: "Headers of a refusal that go to the client.",
      },
      max_req_body_size: {
        type: "integer",
        minimum: 1,
        default: 67108864,
        description: "Bytes of a body that go with a POST.",
      },
      timeout: { type: "integer", minimum: 1, maximum: 60000, default: 3000, description: "Milliseconds." },
      keepalive: { type: "boolean", default: true, $comment: "Whether connections are kept." },
      keepalive_timeout: {
        type: "integer",
        minimum: 1000,
        default: 60000,
        $comment: "Milliseconds that a connection may idle.",
      },
      keepalive_pool: { type: "integer", minimum: 1, default: 5, $comment: "Connections that may idle." },
    },
    required: ["uri"],
  },

  compile(conf, env): PluginHandlers {
    const passedOn = lowerNames("request_headers", conf.request_headers);
    const toUpstream = lowerNames("upstream_headers", conf.upstream_headers);
    const toClient = lowerNames("client_headers", conf.client_headers);
    const extra = compileHeaders(conf.extra_headers ?? {});
    const unavailable = reply(conf.status_on_error);
    const tooLarge = reply(413);
    const service = createHttpCaller({
      url: serviceUrl(conf.uri),
      timeoutMs: conf.timeout,
      keepalive: conf.keepalive,
      keepaliveTimeoutMs: conf.keepalive_timeout,
      keepalivePool: conf.keepalive_pool,
      verifyTls: conf.ssl_verify,
    });

    function questionHeaders(ctx: RequestContext): Record<string, string> {
      const headers: Record<string, string> = {
        "X-Forwarded-Proto": ctx.scheme,
        "X-Forwarded-Method": ctx.method,
        "X-Forwarded-Host": ctx.host,
        "X-Forwarded-Uri": ctx.target,
        "X-Forwarded-For": ctx.remoteAddr,
        "User-Agent": `Turnpike/${version}`,
      };
      for (const [name, lower] of passedOn) {
        const value = ctx.header(lower);
        if (value !== undefined) headers[name] = value;
      }
      for (const [name, value] of extra(ctx)) headers[name] = value;
      return headers;
    }

    async function ask(ctx: RequestContext): Promise<Reply | undefined> {
      const body = conf.request_method === "POST" ? await ctx.readBody(conf.max_req_body_size) : NOTHING;
      if (body === null) return tooLarge;
      let answer: HttpAnswer;
      try {
        const headers = questionHeaders(ctx);
        answer = await service.ask({ method: conf.request_method, headers, body: body.length === 0 ? null : body });
      } catch (error) {
        env.warn(`the authorisation service cannot be asked: ${reasonOf(error)}`);
        if (!conf.allow_degradation) return unavailable;
        // Nobody has vouched for what the client says under these names.
        for (const [name] of toUpstream) ctx.upstream.removeHeader(name);
        return undefined;
      }
      if (answer.status >= 300) return refusal(answer);
      for (const [name, lower] of toUpstream) {
        const value = answer.header(lower);
        // What the client sent under that name is not the service's word.
        if (value === undefined) ctx.upstream.removeHeader(name);
        else ctx.upstream.setHeader(name, value);
      }
      return undefined;
    }

    function refusal(answer: HttpAnswer): Reply {
      const headers = toClient.flatMap(([name, lower]) => {
        const value = answer.header(lower);
        return value === undefined ? [] : [[name, value] as const];
      });
      return reply(answer.status, answer.body, headers);
    }

    return {
      access: ask,
      dispose() {
        service.close();
      },
    };
  },
});

const NOTHING = Buffer.alloc(0);

function serviceUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error("uri is no address of an HTTP service");
  return url;
}

/** Names as written and in lower case. */
function lowerNames(attribute: string, names: readonly string[]): readonly (readonly [name: string, lower: string])[] {
  return names.map((name) => {
    if (!isHeaderName(name)) throw new Error(`${attribute}: ${JSON.stringify(name)} cannot name a header`);
    if (isOwnedByGateway(name)) throw new Error(`${attribute}: header ${name} is written by the gateway itself`);
    return [name, name.toLowerCase()] as const;
  });
}
