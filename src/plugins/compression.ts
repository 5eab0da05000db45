import type { RequestContext, ResponseHead } from "../plugin/context.ts";

/** What the plugins that compress answers have in common. */

export interface CompressionConf {
  /** `*` or a list of media types. */
  readonly types: unknown;
  readonly min_length: number;
  readonly http_version: number;
  readonly vary?: boolean;
}

/** Decides about each answer; true: it is to be compressed with the coding, and its head says so already. */
export function compileCompression(
  coding: "gzip" | "br",
  conf: CompressionConf,
): (ctx: RequestContext, head: ResponseHead) => boolean {
  const types =
    conf.types === "*" ? null : new Set((conf.types as readonly string[]).map((type) => type.toLowerCase()));
  const { min_length: minLength } = conf;
  const oldClients = conf.http_version === 1;
  return (ctx, head) => {
    if (!isEligible(head, types, minLength)) return false;
    if (conf.vary === true) head.addHeader("Vary", "Accept-Encoding");
    if (!oldClients && ctx.protocol === "HTTP/1.0") return false;
    const accepted = ctx.header("accept-encoding");
    // As nginx, which leaves what goes through a proxy to the proxy.
    if (accepted === undefined || !acceptsCoding(accepted, coding) || ctx.header("via") !== undefined) return false;
    head.streamBody();
    head.removeHeader("Accept-Ranges");
    const tag = head.header("etag");
    // The bytes are others now (RFC 9110 section 8.8.3).
    if (tag?.startsWith('"') === true) head.setHeader("ETag", `W/${tag}`);
    head.setHeader("Content-Encoding", coding);
    return true;
  };
}

/** Whether the answer may be compressed for clients that accept it. */
function isEligible(head: ResponseHead, types: ReadonlySet<string> | null, minLength: number): boolean {
  const { status } = head;
  if (status !== 200 && status !== 403 && status !== 404) return false;
  if (head.header("content-encoding") !== undefined) return false;
  const type = head.header("content-type");
  if (type === undefined || (types !== null && !types.has(mediaType(type)))) return false;
  const length = head.header("content-length");
  if (length !== undefined && Number(length) < minLength) return false;
  // RFC 9111 section 5.2.2.6.
  return !/\bno-transform\b/i.test(head.header("cache-control") ?? "");
}

function mediaType(value: string): string {
  const end = value.indexOf(";");
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** Whether a list of codings (RFC 9110 section 12.5.3) names this one with a weight that is not 0. */
export function acceptsCoding(list: string, wanted: "gzip" | "br"): boolean {
  for (const part of list.split(",")) {
    const [coding = "", ...parameters] = part.split(";");
    if (coding.trim().toLowerCase() !== wanted) continue;
    return !parameters.some((parameter) => /^\s*q\s*=\s*0(?:\.0*)?\s*$/i.test(parameter));
  }
  return false;
}
