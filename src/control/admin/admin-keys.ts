import type { IncomingHttpHeaders } from "node:http";
import { sameBytes } from "../../lib/same-bytes.ts";
import type { AdminKey } from "../../settings/settings.ts";
import type { AdminAnswer } from "./exchange.ts";

/** Judges the key of a request; `null`: it may go on. */
export type KeyCheck = (method: string, query: URLSearchParams, headers: IncomingHttpHeaders) => AdminAnswer | null;

/** `admin_key_required: false`: whoever reaches the port may do everything. */
export const noKeyCheck: KeyCheck = () => null;

/**
 * Compiles the check of `X-API-KEY`. As in APISIX the key may stand in the query
 * (`api_key`), the header or a cookie (`x_api_key`); the first that is there decides.
 * A viewer may only read. All keys are compared, each whole, so that the time tells
 * nothing about any but its length.
 */
export function compileKeyCheck(keys: readonly AdminKey[]): KeyCheck {
  const known = keys.map(({ key, role }) => ({ key: Buffer.from(key), role }));
  return (method, query, headers) => {
    const given = query.get("api_key") ?? headerKey(headers) ?? cookieKey(headers.cookie);
    if (given === null) return unauthorised("missing apikey");
    const presented = Buffer.from(given);
    let role: AdminKey["role"] | null = null;
    for (const one of known) if (sameBytes(presented, one.key)) role = one.role;
    if (role === null) return unauthorised("wrong apikey");
    const reads = method === "GET" || method === "HEAD";
    return role === "viewer" && !reads ? unauthorised("invalid method for role viewer") : null;
  };
}

function headerKey(headers: IncomingHttpHeaders): string | null {
  const value = headers["x-api-key"];
  return value === undefined ? null : String(value);
}

function cookieKey(cookies: string | undefined): string | null {
  for (const pair of (cookies ?? "").split(";")) {
    const [name = "", ...value] = pair.split("=");
    if (name.trim() === "x_api_key") return value.join("=").trim();
  }
  return null;
}

const unauthorised = (description: string): AdminAnswer => ({
  status: 401,
  body: { error_msg: "failed to check token", description },
});
