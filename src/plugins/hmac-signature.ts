import { createHmac } from "node:crypto";
import { sameBytes } from "../lib/same-bytes.ts";
import type { RequestContext } from "../plugin/context.ts";
import { utf8Bytes } from "../plugin/header-text.ts";

/** What a client says in `Authorization: Signature …` (draft-cavage-http-signatures-12). */
export interface Signature {
  readonly keyId: string;
  readonly algorithm: string;
  /** Names in lower case, in the order in which they were signed. */
  readonly headers: readonly string[];
  readonly value: Buffer;
}

const MAX_HEADERS = 64;

/** `null` where something is missing, named twice or malformed. `text` begins after `Signature `. */
export function parseSignature(text: string): Signature | null {
  const fields = new Map<string, string>();
  const field = /\s*([A-Za-z]+)="([^"\\]*)"\s*(?:,|$)/y;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null) return null;
    const [, name = "", value = ""] = match;
    if (fields.has(name)) return null;
    fields.set(name, value);
  }
  const [keyId, algorithm, signature] = [fields.get("keyId"), fields.get("algorithm"), fields.get("signature")];
  if (keyId === undefined || algorithm === undefined || signature === undefined) return null;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signature)) return null;
  const headers = (fields.get("headers") ?? "").toLowerCase().split(" ").filter(Boolean);
  if (headers.length > MAX_HEADERS) return null;
  return { keyId, algorithm, headers, value: Buffer.from(signature, "base64") };
}

/**
 * The text that was signed: the key's id, then a line for each name. `null` where a
 * header is absent: a signature that covers it cannot be checked. One character per byte.
 */
export function signedText(ctx: RequestContext, { keyId, headers }: Signature): string | null {
  let text = `${keyId}\n`;
  for (const name of headers) {
    if (name === "@request-target") {
      text += `${ctx.method} ${utf8Bytes(ctx.uri)}\n`;
      continue;
    }
    const value = ctx.header(name);
    if (value === undefined) return null;
    text += `${name}: ${value}\n`;
  }
  return text;
}

/** Whether the signature is the one that the secret makes; `algorithm` as in `hmac-sha256`. */
export function isSignedWith(secret: string, signature: Signature, text: string): boolean {
  const digest = signature.algorithm.slice("hmac-".length);
  const expected = createHmac(digest, secret).update(text, "latin1").digest();
  return sameBytes(signature.value, expected);
}
