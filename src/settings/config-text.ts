import { createRequire } from "node:module";
import type { Node, YAMLMap } from "yaml";
import { decline, parseBlockYaml, type Scalars } from "../lib/block-yaml.ts";
import { reasonOf } from "../lib/errors.ts";
import { isMapping, type KeyPath, type Mapping } from "./key-path.ts";

/** A config.yaml that could be parsed. */
export interface ConfigText {
  readonly value: Mapping;
  /** The line of the key, or of the nearest key around it that is written; 0 without one. */
  lineOf(path: KeyPath): number;
  /** Keys that one mapping holds more than once; the last one is in `value`. */
  readonly repeated: readonly RepeatedKey[];
}

export interface RepeatedKey {
  readonly path: KeyPath;
  /** 1-based, ascending. */
  readonly lines: readonly number[];
}

/** Why a text is not a configuration; the first reason only, since the rest follows from it. */
export interface TextError {
  readonly line: number;
  readonly error: string;
}

const require = createRequire(import.meta.url);
let loaded: typeof import("yaml") | undefined;

/** Loaded when there is something to say about a line: it would make up a tenth of the start. */
const library = (): typeof import("yaml") => (loaded ??= require("yaml") as typeof import("yaml"));

/** The scalars of YAML 1.2's core schema. */
const core: Scalars = {
  words: new Map([
    ...["~", "null", "Null", "NULL"].map((word) => [word, null] as const),
    ...["true", "True", "TRUE"].map((word) => [word, true] as const),
    ...["false", "False", "FALSE"].map((word) => [word, false] as const),
  ]),
  number(text) {
    if (/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
    return /^(0[ox]|[-+]?\.)/i.test(text) ? decline() : text;
  },
  quoted: (text) => text,
};

/** Parses YAML 1.2 and knows where everything stands. */
export function parseConfigText(text: string): ConfigText | TextError {
  const quick = parseBlockYaml(text, core)?.value;
  if (!isMapping(quick)) return parseWithPlaces(text);
  let places: ConfigText | undefined;
  const lineOf = (path: KeyPath): number => (places ??= parseWithPlaces(text) as ConfigText).lineOf(path);
  return { value: quick, lineOf, repeated: [] };
}

/** The same by the full parser, several times slower. */
export function parseWithPlaces(text: string): ConfigText | TextError {
  const { isAlias, LineCounter, parseDocument } = library();
  const lines = new LineCounter();
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "error",
    // Plain data whatever tags and directives the text has.
    schema: "core",
    resolveKnownTags: false,
  });
  const [problem] = document.errors;
  if (problem !== undefined)
    return { line: lineAt(problem.pos[0]), error: `not valid YAML: ${firstLine(problem.message)}` };

  let value: unknown;
  try {
    value = document.toJS() ?? {};
    // Throws where an alias leads back to what contains it.
    JSON.stringify(value);
  } catch (thrown) {
    return { line: 0, error: `not valid YAML: ${firstLine(reasonOf(thrown))}` };
  }
  if (!isMapping(value)) {
    const found = Array.isArray(value) ? "a list" : "a single value";
    const line = lineAt(document.contents?.range?.[0] ?? 0);
    return { line, error: `found ${found}, expected a mapping of keys such as apisix, nginx_config and deployment` };
  }

  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  const lineOf = (path: KeyPath): number => {
    let line = 0;
    let at: unknown = document.contents;
    for (const part of path) {
      const next = child(resolve(at), part);
      if (next === null) break;
      line = lineAt(next.offset);
      at = next.node;
    }
    return line;
  };
  return { value, lineOf, repeated: repeatedKeys(document.contents, lineAt) };
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0] ?? message;
}

function child(parent: unknown, part: string | number): { node: unknown; offset: number } | null {
  const { isMap, isSeq } = library();
  if (isMap(parent)) {
    // The last one wins, as in the value.
    const pair = parent.items.findLast((item) => keyName(item.key) === part);
    return pair === undefined ? null : { node: pair.value, offset: offsetOf(pair.key) };
  }
  if (isSeq(parent) && typeof part === "number" && part < parent.items.length) {
    return { node: parent.items[part], offset: offsetOf(parent.items[part]) };
  }
  return null;
}

function keyName(key: unknown): string {
  return String(library().isNode(key) ? key.toJSON() : key);
}

function offsetOf(node: unknown): number {
  return (library().isNode(node) ? node.range?.[0] : undefined) ?? 0;
}

function repeatedKeys(root: Node | null, lineAt: (offset: number) => number): RepeatedKey[] {
  const { isMap, isSeq } = library();
  const found: RepeatedKey[] = [];
  const walk = (node: unknown, path: KeyPath): void => {
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) walk(item, [...path, index]);
    } else if (isMap(node)) {
      for (const [name, offsets] of offsetsByName(node)) {
        if (offsets.length > 1) found.push({ path: [...path, name], lines: offsets.map(lineAt) });
      }
      for (const pair of node.items) walk(pair.value, [...path, keyName(pair.key)]);
    }
  };
  walk(root, []);
  return found;
}

function offsetsByName(map: YAMLMap): Map<string, number[]> {
  const offsets = new Map<string, number[]>();
  for (const pair of map.items) {
    const name = keyName(pair.key);
    offsets.set(name, [...(offsets.get(name) ?? []), offsetOf(pair.key)]);
  }
  return offsets;
}
