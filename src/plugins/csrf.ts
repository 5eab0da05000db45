import { createHmac, randomBytes } from "node:crypto";
import { sameBytes } from "../lib/same-bytes.ts";
import { isHeaderName } from "../plugin/header-text.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";

export const csrf = definePlugin({
  name: "csrf",
  summary: "Protects against cross-site request forgery: a token in a cookie must come back in a header.",
  priority: 2980,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      key: { type: "string", description: "Key that tokens are signed with." },
      expires: { type: "integer", default: 7200, description: "Seconds that a token is good for." },
      name: { type: "string", default: "apisix-csrf-token", description: "Name of the cookie and header." },
    },
    required: ["key"],
    encrypt_fields: ["key"],
  },

  compile({ key, expires, name }) {
    if (!isHeaderName(name)) throw new Error(`property "name": ${JSON.stringify(name)} cannot name a cookie`);
    const header = name.toLowerCase();
    const refusal = (message: string): ReturnType<typeof reply> => reply(401, { error_msg: message });
    const noHeader = refusal("no csrf token in headers");
    const noCookie = refusal("no csrf cookie");
    const mismatch = refusal("csrf token mismatch");
    const forged = refusal("Failed to verify the csrf token signature");

    return {
      access(ctx) {
        if (safe.has(ctx.method)) return undefined;
        const token = ctx.header(header);
        if (token === undefined || token === "") return noHeader;
        const cookie = ctx.cookie(name);
        if (cookie === undefined) return noCookie;
        if (token !== cookie) return mismatch;
        return isGenuine(token, key, expires) ? undefined : forged;
      },
      header_filter(_, head) {
        const now = Math.floor(Date.now() / 1_000);
        const until = new Date((now + expires) * 1_000).toUTCString();
        head.addHeader("Set-Cookie", `${name}=${makeToken(key, now)};path=/;SameSite=Lax;Expires=${until}`);
      },
    };
  },
});

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const safe = new Set(["GET", "HEAD", "OPTIONS"]);

const RANDOM_BYTES = 16;

/** Base64 of JSON, as clients of APISIX know it; signed with an HMAC. */
function makeToken(key: string, seconds: number): string {
  const random = randomBytes(RANDOM_BYTES).toString("hex");
  const sign = signatureOf(key, random, seconds).toString("hex");
  return Buffer.from(JSON.stringify({ random, expires: seconds, sign })).toString("base64");
}

function signatureOf(key: string, random: string, seconds: number): Buffer {
  return createHmac("sha256", key).update(`${seconds}.${random}`).digest();
}

/** Whether this gateway (or another one with the key) made the token, and not too long ago. */
function isGenuine(token: string, key: string, lifetime: number): boolean {
  const fields = parse(token);
  if (fields === null) return false;
  const sign = Buffer.from(fields.sign, "hex");
  if (!sameBytes(sign, signatureOf(key, fields.random, fields.expires))) return false;
  return lifetime <= 0 || Date.now() / 1_000 - fields.expires <= lifetime;
}

interface TokenFields {
  readonly random: string;
  /** When it was made, in seconds. */
  readonly expires: number;
  readonly sign: string;
}

function parse(token: string): TokenFields | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, "base64").toString());
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { random, expires, sign } = value as Readonly<Record<string, unknown>>;
  if (typeof random !== "string" || typeof expires !== "number" || typeof sign !== "string") return null;
  return { random, expires, sign };
}
