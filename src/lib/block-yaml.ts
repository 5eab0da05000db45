/**
 * A parser for the YAML that configuration files are made of: block mappings and
 * lists, scalars on one line, flow collections on one line, literal blocks. It is
 * an order of magnitude faster than one for all of YAML, which matters for files of
 * tens of thousands of routes. Whatever goes beyond (anchors, tags, merge keys,
 * folded and multi-line scalars, duplicate keys, errors of any sort) it declines, and
 * the caller asks the full parser: where both give a value, it is the same.
 */

/** Thrown inside, never out: the text goes beyond what is read here. */
class Declined extends Error {}

const DECLINED = new Declined();

/** What scalars mean: YAML 1.1 and 1.2 differ in nothing else that is read here. */
export interface Scalars {
  /** Plain words that are no strings. */
  readonly words: ReadonlyMap<string, boolean | null>;
  /** What a plain scalar means that looks like some sort of number. */
  number(text: string): unknown;
  /** What a quoted text or a literal block becomes. */
  quoted(text: string): unknown;
}

/** The value of `text`, wrapped; `null` where the full parser must be asked. */
export function parseBlockYaml(text: string, scalars: Scalars): { readonly value: unknown } | null {
  // Tabs, carriage returns, control characters and byte order marks have rules of their own;
  // blanks other than these are blanks to JavaScript and letters to YAML.
  // oxlint-disable-next-line no-control-regex, no-irregular-whitespace -- these are looked for.
  if (/[\x00-\x09\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]/.test(text)) return null;
  try {
    return { value: new BlockParser(text.split("\n"), scalars).document() };
  } catch (error) {
    if (error === DECLINED) return null;
    throw error;
  }
}

/** Gives up: the full parser is asked. */
export function decline(): never {
  throw DECLINED;
}

/** A key that is there already, or one whose assignment would set the prototype. */
function isLeftAlone(fields: object, key: string): boolean {
  return key === "__proto__" || Object.hasOwn(fields, key);
}

class BlockParser {
  readonly #lines: string[];
  readonly #scalars: Scalars;
  readonly #numbers = new Map<string, unknown>();
  /** The line to be read, comments and blank ones skipped. */
  #at = -1;
  #indent = 0;
  /** The line from its first character on, without trailing blanks. */
  #content = "";

  constructor(lines: string[], scalars: Scalars) {
    this.#lines = lines;
    this.#scalars = scalars;
    this.#next();
  }

