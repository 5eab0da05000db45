import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from "yaml";
import type { LocatedYaml } from "../source/yaml-text.ts";

/** The 1-based line of a field; that of the nearest part around it where it is not written itself. */
export type Locate = (path: readonly (string | number)[]) => number;

/** Finds lines in a YAML document (or a JSON one, which is YAML too). */
export function buildLocate({ document, lines }: LocatedYaml): Locate {
  return (path) => {
    let node: unknown = document.contents;
    let line = lineOf(node, lines);
    for (const part of path) {
      const holder = isAlias(node) ? node.resolve(document) : node;
      const step = stepInto(holder, part);
      if (step === null) break;
      line = lineOf(step.named, lines) || line;
      node = step.value;
    }
    return line;
  };
}

/** A part of a collection, and the node whose line is its own: the key, or the item. */
interface Step {
  readonly named: unknown;
  readonly value: unknown;
}

function stepInto(node: unknown, part: string | number): Step | null {
  if (isSeq(node)) {
    const item = node.items[Number(part)];
    return item === undefined ? null : { named: item, value: item };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
  return pair === undefined ? null : { named: pair.key, value: pair.value };
}

function lineOf(node: unknown, lines: LineCounter): number {
  const range = (node as Node | null | undefined)?.range;
  return range === null || range === undefined ? 0 : lines.linePos(range[0]).line;
}
