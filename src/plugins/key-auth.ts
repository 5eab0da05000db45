import type { Consumer, RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { withoutArgument } from "../plugin/query.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import { compileRefusals, realmPattern } from "./authentication.ts";

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
        pattern: realmPattern,
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
    const refusals = compileRefusals(`apikey realm="${conf.realm}"`, conf.anonymous_consumer, env);
    const missing = refusals.refusal("Missing API key in request");
    const invalid = refusals.refusal("Invalid API key in request");
    const hide = conf.hide_credentials ? hiding(header, conf.query) : null;

    return {
      rewrite(ctx) {
        const fromHeader = ctx.header(header);
        const key = fromHeader === undefined ? ctx.argument(conf.query) : textOfWire(fromHeader);
        if (key === undefined) return refusals.refuse(ctx, missing);
        const consumer: Consumer | undefined = env.consumers.byKey("key-auth", key);
        if (consumer === undefined) return refusals.refuse(ctx, invalid);
        if (hide !== null) hide(ctx, fromHeader !== undefined);
        ctx.authenticate(consumer);
        return undefined;
      },
    };
  },
});

function hiding(header: string, argument: string): (ctx: RequestContext, inHeader: boolean) => void {
  return (ctx, inHeader) => {
    if (inHeader) ctx.upstream.removeHeader(header);
    else ctx.upstream.target = withoutArgument(ctx.upstream.target, argument);
  };
}
