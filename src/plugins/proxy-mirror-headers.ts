import { hopByHop } from "../lib/hop-by-hop.ts";
import type { RequestContext } from "../plugin/context.ts";

/** Names that are written anew, or are for one hop (RFC 9110 section 7.6.1). */
const OWN = new Set([
  ...hopByHop,
  "content-length",
  "host",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
]);

/**
 * Headers of the copy of a request, as names and values in turn: the client's as plugins
 * have left them, the length of the body as it is sent, and where the request came in.
 */
export function mirroredHeaders(ctx: RequestContext, body: Uint8Array | null): string[] {
  const host = ctx.header("host");
  const list = host === undefined ? [] : ["Host", host];
  if (body !== null) list.push("Content-Length", String(body.length));
  const named = (ctx.header("connection") ?? "").toLowerCase().split(/\s*,\s*/);
  const written = new Set<string>();
  for (const [name, value] of ctx.headers()) {
    const lower = name.toLowerCase();
    if (OWN.has(lower) || named.includes(lower)) continue;
    const now = ctx.upstream.header(lower);
    if (now === ctx.header(lower)) list.push(name, value);
    else if (now !== undefined && !written.has(lower)) list.push(name, now);
    written.add(lower);
  }
  list.push("X-Forwarded-Proto", ctx.scheme);
  if (host !== undefined) list.push("X-Forwarded-Host", host);
  list.push("X-Forwarded-Port", /:(\d+)$/.exec(host ?? "")?.[1] ?? String(ctx.serverPort), "Connection", "close");
  return list;
}