  document(): unknown {
    if (this.#content === "---" && this.#indent === 0) this.#next();
    if (this.#indent < 0) return null;
    const value = this.#block(this.#indent);
    if (this.#indent >= 0) decline();
    return value;
  }

  /** Goes to the next line with content; indent -1 at the end. */
  #next(): void {
    for (this.#at++; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      let indent = 0;
      while (line.charCodeAt(indent) === 0x20) indent++;
      if (indent === line.length || line.charCodeAt(indent) === 0x23) continue;
      if (indent === 0 && /^(---|\.\.\.|%)/.test(line) && !(line === "---" && this.#at === 0)) decline();
      this.#indent = indent;
      this.#content = line.slice(indent).trimEnd();
      return;
    }
    this.#indent = -1;
    this.#content = "";
  }

  /** A mapping or list whose lines are indented by `indent`. */
  #block(indent: number): unknown {
    return isListItem(this.#content) ? this.#list(indent) : this.#mapping(indent);
  }

  #list(indent: number): unknown[] {
    const items: unknown[] = [];
    while (this.#indent === indent && isListItem(this.#content)) {
      let offset = 1;
      while (this.#content.charCodeAt(offset) === 0x20) offset++;
      const rest = this.#content.slice(offset);
      if (rest === "" || rest.startsWith("#")) {
        this.#next();
        items.push(this.#indent > indent ? this.#block(this.#indent) : null);
      } else if (isListItem(rest) || keyEnd(rest) !== -1) {
        // The rest of the line is the first line of a block of its own.
        this.#indent += offset;
        this.#content = rest;
        items.push(this.#block(this.#indent));
      } else {
        items.push(this.#value(rest, indent));
      }
    }
    if (this.#indent > indent) decline();
    return items;
  }

  #mapping(indent: number): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    while (this.#indent === indent) {
      const line = this.#content;
      if (isListItem(line)) decline();
      const end = keyEnd(line);
      if (end === -1) decline();
      const key = readKey(line.slice(0, end));
      if (isLeftAlone(fields, key)) decline();
      let start = end + 1;
      while (line.charCodeAt(start) === 0x20) start++;
      const rest = line.slice(start);
      fields[key] = rest === "" || rest.startsWith("#") ? this.#below(indent) : this.#value(rest, indent);
    }
    if (this.#indent > indent) decline();
    return fields;
  }

  /** What stands under a key without a value on its line; a list may be at the key's own indent. */
  #below(indent: number): unknown {
    this.#next();
    if (this.#indent > indent) return this.#block(this.#indent);
    return this.#indent === indent && isListItem(this.#content) ? this.#list(indent) : null;
  }

  /** A value that begins on the line; `indent` is the one of the block it stands in. */
  #value(text: string, indent: number): unknown {
    const literal = /^\|(-?)( +#.*)?$/.exec(text);
    if (literal !== null) return this.#literal(indent, literal[1] === "-");
    const line = new LineReader(text, (plain) => this.#scalar(plain), this.#scalars.quoted);
    const value = line.value(false);
    line.end();
    this.#next();
    // A scalar that goes on in the next line.
    if (this.#indent > indent) decline();
    return value;
  }

  #literal(indent: number, strip: boolean): unknown {
    const lines: string[] = [];
    let own = -1;
    for (this.#at++; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      const depth = line.length - line.trimStart().length;
      if (depth === line.length) {
        // Blank lines that are longer than the text's indent belong to the text.
        if (own === -1 ? depth > 0 : depth > own) decline();
        lines.push("");
        continue;
      }
      if (own === -1) own = depth;
      if (depth < own) break;
      lines.push(line.slice(own));
    }
    if (own <= indent) decline();
    this.#at--;
    this.#next();
    if (this.#indent > indent) decline();
    while (lines.at(-1) === "") lines.pop();
    return this.#scalars.quoted(lines.join("\n") + (strip ? "" : "\n"));
  }

  #scalar(text: string): unknown {
    const first = text.charCodeAt(0);
    if ((first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e) {
      return this.#number(text);
    }
    const word = this.#scalars.words.get(text);
    return word === undefined ? text : word;
  }

  #number(text: string): unknown {
    if (/^-?(0|[1-9]\d{0,14})$/.test(text)) return Number(text);
    if (/^\d+(\.\d+){3}([:/]\d+)?$/.test(text)) return text;
    if (!this.#numbers.has(text)) this.#numbers.set(text, this.#scalars.number(text));
    return this.#numbers.get(text);
  }
}

/** Plain words that are no strings in YAML 1.1, of which those of 1.2 are a part. */
export const words11: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ...["~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);

/** Values on one line: scalars and flow collections. */
class LineReader {
  readonly #text: string;
  readonly #scalar: (plain: string) => unknown;
  readonly #toValue: (quoted: string) => unknown;
  #at = 0;

  constructor(text: string, scalar: (plain: string) => unknown, toValue: (quoted: string) => unknown) {
    this.#text = text;
    this.#scalar = scalar;
    this.#toValue = toValue;
  }

  /** Nothing but a comment may follow. */
  end(): void {
    const rest = this.#text.slice(this.#at);
    if (rest.trim() !== "" && !/^ +#/.test(rest)) decline();
  }

  value(flow: boolean): unknown {
    switch (this.#text[this.#at]) {
      case "[":
        return this.#flowList();
      case "{":
        return this.#flowMapping();
      case '"':
      case "'":
        return this.#toValue(this.#quoted());
      default:
        return this.#scalar(this.#plain(flow));
    }
  }

  #flowList(): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    for (;;) {
      this.#skipBlanks();
      if (this.#take("]")) return items;
      items.push(this.value(true));
      this.#skipBlanks();
      if (!this.#take(",") && this.#text[this.#at] !== "]") decline();
    }
  }

  #flowMapping(): Record<string, unknown> {
    const fields: Record<string, unknown> = {};
    this.#at++;
    for (;;) {
      this.#skipBlanks();
      if (this.#take("}")) return fields;
      const quoted = this.#text[this.#at] === '"' || this.#text[this.#at] === "'";
      const key = quoted ? String(this.#quoted()) : plainKey(this.#plain(true));
      if (!this.#take(":") || this.#text[this.#at] !== " ") decline();
      this.#skipBlanks();
      if (isLeftAlone(fields, key)) decline();
      fields[key] = this.value(true);
      this.#skipBlanks();
      if (!this.#take(",") && this.#text[this.#at] !== "}") decline();
    }
  }

  #quoted(): string {
    const end = quotedEnd(this.#text, this.#at);
    const value = readQuoted(this.#text.slice(this.#at, end));
    this.#at = end;
    return value;
  }

  #plain(flow: boolean): string {
    const start = this.#at;
    // Characters that begin something else, or may in some places.
    if (/[-?:,[\]{}#&*!|>'"%@`]/.test(this.#text[start] ?? ",") && !/^-[0-9.]/.test(this.#text.slice(start))) decline();
    let at = start;
    for (; at < this.#text.length; at++) {
      const char = this.#text[at];
      const next = this.#text[at + 1];
      if (char === ":" && (next === undefined || next === " " || (flow && /[,[\]{}]/.test(next)))) break;
      if (char === " " && next === "#") break;
      if (flow && (char === "," || char === "]" || char === "}")) break;
      if (flow && (char === "[" || char === "{")) decline();
    }
    // In a block `a: b: c` is an error.
    if (!flow && this.#text[at] === ":") decline();
    const text = this.#text.slice(start, at);
    this.#at = at;
    return text.trimEnd();
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    while (this.#text[this.#at] === " ") this.#at++;
    if (this.#text[this.#at] === "#") decline();
  }
}

const isListItem = (content: string): boolean =>
  content.charCodeAt(0) === 0x2d && (content.length === 1 || content.charCodeAt(1) === 0x20);

/** Index of the colon that ends the key which the line begins with; -1 where it begins with none. */
function keyEnd(line: string): number {
  const first = line[0] ?? "";
  if (first === '"' || first === "'") {
    const end = quotedEnd(line, 0);
    return line[end] === ":" && (end + 1 === line.length || line[end + 1] === " ") ? end : -1;
  }
  if (first === "[" || first === "{") return -1;
  for (let at = line.indexOf(":"); at !== -1; at = line.indexOf(":", at + 1)) {
    if (at + 1 === line.length || line.charCodeAt(at + 1) === 0x20) {
      const comment = line.indexOf(" #");
      return comment !== -1 && comment < at ? -1 : at;
    }
  }
  return -1;
}

function readKey(text: string): string {
  return text.startsWith('"') || text.startsWith("'") ? readQuoted(text) : plainKey(text);
}

/** A plain key that is sure to mean itself. */
function plainKey(text: string): string {
  if (/^[A-Za-z_/$][^\n]*$/.test(text)) return words11.has(text) || text.endsWith(" ") ? decline() : text;
  return /^(0|[1-9]\d{0,14}|\d+\.\d+\.\d+\.\d+(:\d+)?)$/.test(text) ? text : decline();
}

/** Index after the closing quote of the text that begins at `start`. */
function quotedEnd(text: string, start: number): number {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at++) {
    if (quote === '"' && text[at] === "\\") at++;
    else if (text[at] === quote) {
      if (quote === '"' || text[at + 1] !== "'") return at + 1;
      at++;
    }
  }
  return decline();
}

function readQuoted(text: string): string {
  const inner = text.slice(1, -1);
  if (text.startsWith("'")) return inner.replaceAll("''", "'");
  if (!inner.includes("\\")) return inner;
  // YAML knows more escapes than JSON.
  return /\\[^"\\/bfnrtu]/.test(inner.replaceAll("\\\\", "")) ? decline() : (JSON.parse(text) as string);
}
