import type { RequestContext } from "../plugin/context.ts";
import { cleanHeaderValue, utf8Bytes } from "../plugin/header-text.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileVariable, isTextVariable } from "../plugin/variables.ts";

/** Captures of the expression that matched; index 0 is the whole match. */
export type Captures = readonly (string | undefined)[];

/** Renders the value of `Location`, one character per byte. */
export type Location = (ctx: RequestContext, captures: Captures | null) => string;

/**
 * Compiles a new address. `withCaptures`: `$1` and `${1}` are captures, and nothing is
 * a variable. `encode`: everything that RFC 3986 has no place for is escaped. What
 * clients choose cannot end the line, nor hold a backslash, which browsers take
 * for a slash: `/\evil.com` would lead elsewhere.
 */
export function compileLocation(template: string, withCaptures: boolean, encode: boolean): Location {
  const parts = withCaptures ? captureParts(template) : variableParts(template);
  const escape = encode ? escapeAll : (text: string): string => text;
  return (ctx, captures) => {
    let location = "";
    for (const part of parts) location += typeof part === "string" ? escape(part) : escape(part(ctx, captures));
    return cleanHeaderValue(location);
  };
}

type Part = string | Location;

function variableParts(template: string): readonly Part[] {
  return parseTemplate(template, "apisix").map(({ name, text }): Part => {
    if (name === null) return utf8Bytes(text);
    const read = compileVariable(name);
    const bytes = isTextVariable(name) ? utf8Bytes : (value: string): string => value;
    return (ctx) => harmless(bytes(read(ctx) ?? text));
  });
}

function captureParts(template: string): readonly Part[] {
  return template.split(/(\$(?:\$|&|\d+|\{\d+\}))/).map((piece, index): Part => {
    if (index % 2 === 0) return utf8Bytes(piece);
    if (piece === "$$") return "$";
    const number = piece === "$&" ? 0 : Number(piece.replaceAll(/[${}]/g, ""));
    return (_, captures) => harmless(utf8Bytes(captures?.[number] ?? ""));
  });
}

const harmless = (text: string): string => text.replaceAll("\\", "%5C");

/** Percent-encodes bytes that stand for nothing in a URI (RFC 3986 section 2); escapes stay. */
function escapeAll(bytes: string): string {
  return bytes.replaceAll(
    /[^A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
