import type { RequestContext } from "../plugin/context.ts";
import { parseTemplate } from "../plugin/template-parts.ts";
import { compileVariable } from "../plugin/variables.ts";

/** What the plugins that limit have in common: what they count by, and how they refuse. */

/** How `key` is read. */
export type KeyType = "var" | "var_combination" | "constant";

/** What a request is counted by; where its variables have no values, the client's address. */
export function compileKey(key: string, type: KeyType): (ctx: RequestContext) => string {
  if (type === "constant") return () => key;
  const read = type === "var" ? compileVariable(key) : compileCombination(key);
  return (ctx) => read(ctx) ?? ctx.remoteAddr;
}

/** Text with variables; `undefined` where none of them has a value. */
export function compileCombination(text: string): (ctx: RequestContext) => string | undefined {
  const parts = parseTemplate(text, "apisix").map(({ name, text }) => ({
    read: name === null ? null : compileVariable(name),
    text,
  }));
  return (ctx) => {
    let rendered = "";
    let found = false;
    for (const { read, text } of parts) {
      if (read === null) {
        rendered += text;
        continue;
      }
      const value = read(ctx);
      if (value !== undefined || text !== "") found = true;
      rendered += value ?? text;
    }
    return found ? rendered : undefined;
  };
}

/** A number, or text with variables that gives one; `undefined` where it is none in the range. */
export function compileNumber(
  value: number | string,
  minimum: number,
): { readonly constant: number | null; readonly read: (ctx: RequestContext) => number | undefined } {
  const parse = (text: string): number | undefined => {
    const number = /^\s*[0-9]{1,16}\s*$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(number) && number >= minimum ? number : undefined;
  };
  if (typeof value === "number") return { constant: value, read: () => value };
  const parts = parseTemplate(value, "apisix");
  if (parts.every(({ name }) => name === null)) {
    const number = parse(value);
    return { constant: number ?? null, read: () => number };
  }
  const render = compileCombination(value);
  return { constant: null, read: (ctx) => parse(render(ctx) ?? "") };
}
