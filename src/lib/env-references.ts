/**
 * Environment variables in configuration values, as APISIX puts them in:
 * `${{NAME}}` and `${{NAME:=default}}` anywhere in a string. A string that held a
 * reference and now reads as a number, `true` or `false` becomes one, unless it was
 * written in quotes (`QuotedText`).
 */

/** A string with its references replaced, or the name of the variable that is not set. */
export type Resolved = { readonly value: unknown } | { readonly missing: string };

/** Makes what it reads as of a text that variables were put into. */
export type TextReader = (text: string) => unknown;

/**
 * A text with references that was written in quotes or as a block: it stays a text
 * whatever the variables hold. `resolveAll` puts the text in its place.
 */
export class QuotedText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** `text` as it is where it has no references. */
  static of(text: string): string | QuotedText {
    return text.includes("${{") ? new QuotedText(text) : text;
  }
}

/** Replaces the references of one string. */
export function resolveReferences(text: string, env: NodeJS.ProcessEnv, read: TextReader = fromText): Resolved {
  if (!text.includes("${{")) return { value: text };
  let used = false;
  let missing: string | null = null;
  const replaced = text.replace(/\$\{\{\s*(\w+[:=]?.*?)\s*\}\}/gs, (_, reference: string) => {
    const at = reference.indexOf(":=");
    const name = at === -1 ? reference : reference.slice(0, at).trimEnd();
    const set = Object.hasOwn(env, name) ? env[name] : undefined;
    const found = set ?? (at === -1 ? undefined : reference.slice(at + 2).trim());
    used = true;
    if (found === undefined) missing ??= name;
    return found ?? "";
  });
  if (missing !== null) return { missing };
  return { value: used ? read(replaced) : replaced };
}

/** A reference that cannot be replaced, or that makes two keys the same. */
export interface ReferenceProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** The variable that is not set; `null` where it is something else. */
  readonly variable: string | null;
}

/**
 * Replaces all references below `root`, in place, in values and in keys (nodes of
 * upstreams are keys); the ones that cannot be are returned. A key stays a string.
 * `read` tells what a value becomes that was not quoted.
 */
export function resolveAll(
  root: unknown,
  env: NodeJS.ProcessEnv,
  read: TextReader = fromText,
): readonly ReferenceProblem[] {
  const problems: ReferenceProblem[] = [];
  const missing = (path: ReferenceProblem["path"], variable: string): void => {
    problems.push({ path, message: `environment variable ${variable} is not set`, variable });
  };
  const renameKeys = (holder: Record<string, unknown>, path: ReferenceProblem["path"]): void => {
    const entries = Object.entries(holder);
    if (!entries.some(([key]) => key.includes("${{"))) return;
    // All of them are put in anew, so that the order stays.
    for (const [key] of entries) delete holder[key];
    for (const [key, value] of entries) {
      const resolved = resolveReferences(key, env, (text) => text);
      if ("missing" in resolved) missing([...path, key], resolved.missing);
      const name = "missing" in resolved ? key : String(resolved.value);
      if (Object.hasOwn(holder, name)) {
        const message = `a key that is there already: what ${key} stands for`;
        problems.push({ path: [...path, key], message, variable: null });
      }
      // An assignment to `__proto__` would set the prototype.
      Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
    }
  };
  const walk = (node: unknown, path: ReferenceProblem["path"]): void => {
    if (typeof node !== "object" || node === null) return;
    const holder = node as Record<string | number, unknown>;
    if (!Array.isArray(node)) renameKeys(holder, path);
    for (const key of Array.isArray(node) ? node.keys() : Object.keys(node)) {
      const value = holder[key];
      const quoted = value instanceof QuotedText;
      if (typeof value !== "string" && !quoted) {
        walk(value, [...path, key]);
        continue;
      }
      const text = quoted ? value.text : value;
      const resolved = resolveReferences(text, env, quoted ? (replaced) => replaced : read);
      if ("missing" in resolved) missing([...path, key], resolved.missing);
      const replaced = "missing" in resolved ? text : resolved.value;
      if (replaced !== value) Object.defineProperty(holder, key, { value: replaced });
    }
  };
  walk(root, []);
  return problems;
}

/** As Lua reads it; a whole number that would lose digits stays a text. */
function fromText(text: string): unknown {
  if (text === "true") return true;
  if (text === "false") return false;
  const trimmed = text.trim();
  const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) || /^0x[\da-f]+$/i.test(trimmed);
  return numeric ? exactNumber(text, Number(trimmed)) : text;
}

/** `number`, unless it is a whole one of more digits than a number holds: then the text it was read from. */
export function exactNumber(text: string, number: number): number | string {
  const exact = Number.isFinite(number) && (!Number.isInteger(number) || Number.isSafeInteger(number));
  return exact ? number : text;
}
