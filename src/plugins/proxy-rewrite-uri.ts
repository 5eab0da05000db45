import type { RequestContext } from "../plugin/context.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileVariable, isTextVariable } from "../plugin/variables.ts";

/**
 * How `proxy-rewrite` makes request targets. Text of the configuration and what a
 * regular expression captured is escaped as nginx escapes a path; a variable is
 * one piece of the path or query and cannot add separators, because clients
 * choose its value.
 */

/** Captures of the expression that matched; index 0 is the whole match. */
export type Captures = readonly (string | undefined)[];

/** A target, or the part of one that replaces a match. */
export interface TargetTemplate {
  /** The path, and the query where the template has a `?`; both escaped. */
  readonly render: (ctx: RequestContext, captures: Captures | null) => string;
  /** Whether the template has a query of its own. */
  readonly hasQuery: boolean;
}

/**
 * Stands for a slash that the client escaped (`%2F`): the expression sees a
 * character that is no separator, and it is escaped again on its way out.
 */
export const ESCAPED_SLASH = "\uE000";

/** Variables that are a path already: their slashes stay. */
const paths = /^(?:(?:document_)?uri$|uri_param_)/;
/** Variables that are the target as the client wrote it, escaped already. */
const targets = /^(?:real_)?request_uri$/;
/** Variables that are a query already. */
const queries = /^(?:args|query_string)$/;

type Escape = (text: string, encoding?: BufferEncoding) => string;
type Piece = string | ((ctx: RequestContext, captures: Captures | null) => string);

/**
 * Compiles the text of `uri` or the replacement of a `regex_uri` pair. `captures`:
 * `$1` and `${1}` are known. `raw`: text and captures are escaped already.
 */
export function compileTarget(text: string, captures: boolean, raw: boolean): TargetTemplate {
  const pieces: Piece[] = [];
  const escapeText = raw ? escapeRaw : escapePath;
  let inQuery = false;
  for (const { name, text: fixed } of parseTemplate(text, "apisix")) {
    if (name === null) {
      const question: number = inQuery ? 0 : fixed.indexOf("?");
      const path = question === -1 ? fixed : fixed.slice(0, question);
      pieces.push(escapeText(path) + escapeRaw(fixed.slice(path.length)));
      inQuery ||= question !== -1;
    } else if (captures && /^\d+$/.test(name)) {
      pieces.push(capturePiece(Number(name), raw ? escapeRaw : inQuery ? escapeValue : escapePath));
    } else pieces.push(variablePiece(name, fixed, inQuery));
  }
  const render = (ctx: RequestContext, found: Captures | null): string => {
    let rendered = "";
    for (const piece of pieces) rendered += typeof piece === "string" ? piece : piece(ctx, found);
    return rendered;
  };
  return { render, hasQuery: inQuery };
}

function capturePiece(index: number, escape: Escape): Piece {
  return (_, captures) => escape(captures?.[index] ?? "");
}

function variablePiece(name: string, fallback: string, inQuery: boolean): Piece {
  if (targets.test(name) && !inQuery) return writtenPath;
  const read = compileVariable(name);
  const encoding = isTextVariable(name) ? "utf8" : "latin1";
  const isRaw = inQuery && queries.test(name);
  const escape: Escape = isRaw ? escapeRaw : paths.test(name) && !inQuery ? escapePath : escapeValue;
  return (ctx) => escape(read(ctx) ?? fallback, encoding);
}

/** Percent-encodes every match of `pattern`. */
function escaper(pattern: RegExp): Escape {
  return (text, encoding = "utf8") =>
    text.replaceAll(pattern, (character) => {
      if (character === ESCAPED_SLASH) return "%2F";
      const hex = Buffer.from(character, encoding).toString("hex").toUpperCase();
      return hex.replaceAll(/../g, "%$&");
    });
}

/** Escapes a decoded path as nginx does: what RFC 3986 section 3.3 has no place for in one, and `%`; brackets stay. */
export const escapePath: Escape = escaper(/[^!-~]|["#%<>?\\^`{|}]/gu);

/** Escapes everything but unreserved characters (RFC 3986 section 2.3) and `$,:@`. */
const escapeValue: Escape = escaper(/[^0-9A-Za-z\-._~$,:@]/gu);

/** Escapes only what would break the request line. */
const escapeRaw: Escape = escaper(/[^!-~]|#/gu);

/** Whether a target's path holds a segment `.` or `..`, escaped or not: it would lead out of the path that was meant. */
export function hasDotSegment(target: string): boolean {
  return /^[^?]*\/(?:\.|%2e){1,2}(?:[/?]|$)/i.test(target);
}

/**
 * The path of the target as the client wrote it; its query goes along in any case.
 * Where it has dot segments it is the resolved path: they would lead out of what
 * the configuration puts before it.
 */
function writtenPath(ctx: RequestContext): string {
  const raw = pathOf(ctx.target);
  return hasDotSegment(raw.replaceAll(/%2f/gi, "/")) ? escapePath(ctx.uri) : escapeRaw(raw, "latin1");
}

function pathOf(target: string): string {
  const question = target.indexOf("?");
  return question === -1 ? target : target.slice(0, question);
}

/**
 * The path that expressions are matched with: the decoded one, in which slashes
 * that the client escaped are `ESCAPED_SLASH`. Where dot segments were resolved
 * it is the resolved path, slashes and all: keeping them apart would let a
 * client walk out of the rewritten path.
 */
export function matchedPath(ctx: RequestContext): string {
  const raw = pathOf(ctx.target);
  if (!/%2f/i.test(raw)) return ctx.uri;
  if (hasDotSegment(raw.replaceAll(/%2f/gi, "/"))) return ctx.uri;
  return raw
    .split(/%2f/i)
    .map(decodePath)
    .join(ESCAPED_SLASH)
    .replaceAll(/\/{2,}/g, "/");
}

/** Percent-decoding of UTF-8; bytes that are not UTF-8 become one character each. */
function decodePath(text: string): string {
  if (!/[%\u0080-\u00ff]/.test(text)) return text;
  const latin1 = text.replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  const decoded = Buffer.from(latin1, "latin1").toString();
  return decoded.includes("\ufffd") ? latin1 : decoded;
}
