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

/**
 * Replaces all references below `root`, in place, in values and in keys (nodes of
 * upstreams are keys); the ones that cannot be. A key stays a string.
 */
export function resolveAll(root: unknown, env: NodeJS.ProcessEnv): readonly MissingVariable[] {
  const missing: MissingVariable[] = [];
  const renameKeys = (holder: Record<string, unknown>, path: readonly (string | number)[]): void => {
    const entries = Object.entries(holder);
    if (!entries.some(([key]) => key.includes("${{"))) return;
    // All of them are put in anew, so that the order stays.
    for (const [key] of entries) delete holder[key];
    for (const [key, value] of entries) {
      const resolved = resolveReferences(key, env);
      if ("missing" in resolved) missing.push({ path: [...path, key], name: resolved.missing });
      holder["missing" in resolved ? key : String(resolved.value)] = value;
    }
  };
  const walk = (node: unknown, path: readonly (string | number)[]): void => {
    if (typeof node !== "object" || node === null) return;
    const holder = node as Record<string | number, unknown>;
    if (!Array.isArray(node)) renameKeys(holder, path);
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
