import { isMapping, type KeyPath, type Mapping } from "./key-path.ts";
import type { Key } from "./keys/key.ts";

/** A reference whose variable is not set and has no default. */
export interface MissingVariable {
  readonly path: KeyPath;
  readonly name: string;
}

/**
 * Puts environment variables in, as APISIX does: `${{NAME}}` and `${{NAME:=default}}`
 * anywhere in a string (keys are left alone). A text that held a reference and now
 * reads as a number or as true or false becomes one, unless the key takes strings only.
 * A text that refers to a missing variable stays as it is.
 */
export function substituteVariables(
  value: Mapping,
  schema: Key,
  env: NodeJS.ProcessEnv,
): { value: Mapping; missing: MissingVariable[] } {
  const missing: MissingVariable[] = [];

  const scalar = (text: string, key: Key | undefined, path: KeyPath): unknown => {
    let used = false;
    let complete = true;
    const replaced = text.replace(/\$\{\{\s*(\w+[:=]?.*?)\s*\}\}/gs, (_, reference: string) => {
      const at = reference.indexOf(":=");
      const name = at === -1 ? reference : reference.slice(0, at).trimEnd();
      const found = env[name] ?? (at === -1 ? undefined : reference.slice(at + 2).trim());
      used = true;
      if (found === undefined) {
        complete = false;
        missing.push({ path, name });
      }
      return found ?? "";
    });
    if (!complete) return text;
    return used && key?.type !== "string" ? fromText(replaced) : replaced;
  };

  const walk = (node: unknown, key: Key | undefined, path: KeyPath): unknown => {
    if (typeof node === "string") return scalar(node, key, path);
    if (Array.isArray(node)) return node.map((item, index) => walk(item, key?.items, [...path, index]));
    if (!isMapping(node)) return node;
    return Object.fromEntries(
      Object.entries(node).map(([name, item]) => [name, walk(item, below(key, name), [...path, name])]),
    );
  };

  return { value: walk(value, schema, []) as Mapping, missing };
}

/** The key `name` of a mapping, `undefined` where the schema has none. */
export function below(key: Key | undefined, name: string): Key | undefined {
  return key?.properties !== undefined && Object.hasOwn(key.properties, name) ? key.properties[name] : undefined;
}

function fromText(text: string): string | number | boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  const trimmed = text.trim();
  const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) || /^0x[\da-f]+$/i.test(trimmed);
  return numeric ? Number(trimmed) : text;
}
