import { createRequire } from "node:module";
import type { Document, LineCounter, ParsedNode, Tags, YAMLError } from "yaml";
import { parseBlockYaml, type Scalars, words11 } from "../lib/block-yaml.ts";
import { exactNumber, QuotedText } from "../lib/env-references.ts";
import { unreadable } from "./document.ts";

type Library = typeof import("yaml");

const require = createRequire(import.meta.url);
let loaded: Library | undefined;

/** Loaded when it is needed: most files are read without it, and it would delay the start. */
const library = (): Library => (loaded ??= require("yaml") as Library);

/**
 * YAML 1.1 as APISIX reads it: `yes` and `on` are true, `010` is eight; but a date
 * is a string. Merge keys are known.
 */
const options = {
  version: "1.1",
  prettyErrors: false,
  customTags: (tags: Tags): Tags => tags.filter((tag) => tag !== "timestamp" && !isTimestamp(tag)),
} as const;

const isTimestamp = (tag: Tags[number]): boolean =>
  typeof tag === "object" && tag.tag === "tag:yaml.org,2002:timestamp";

/** Aliases that one document may expand to, against entity bombs. */
const MAX_ALIASES = 100;

/** Reads YAML; throws `SOURCE_UNREADABLE` with file, line and column, never with content. */
export function parseYaml(file: string, text: string): unknown {
  const json = asJson(text);
  if (json !== undefined) return json;
  const quick = parseBlockYaml(text, scalars);
  return quick === null ? valueOf(file, readYaml(file, text)) : quick.value;
}

const readScalar = (text: string): unknown => valueOf("", locateYaml(text));

/** Scalars as standalone files have them: YAML 1.1, what was quoted kept apart where variables are in it. */
export const scalars: Scalars = { words: words11, number: readScalar, quoted: (text) => QuotedText.of(text) };

/**
 * What an unquoted value is that variables were put into: a word or a number as if
 * it stood in the file, else the text, also where YAML would see a mapping or a
 * comment in it. A whole number that would lose digits stays a text, and so does
 * what is no finite number.
 */
export function readPlainText(text: string): unknown {
  const word = words11.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.\d][\w.+-]*$/.test(text) || text.includes("_")) return text;
  const value = readScalar(text);
  return typeof value === "number" ? exactNumber(text, value) : text;
}

/** The value of a file that is JSON, which is YAML too, but for its last line. */
function asJson(text: string): unknown {
  // With variables it matters what is quoted.
  if (!text.startsWith("{") || text.includes("${{")) return undefined;
  try {
    return JSON.parse(text.replace(/#END\s*$/, "")) as unknown;
  } catch {
    return undefined;
  }
}

/** A document with the places of all its parts. */
export interface LocatedYaml {
  readonly document: Document.Parsed<ParsedNode>;
  readonly lines: LineCounter;
}

/** Reads YAML and keeps the places, several times slower than `parseYaml`; throws as that one does. */
export function readYaml(file: string, text: string): LocatedYaml {
  const located = locateYaml(text);
  const [fault] = faultsOf(located);
  if (fault === undefined) return located;
  throw unreadable(`${file}:${fault.line}:${fault.column}: ${fault.message}`);
}

/** Reads as much as there is, with all faults. */
export function locateYaml(text: string): LocatedYaml {
  const { LineCounter: Counter, parseDocument } = library();
  const lines = new Counter();
  return { document: parseDocument(text, { ...options, lineCounter: lines }), lines };
}

/** A place that is no YAML; 1-based. */
export interface YamlFault {
  readonly code: YAMLError["code"];
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** Every fault of the text. A tag that is not known is one: its value would be taken for something else. */
export function faultsOf(located: LocatedYaml): readonly YamlFault[] {
  const { document, lines } = located;
  return [...document.errors, ...document.warnings].map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { code: error.code, line, column: col, message: describe(error, located) };
  });
}

/** The value of a document; texts with variables that are quoted or blocks are `QuotedText`. */
export function valueOf(file: string, { document, lines }: LocatedYaml): unknown {
  const { visit } = library();
  let lost: number | null = null;
  visit(document, {
    Scalar(key, scalar) {
      // The library takes a word like `e3` for a number, which it then is not.
      if (Number.isNaN(scalar.value) && !/^\.nan$/i.test(scalar.source ?? "")) scalar.value = scalar.source;
      // A key is a text anyway.
      if (key === "key" || key === null || typeof scalar.value !== "string" || scalar.type === "PLAIN") return;
      scalar.value = QuotedText.of(scalar.value);
    },
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      lost = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  if (lost !== null) {
    const { line, col } = lines.linePos(lost);
    throw unreadable(`${file}:${line}:${col}: an alias without its anchor`);
  }
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    throw unreadable(`${file}: aliases expand to too much, or refer to what they are part of`, error);
  }
}

const descriptions: Partial<Record<YAMLError["code"], string>> = {
  BAD_ALIAS: "an alias without its anchor",
  BAD_DIRECTIVE: "a directive that is not known",
  BAD_DQ_ESCAPE: "an escape that does not exist in a quoted text",
  BAD_INDENT: "wrong indentation, or a bracket that is not closed",
  BAD_SCALAR_START: "a text that begins with this character must be quoted",
  BLOCK_AS_IMPLICIT_KEY: "a mapping within a mapping on one line",
  BLOCK_IN_FLOW: "a block within brackets",
  MISSING_CHAR: "a character is missing, as in a quote or bracket that is not closed or a colon without a blank",
  MULTILINE_IMPLICIT_KEY: "a key that goes over several lines, or a line without a colon",
  MULTIPLE_DOCS: "a second document begins; there must be one",
  TAB_AS_INDENT: "a tab in the indentation",
  TAG_RESOLVE_FAILED: "a value that its tag does not allow, or a tag that is not known",
  UNEXPECTED_TOKEN: "something that cannot stand here",
};

function describe(error: YAMLError, { document, lines }: LocatedYaml): string {
  if (error.code !== "DUPLICATE_KEY") return descriptions[error.code] ?? `no YAML (${error.code})`;
  const first = firstOf(document, error.pos[0]);
  if (first === null) return "a key that is there already";
  return `the key ${first.key} is there already, in line ${lines.linePos(first.offset).line}`;
}

/** The key that the one at `offset` repeats. */
function firstOf(document: Document.Parsed<ParsedNode>, offset: number): { key: string; offset: number } | null {
  const { visit } = library();
  let found: { key: string; offset: number } | null = null;
  visit(document, {
    Map(_, { items }) {
      const keys = items.map(({ key }) => key as ParsedNode | null);
      const second = keys.find((key) => key?.range[0] === offset);
      if (second === undefined || second === null || !("value" in second)) return undefined;
      const first = keys.find((key) => key !== null && "value" in key && key.value === second.value);
      if (first !== undefined && first !== null) found = { key: String(second.value), offset: first.range[0] };
      return visit.BREAK;
    },
  });
  return found;
}
