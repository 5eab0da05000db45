import { hash } from "node:crypto";
import { sameBytes } from "../lib/same-bytes.ts";
import type { Consumer, RequestContext } from "../plugin/context.ts";
import { definePlugin, reply, type Reply } from "../plugin/plugin.ts";
import { textOfWire } from "../plugin/wire-text.ts";
import { compileRefusals, realmPattern } from "./authentication.ts";
import { isSignedWith, parseSignature, signedText, type Signature } from "./hmac-signature.ts";

const algorithms = ["hmac-sha1", "hmac-sha256", "hmac-sha512"] as const;

export const hmacAuth = definePlugin({
  name: "hmac-auth",
  summary: "Authenticates consumers by an HMAC over parts of the request (draft-cavage-http-signatures-12).",
  priority: 2530,
  version: "0.1",
  type: "auth",
  schema: {
    type: "object",
    title: "work with route or service object",
    properties: {
      allowed_algorithms: {
        type: "array",
        minItems: 1,
        items: { type: "string", enum: algorithms },
        default: algorithms,
        $comment: "Algorithms that clients may sign with.",
      },
      clock_skew: {
        type: "integer",
        minimum: 1,
        default: 300,
        $comment: "Seconds that the `Date` header may be off; older requests could be replayed ones.",
      },
      signed_headers: {
        type: "array",
        items: { type: "string", minLength: 1, maxLength: 50 },
        default: ["date"],
        $comment: "Headers that the signature must cover.",
      },
      validate_request_body: {
        type: "boolean",
        default: false,
        description: "Whether the digest of the body is checked.",
      },
      hide_credentials: {
        type: "boolean",
        default: false,
        $comment: "Removes `Authorization` from the request that goes to the node.",
      },
      realm: {
        type: "string",
        default: "hmac",
        minLength: 1,
        maxLength: 128,
        pattern: realmPattern,
        $comment: "Realm in the `WWW-Authenticate` header of a refusal.",
      },
      max_req_body_size: {
        type: "integer",
        minimum: 1,
        default: 67108864,
        description: "Bytes of a body whose digest is checked; beyond: 413.",
      },
      anonymous_consumer: {
        type: "string",
        minLength: 1,
        $comment: "Consumer that a request without a valid signature is taken for.",
      },
    },
  },
  consumerSchema: {
    type: "object",
    title: "work with consumer object",
    properties: {
      key_id: {
        type: "string",
        minLength: 1,
        maxLength: 256,
        $comment: "What the request names as `keyId`; unique over all consumers and credentials.",
      },
      secret_key: { type: "string", minLength: 1, maxLength: 256, $comment: "Secret that requests are signed with." },
    },
    required: ["key_id", "secret_key"],
    encrypt_fields: ["secret_key"],
  },
  consumerKey: "key_id",

  compile(conf, env) {
    const refusals = compileRefusals(`hmac realm="${conf.realm}"`, conf.anonymous_consumer, env);
    const failed = "client request can't be validated";
    const missing = refusals.refusal(`${failed}: missing Authorization header`);
    const otherScheme = refusals.refusal(`${failed}: Authorization header does not start with 'Signature'`);
    const wrong = refusals.refusal(failed);
    const tooLarge = reply(413);
    const allowed = new Set<string>(conf.allowed_algorithms);
    const required = conf.signed_headers.map((name) => name.toLowerCase());

    /** The consumer whose signature this is. */
    function authenticated(ctx: RequestContext, signature: Signature): Consumer | undefined {
      if (!allowed.has(signature.algorithm) || !isRecent(ctx, conf.clock_skew)) return undefined;
      if (!required.every((name) => signature.headers.includes(name))) return undefined;
      const consumer = env.consumers.byKey("hmac-auth", textOfWire(signature.keyId));
      const text = signedText(ctx, signature);
      if (consumer === undefined || text === null) return undefined;
      return isSignedWith(String(consumer.authConf.secret_key), signature, text) ? consumer : undefined;
    }

    function accept(ctx: RequestContext, consumer: Consumer): undefined {
      if (conf.hide_credentials) ctx.upstream.removeHeader("Authorization");
      ctx.authenticate(consumer);
    }

    async function acceptWithBody(ctx: RequestContext, consumer: Consumer): Promise<Reply | undefined> {
      const body = await ctx.readBody(conf.max_req_body_size);
      if (body === null) return tooLarge;
      return isDigestOf(body, ctx.header("digest")) ? accept(ctx, consumer) : refusals.refuse(ctx, wrong);
    }

    return {
      rewrite(ctx) {
        const header = ctx.header("authorization");
        if (header === undefined) return refusals.refuse(ctx, missing);
        if (!header.startsWith("Signature")) return refusals.refuse(ctx, otherScheme);
        const signature = parseSignature(header.slice("Signature".length).trimStart());
        const consumer = signature === null ? undefined : authenticated(ctx, signature);
        if (consumer === undefined) return refusals.refuse(ctx, wrong);
        return conf.validate_request_body ? acceptWithBody(ctx, consumer) : accept(ctx, consumer);
      },
    };
  },
});

/** Whether the `Date` of a request is within `skew` seconds of now. */
function isRecent(ctx: RequestContext, skew: number): boolean {
  const date = ctx.header("date");
  // The form of RFC 9110 section 5.6.7 that clients send; the others are obsolete.
  if (date === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(date))
    return false;
  return Math.abs(Date.now() - Date.parse(date)) <= skew * 1_000;
}

/** Whether a `Digest` header (RFC 3230) is that of the body; SHA-256 is the only algorithm. */
function isDigestOf(body: Buffer, header: string | undefined): boolean {
  const encoded = /^SHA-256=([A-Za-z0-9+/]{43}=)$/.exec(header ?? "")?.[1];
  if (encoded === undefined) return false;
  return sameBytes(Buffer.from(encoded, "base64"), hash("sha256", body, "buffer"));
}
