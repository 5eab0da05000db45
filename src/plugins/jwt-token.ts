/** A JWT in compact form, taken apart (RFC 7519, RFC 7515 section 7.1). */
export interface Token {
  readonly algorithm: unknown;
  /** Claims by name; a payload that is no object has none. */
  readonly claims: ReadonlyMap<string, unknown>;
  /** The part that is signed. */
  readonly signed: string;
  readonly signature: Buffer;
  /** The header asks for extensions that must be understood (RFC 7515 section 4.1.11): none is. */
  readonly critical: boolean;
}

const form = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/** `null` for what is no signed token. */
export function parseToken(text: string): Token | null {
  const match = form.exec(text);
  if (match === null) return null;
  const [, head = "", payload = "", signature = ""] = match;
  const header = decode(head);
  const claims = decode(payload);
  if (!isObject(header) || typeof claims !== "object" || claims === null) return null;
  return {
    algorithm: header.alg,
    claims: new Map(isObject(claims) ? Object.entries(claims) : []),
    signed: text.slice(0, text.length - signature.length - 1),
    signature: Buffer.from(signature, "base64url"),
    critical: header.crit !== undefined,
  };
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString()) as unknown;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Whether `exp` and `nbf` (RFC 7519 sections 4.1.4 and 4.1.5) allow the use of a token
 * now. They count wherever they are; those in `required` must be there. Seconds.
 */
export function isTimely(claims: Token["claims"], required: readonly string[], now: number, leeway: number): boolean {
  for (const name of required) if (!claims.has(name)) return false;
  const expires = claims.get("exp");
  if (expires !== undefined && !(typeof expires === "number" && now < expires + leeway)) return false;
  const starts = claims.get("nbf");
  return starts === undefined || (typeof starts === "number" && now >= starts - leeway);
}
