import type { Consumer, RequestContext } from "../plugin/context.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { withoutArgument } from "../plugin/query.ts";
import { reasonOf } from "../lib/errors.ts";
import { compileRefusals, derivedOf, realmPattern } from "./authentication.ts";
import { compileVerifier, type Verifier } from "./jwt-keys.ts";
import { isTimely, parseToken, type Token } from "./jwt-token.ts";

const symmetric = ["HS256", "HS384", "HS512"] as const;
const asymmetric = "RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA".split(" ");

export const jwtAuth = definePlugin({
  name: "jwt-auth",
  summary: "Authenticates consumers by a JSON Web Token (RFC 7519) in a header, a query argument or a cookie.",
  priority: 2510,
  version: "0.1",
  type: "auth",
  schema: {
    type: "object",
    properties: {
      header: {
        type: "string",
        default: "authorization",
        $comment: "Header that holds the token, with or without `Bearer ` before it.",
      },
      query: { type: "string", default: "jwt", $comment: "Query argument that holds it where the header is absent." },
      cookie: { type: "string", default: "jwt", $comment: "Cookie that holds it where the argument is absent, too." },
      hide_credentials: {
        type: "boolean",
        default: false,
        $comment: "Removes the token from the request that goes to the node.",
      },
      key_claim_name: {
        type: "string",
        minLength: 1,
        default: "key",
        $comment: "Claim that holds the consumer's `key`.",
      },
      store_in_ctx: {
        type: "boolean",
        default: false,
        $comment: "Keeps the claims for other plugins, as `jwt_auth_payload` of `ctx.values`.",
      },
      realm: {
        type: "string",
        default: "jwt",
        minLength: 1,
        maxLength: 128,
        pattern: realmPattern,
        $comment: "Realm in the `WWW-Authenticate` header of a refusal.",
      },
      claims_to_verify: {
        type: "array",
        items: { type: "string", enum: ["exp", "nbf"] },
        uniqueItems: true,
        $comment: "Claims that a token must have; where it has them they count in any case.",
      },
      anonymous_consumer: {
        type: "string",
        minLength: 1,
        $comment: "Consumer that a request without a valid token is taken for.",
      },
    },
  },
  consumerSchema: {
    type: "object",
    properties: {
      key: {
        type: "string",
        minLength: 1,
        $comment: "What the token names; unique over all consumers and credentials.",
      },
      secret: { type: "string", minLength: 1, $comment: "Secret of the HS algorithms." },
      algorithm: {
        type: "string",
        enum: [...symmetric, ...asymmetric],
        default: "HS256",
        $comment:
          "The algorithm of the consumer's tokens; no other is accepted. Those that are not HS need a `public_key` in PEM.",
      },
      exp: { type: "integer", minimum: 1, default: 86400, $comment: "Without effect: the gateway signs no tokens." },
      base64_secret: { type: "boolean", default: false, $comment: "Whether `secret` is base64 of the secret." },
      lifetime_grace_period: {
        type: "integer",
        minimum: 0,
        default: 0,
        $comment: "Seconds that the clocks may differ, for `exp` and `nbf`.",
      },
    },
    dependencies: {
      algorithm: {
        oneOf: [
          { properties: { algorithm: { enum: symmetric, default: "HS256" } } },
          {
            properties: { public_key: { type: "string", minLength: 1 }, algorithm: { enum: asymmetric } },
            required: ["public_key"],
          },
        ],
      },
    },
    required: ["key"],
    encrypt_fields: ["secret"],
  },
  consumerKey: "key",
  checkConsumer({ algorithm, secret, base64_secret: encoded }) {
    if (!String(algorithm).startsWith("HS")) return null;
    if (secret === undefined) return 'property "secret" is required when using HS based algorithms';
    if (encoded !== true || isBase64(String(secret))) return null;
    return "base64_secret required but the secret is not in base64 format";
  },

  compile(conf, env) {
    const refusals = compileRefusals(`Bearer realm="${conf.realm}"`, conf.anonymous_consumer, env);
    const missing = refusals.refusal("Missing JWT token in request");
    const malformed = refusals.refusal("JWT token invalid");
    const unnamed = refusals.refusal("missing user key in JWT token");
    const unknown = refusals.refusal("Invalid user key in JWT token");
    const wrong = refusals.refusal("failed to verify jwt");
    const required = conf.claims_to_verify ?? [];
    const header = conf.header.toLowerCase();

    const verifierOf = derivedOf((authConf): Verifier => {
      try {
        return compileVerifier({
          algorithm: String(authConf.algorithm),
          secret: String(authConf.secret ?? ""),
          base64Secret: authConf.base64_secret === true,
          publicKey: String(authConf.public_key ?? ""),
        });
      } catch (error) {
        env.warn(`consumer with the key ${String(authConf.key)}: ${reasonOf(error)}`);
        return () => false;
      }
    });

    /** The algorithm is the consumer's, whatever the token says of itself. */
    function isGenuine({ authConf }: Consumer, verify: Verifier, token: Token): boolean {
      if (token.algorithm !== authConf.algorithm || token.critical) return false;
      if (!verify(token.signed, token.signature)) return false;
      return isTimely(token.claims, required, Date.now() / 1_000, Number(authConf.lifetime_grace_period ?? 0));
    }

    return {
      rewrite(ctx) {
        const found = findToken(ctx, header, conf.query, conf.cookie);
        if (found === null) return refusals.refuse(ctx, missing);
        const token = parseToken(found.text);
        if (token === null) return refusals.refuse(ctx, malformed);
        const key = token.claims.get(conf.key_claim_name);
        if (key === undefined) return refusals.refuse(ctx, unnamed);
        const consumer = typeof key === "string" ? env.consumers.byKey("jwt-auth", key) : undefined;
        if (consumer === undefined) return refusals.refuse(ctx, unknown);
        if (!isGenuine(consumer, verifierOf(consumer), token)) return refusals.refuse(ctx, wrong);
        if (conf.store_in_ctx) ctx.values.set("jwt_auth_payload", Object.fromEntries(token.claims));
        if (conf.hide_credentials) hide(ctx, found.place, header, conf.query, conf.cookie);
        ctx.authenticate(consumer);
        return undefined;
      },
    };
  },
});

const isBase64 = (value: string): boolean => value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value);

interface Found {
  readonly text: string;
  readonly place: "header" | "query" | "cookie";
}

/** The token in the first place that has one. */
function findToken(ctx: RequestContext, header: string, query: string, cookie: string): Found | null {
  const inHeader = ctx.header(header);
  if (inHeader !== undefined) {
    const bearer = /^bearer /i.test(inHeader);
    return { text: bearer ? inHeader.slice("Bearer ".length) : inHeader, place: "header" };
  }
  const inQuery = ctx.argument(query);
  if (inQuery !== undefined) return { text: inQuery, place: "query" };
  const inCookie = ctx.cookie(cookie);
  return inCookie === undefined ? null : { text: inCookie, place: "cookie" };
}

function hide(
  { upstream }: RequestContext,
  place: Found["place"],
  header: string,
  query: string,
  cookie: string,
): void {
  if (place === "header") upstream.removeHeader(header);
  else if (place === "query") upstream.target = withoutArgument(upstream.target, query);
  else {
    const kept = (upstream.header("cookie") ?? "")
      .split(/[;,] */)
      .filter((pair) => pair.slice(0, Math.max(0, pair.indexOf("="))).trim() !== cookie);
    if (kept.length === 0) upstream.removeHeader("Cookie");
    else upstream.setHeader("Cookie", kept.join("; "));
  }
}
