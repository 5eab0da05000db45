import type { RequestContext } from "./context.ts";
import { cleanHeaderValue, utf8Bytes, isHeaderName, isHeaderText, isOwnedByGateway } from "./header-text.ts";
import { parseTemplate } from "./template-parts.ts";
import { compileVariable, isTextVariable } from "./variables.ts";

/** The part of a request or an answer whose headers are edited. */
export interface EditableHeaders {
  setHeader(name: string, value: string): void;
  addHeader(name: string, value: string): void;
  removeHeader(name: string): void;
}

/** Renders a value; `captures` are those of a regular expression, for `$1` and `${1}`. */
type Value = (ctx: RequestContext, captures: readonly (string | undefined)[] | null) => string;

/** Edits of headers, compiled. */
export type HeaderEdits = (
  ctx: RequestContext,
  headers: EditableHeaders,
  captures: readonly (string | undefined)[] | null,
) => void;

/** What a configuration wants done: values are templates. */
export interface HeaderEditsConf {
  readonly add: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, values: readonly string[]])[];
}

/**
 * Compiles edits, which run in the order add, remove, set. A value that renders as
 * nothing removes the header (`set`) or does nothing (`add`), as in nginx. Throws
 * where a name or a value cannot stand in a header; `warn` is told of headers that
 * only the gateway writes, and these are left alone.
 */
export function compileHeaderEdits(conf: HeaderEditsConf, warn: (message: string) => void): HeaderEdits | null {
  const allowed = (name: string, setting = false): boolean => {
    if (!isHeaderName(name)) throw new Error("invalid field character in header");
    if (!isOwnedByGateway(name) && (setting || name.toLowerCase() !== "host")) return true;
    warn(`header ${name} is written by the gateway itself; the rule for it is ignored`);
    return false;
  };
  const add = conf.add
    .filter(([name]) => allowed(name))
    .map(([name, value]) => [name, compileHeaderValue(value)] as const);
  const remove = conf.remove.filter((name) => allowed(name));
  const set = conf.set
    .filter(([name]) => allowed(name, true))
    .map(([name, values]) => [name, values.map(compileHeaderValue)] as const);
  if (add.length + remove.length + set.length === 0) return null;

  return (ctx, headers, captures) => {
    for (const [name, value] of add) {
      const rendered = value(ctx, captures);
      if (rendered !== "") headers.addHeader(name, rendered);
    }
    for (const name of remove) headers.removeHeader(name);
    for (const [name, values] of set) setAll(headers, name, values, ctx, captures);
  };
}

function setAll(
  headers: EditableHeaders,
  name: string,
  values: readonly Value[],
  ctx: RequestContext,
  captures: readonly (string | undefined)[] | null,
): void {
  let first = true;
  for (const value of values) {
    const rendered = value(ctx, captures);
    if (rendered === "") continue;
    if (first) headers.setHeader(name, rendered);
    else headers.addHeader(name, rendered);
    first = false;
  }
  if (first) headers.removeHeader(name);
}

/**
 * Compiles a header's value with variables and captures, which renders as bytes without control
 * characters: text becomes UTF-8, what came by the wire stays. Throws where it holds such characters itself.
 */
export function compileHeaderValue(text: string): Value {
  if (!isHeaderText(text)) throw new Error("invalid value character in header");
  const parts = parseTemplate(text, "apisix").map(({ name, text: fixed }): string | Value => {
    if (name === null) return utf8Bytes(fixed);
    if (/^\d+$/.test(name)) return (_, captures) => utf8Bytes(captures?.[Number(name)] ?? "");
    const read = compileVariable(name);
    if (isTextVariable(name)) return (ctx) => utf8Bytes(read(ctx) ?? fixed);
    const fallback = utf8Bytes(fixed);
    return (ctx) => read(ctx) ?? fallback;
  });
  const only = parts[0] ?? "";
  if (parts.length <= 1 && typeof only === "string") return () => only;
  return (ctx, captures) => {
    let rendered = "";
    for (const part of parts) rendered += typeof part === "string" ? part : part(ctx, captures);
    return cleanHeaderValue(rendered);
  };
}
