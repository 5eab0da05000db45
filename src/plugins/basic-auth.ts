import type { Consumer, RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { compileRefusals, derivedOf, digestOf, equalsDigest, realmPattern } from "./authentication.ts";

export const basicAuth = definePlugin({
  name: "basic-auth",
  summary: "Authenticates consumers by a user name and a password (RFC 7617).",
  priority: 2520,
  version: "0.1",
  type: "auth",
  schema: {
    type: "object",
    title: "work with route or service object",
    properties: {
      hide_credentials: {
        type: "boolean",
        default: false,
        $comment: "Removes `Authorization` from the request that goes to the node.",
      },
      realm: {
        type: "string",
        default: "basic",
        minLength: 1,
        maxLength: 128,
        pattern: realmPattern,
        $comment: "Realm in the `WWW-Authenticate` header of a refusal.",
      },
      anonymous_consumer: {
        type: "string",
        minLength: 1,
        $comment: "Consumer that a request without valid credentials is taken for.",
      },
    },
  },
  consumerSchema: {
    type: "object",
    title: "work with consumer object",
    properties: {
      username: { type: "string", $comment: "User name; unique over all consumers and credentials." },
      password: { type: "string", $comment: "Password." },
    },
    required: ["username", "password"],
    encrypt_fields: ["password"],
  },
  consumerKey: "username",

  compile(conf, env) {
    const refusals = compileRefusals(`Basic realm="${conf.realm}"`, conf.anonymous_consumer, env);
    const missing = refusals.refusal("Missing authorization in request");
    const malformed = refusals.refusal("Invalid authorization in request");
    const wrong = refusals.refusal("Invalid user authorization");
    const passwordOf = derivedOf(({ password }) => digestOf(String(password)));

    function find(credentials: Credentials): Consumer | undefined {
      const consumer = env.consumers.byKey("basic-auth", credentials.username);
      // Whoever is unknown costs as much as a wrong password.
      const right = equalsDigest(credentials.password, consumer === undefined ? NOBODY : passwordOf(consumer));
      return right ? consumer : undefined;
    }

    return {
      rewrite(ctx: RequestContext) {
        const header = ctx.header("authorization");
        if (header === undefined) return refusals.refuse(ctx, missing);
        const credentials = parse(header);
        if (credentials === null) return refusals.refuse(ctx, malformed);
        const consumer = find(credentials);
        if (consumer === undefined) return refusals.refuse(ctx, wrong);
        if (conf.hide_credentials) ctx.upstream.removeHeader("Authorization");
        ctx.authenticate(consumer);
        return undefined;
      },
    };
  },
});

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The digest of no password that anybody could send. */
const NOBODY = Buffer.alloc(32);

/** `Basic`, one blank, base64 of `name:password`; the password may hold colons (RFC 7617 section 2). */
function parse(header: string): Credentials | null {
  const encoded = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  if (colon === -1 || colon === text.length - 1) return null;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
