import { kinds } from "../schema/kinds.ts";
import { formatYaml } from "../source/format-yaml.ts";
import { parseKey } from "../source/keyed-layout.ts";
import type { StoredValue } from "../source/repository.ts";
import { listOfKind, parseFields, toListed, type Cipher, type Fields } from "./stored-form.ts";

/** A standalone document made of a store. */
export interface Exported {
  /** YAML that ends in `#END`. */
  readonly text: string;
  readonly count: number;
  /** What is not in it, a reason each. */
  readonly leftOut: readonly string[];
  /** What is in it and will not be read as it is stored, a reason each. */
  readonly warnings: readonly string[];
}

/**
 * The standalone document of what a store by key holds: kinds in the order of APISIX's
 * documentation, resources by key, secrets in clear text, as standalone files have them.
 * `title` becomes its first line. Pure.
 */
export function exportDocument(
  values: readonly StoredValue[],
  cipher: Pick<Cipher, "decrypt">,
  title: string,
): Exported {
  const lists = new Map<string, Fields[]>();
  const leftOut: string[] = [];
  const warnings: string[] = [];
  for (const { key, text } of values) {
    const name = parseKey(key);
    const fields = parseFields(text);
    if (name === null) leftOut.push(`${key}: no resource has such a key`);
    else if (name.kind === "plugins")
      leftOut.push(`${key}: the list of plugins of another node; config.yaml has this one's`);
    else if (fields === null) leftOut.push(`${key}: the stored value is no JSON object`);
    else {
      if (text.includes("${{"))
        warnings.push(`${key}: \${{…}} in it will be replaced from the environment where this is read`);
      const list = listOfKind(name.kind);
      const listed = toListed(name.kind, name.id, cipher.decrypt(name.kind, fields));
      const items = lists.get(list);
      if (items === undefined) lists.set(list, [listed]);
      else items.push(listed);
    }
  }
  const document = Object.fromEntries(kinds.flatMap((kind) => (lists.has(kind) ? [[kind, lists.get(kind)]] : [])));
  const body = lists.size === 0 ? "" : formatYaml(document);
  const count = [...lists.values()].reduce((sum, list) => sum + list.length, 0);
  return { text: `# ${title}\n${body}#END\n`, count, leftOut, warnings };
}
