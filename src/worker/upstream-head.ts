import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";
import { CHUNKED } from "./http1/request-head.ts";
import type { HttpRequestContext } from "./request-context.ts";

/**
 * The request head that a node gets: Host, X-Real-IP, X-Forwarded-For, the framing, the
 * client's lines in order and case, X-Forwarded-Proto, -Host, -Port (in the place where
 * the client sent them). No Connection: connections are kept.
 */

/** The Host for a node by `pass_host`. */
export function upstreamHost(ctx: HttpRequestContext, upstream: Upstream, node: UpstreamNode): string {
  if (upstream.passHost === "node") return node.hostHeader;
  if (upstream.passHost === "rewrite") return upstream.upstreamHost;
  return ctx.outgoing?.host ?? ctx.head.host?.value ?? node.hostHeader;
}

/** @param bodyLength of the body as it is sent: bytes, or `CHUNKED`. */
export function upstreamHead(
  ctx: HttpRequestContext,
  host: string,
  bodyLength: number,
  upgrade: string | null,
): string {
  const { head, outgoing, peer } = ctx;
  const method = outgoing === null ? head.method : outgoing.method;
  const target = outgoing === null ? head.target : outgoing.target;
  let start = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`;
  if (upgrade !== null) start += `Upgrade: ${upgrade}\r\nConnection: Upgrade\r\n`;
  start += clientLines(ctx);
  if (bodyLength === CHUNKED) start += "Transfer-Encoding: chunked\r\n";
  else if (bodyLength > 0 || head.hasLength || head.bodyLength === CHUNKED)
    start += `Content-Length: ${bodyLength}\r\n`;
  if (!head.irregular && !peer.trusted && (outgoing === null || outgoing.keepsFields)) {
    const added = outgoing === null ? "" : outgoing.addedLines();
    return start + head.kept + added + forwardedLines(ctx) + "\r\n";
  }
  return start + rewrittenLines(ctx) + "\r\n";
}

function clientLines(ctx: HttpRequestContext): string {
  const { head, outgoing, peer } = ctx;
  const forwardedFor = outgoing === null ? head.forwardedFor : outgoing.forwardedFor;
  const { remoteAddr } = ctx;
  if (forwardedFor === null && remoteAddr === peer.address) return peer.forwardedLines;
  const chain = forwardedFor === null || forwardedFor === "" ? remoteAddr : `${forwardedFor}, ${remoteAddr}`;
  return `X-Real-IP: ${remoteAddr}\r\nX-Forwarded-For: ${chain}\r\n`;
}

/** X-Forwarded-Proto, -Host, -Port where nothing of them was sent. */
function forwardedLines(ctx: HttpRequestContext): string {
  const { host } = ctx.head;
  const { scheme } = ctx.peer;
  if (host === null) return `X-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Port: ${ctx.peer.serverPort}\r\n`;
  return `X-Forwarded-Proto: ${scheme}\r\nX-Forwarded-Host: ${host.value}\r\nX-Forwarded-Port: ${forwardedPort(ctx)}\r\n`;
}

function forwardedPort(ctx: HttpRequestContext): string {
  const { host } = ctx.head;
  return host === null || host.port === "" ? String(ctx.peer.serverPort) : host.port;
}

function rewrittenLines(ctx: HttpRequestContext): string {
  const wrote = new Set<string>();
  const value = (lower: string): string | null => {
    if (ctx.peer.trusted) return null;
    if (lower === "x-forwarded-proto") return ctx.peer.scheme;
    return lower === "x-forwarded-host" ? (ctx.head.host?.value ?? "") : forwardedPort(ctx);
  };
  let lines = ctx.upstream.lines(value, wrote);
  if (!wrote.has("x-forwarded-proto")) lines += `X-Forwarded-Proto: ${ctx.peer.scheme}\r\n`;
  if (!wrote.has("x-forwarded-host") && ctx.head.host !== null) lines += `X-Forwarded-Host: ${ctx.head.host.value}\r\n`;
  if (!wrote.has("x-forwarded-port")) lines += `X-Forwarded-Port: ${forwardedPort(ctx)}\r\n`;
  return lines;
}
