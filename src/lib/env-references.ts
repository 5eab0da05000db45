/**
 * Environment variables in configuration values, as APISIX puts them in:
 * `${{NAME}}` and `${{NAME:=default}}` anywhere in a string. A string that held a
 * reference and now reads as a number, `true` or `false` becomes one.
 */

/** A string with its references replaced, or the name of the variable that is not set. */
export type Resolved = { readonly value: string | number | boolean } | { readonly missing: string };

/** Replaces the references of one string. */
export function resolveReferences(text: string, env: NodeJS.ProcessEnv): Resolved {
  if (!text.includes("${{")) return { value: text };
  let used = false;
  let missing: string | null = null;
  const replaced = text.replace(/\$\{\{\s*(\w+[:=]?.*?)\s*\}\}/gs, (_, reference: string) => {
    const at = reference.indexOf(":=");
    const name = at === -1 ? reference : reference.slice(0, at).trimEnd();
    const found = env[name] ?? (at === -1 ? undefined : reference.slice(at + 2).trim());
    used = true;
    if (found === undefined) missing ??= name;
    return found ?? "";
  });
  if (missing !== null) return { missing };
  return { value: used ? fromText(replaced) : replaced };
}

/** A variable that is not set, and where it is referred to. */
export interface MissingVariable {
  readonly path: readonly (string | number)[];
  readonly name: string;
}

/** Replaces all references below `root`, in place; the ones that cannot be. */
export function resolveAll(root: unknown, env: NodeJS.ProcessEnv): readonly MissingVariable[] {
  const missing: MissingVariable[] = [];
  const walk = (node: unknown, path: readonly (string | number)[]): void => {
    if (typeof node !== "object" || node === null) return;
    const holder = node as Record<string | number, unknown>;
    for (const key of Array.isArray(node) ? node.keys() : Object.keys(node)) {
      const value = holder[key];
      if (typeof value !== "string") {
        walk(value, [...path, key]);
        continue;
      }
      const resolved = resolveReferences(value, env);
      if ("missing" in resolved) missing.push({ path: [...path, key], name: resolved.missing });
      else holder[key] = resolved.value;
    }
  };
  walk(root, []);
  return missing;
}

function fromText(text: string): string | number | boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  const trimmed = text.trim();
  const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) || /^0x[\da-f]+$/i.test(trimmed);
  return numeric ? Number(trimmed) : text;
}
