import type { Consumer, RequestContext } from "../plugin/context.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { Reply } from "../plugin/plugin.ts";
import { withoutArgument } from "../plugin/query.ts";

export const keyAuth = definePlugin({
  name: "key-auth",
  summary: "Authenticates consumers by an API key in a header or, without it, in a query argument.",
  priority: 2500,
  version: "0.1",
  type: "auth",
  schema: {
    type: "object",
    properties: {
      header: { type: "string", default: "apikey", $comment: "Request header that holds the key." },
      query: {
        type: "string",
        default: "apikey",
        $comment: "Query argument that holds the key; looked at where the header is absent.",
      },
      hide_credentials: {
        type: "boolean",
        default: false,
        $comment: "Removes the header or query argument from the request that goes to the node.",
      },
      realm: {
        type: "string",
        default: "key",
        minLength: 1,
        maxLength: 128,
        pattern: "^[ -!#-[\\]-~]+$",
        $comment: "Realm in the `WWW-Authenticate` header of a refusal.",
      },
      anonymous_consumer: {
        type: "string",
        minLength: 1,
        $comment: "Consumer that a request without a valid key is taken for.",
      },
    },
  },
  consumerSchema: {
    type: "object",
    properties: { key: { type: "string", $comment: "The key; unique over all consumers and credentials." } },
    required: ["key"],
    encrypt_fields: ["key"],
  },
  consumerKey: "key",

  compile(conf, env) {
    const header = conf.header.toLowerCase();
    const refusals = {
      missing: refusal("Missing API key in request", conf.realm),
      invalid: refusal("Invalid API key in request", conf.realm),
      anonymous: refusal("Invalid user authorization", conf.realm),
    };
    const hide = conf.hide_credentials ? hiding(header, conf.query) : null;
    const anonymousName = conf.anonymous_consumer;

    /** What a request without a valid key gets: the anonymous consumer where there is one. */
    function refuse(ctx: RequestContext, why: Reply): Reply | undefined {
      if (anonymousName === undefined) return why;
      const anonymous = env.consumers.byName(anonymousName);
      if (anonymous === undefined) {
        env.warn(`anonymous consumer ${anonymousName} does not exist`);
        return refusals.anonymous;
      }
      ctx.authenticate(anonymous);
      return undefined;
    }

    return {
      rewrite(ctx) {
        const fromHeader = ctx.header(header);
        const key = fromHeader ?? ctx.argument(conf.query);
        if (key === undefined) return refuse(ctx, refusals.missing);
        const consumer: Consumer | undefined = env.consumers.byKey("key-auth", key);
        if (consumer === undefined) return refuse(ctx, refusals.invalid);
        if (hide !== null) hide(ctx, fromHeader !== undefined);
        ctx.authenticate(consumer);
        return undefined;
      },
    };
  },
});

/** 401 as APISIX words it (RFC 9110 section 11.6.1 asks for the challenge). */
function refusal(message: string, realm: string): Reply {
  return reply(401, { message }, [["WWW-Authenticate", `apikey realm="${realm}"`]]);
}

function hiding(header: string, argument: string): (ctx: RequestContext, inHeader: boolean) => void {
  return (ctx, inHeader) => {
    if (inHeader) ctx.upstream.removeHeader(header);
    else ctx.upstream.target = withoutArgument(ctx.upstream.target, argument);
  };
}
