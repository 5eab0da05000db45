/**
 * Takes a regular expression apart as PCRE reads it (APISIX hands patterns to PCRE),
 * far enough to write it for JavaScript and to judge what it may cost. What has no
 * counterpart is an error that names it: nothing is silently read as something else.
 */

/** A piece of a pattern. `set` answers for one byte whether a single-character piece matches it. */
export type RegexNode =
  | { readonly kind: "character"; readonly source: string }
  | { readonly kind: "assertion"; readonly source: string }
  | { readonly kind: "reference"; readonly source: string }
  | {
      readonly kind: "group";
      /** `(`, `(?:`, `(?=`, `(?<name>`, … */
      readonly open: string;
      readonly branches: readonly (readonly RegexNode[])[];
    }
  | {
      readonly kind: "repeat";
      readonly of: RegexNode;
      readonly source: string;
      readonly min: number;
      readonly max: number;
    };

/** Whether a group only holds its branches together: it neither looks around nor sets flags. */
export function isPlainGroup({ open }: Extract<RegexNode, { kind: "group" }>): boolean {
  return /^\((?:\?:|\?<\w+>)?$/.test(open);
}

/** A pattern with the flags that it sets itself (`(?i)` at its start, also behind `^`). */
export interface ParsedRegex {
  readonly branches: readonly (readonly RegexNode[])[];
  readonly flags: string;
}

/**
 * Bounds, far above what people write: JavaScript gives up longer patterns only when they are
 * first used, and holds the thread for seconds while it prepares thousands of groups.
 */
const MAX_LENGTH = 20_000;
const MAX_GROUPS = 1_000;
const MAX_DEPTH = 250;

const refuse = (what: string): never => {
  throw new Error(`${what} is not supported`);
};

/** Escapes that PCRE and JavaScript spell differently. */
const respelled: Readonly<Record<string, string>> = {
  a: "\\x07",
  e: "\\x1b",
  h: "[\\t\\x20\\xa0]",
  H: "[^\\t\\x20\\xa0]",
  R: "(?:\\r\\n|\\n|\\x0b|\\f|\\r|\\x85)",
  N: "[^\\n]",
};
const assertions: Readonly<Record<string, string>> = {
  A: "(?<![^])",
  z: "(?![^])",
  Z: "(?=\\n?(?![^]))",
  b: "\\b",
  B: "\\B",
};
const posix: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t\\x20",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\t-\\r\\x20",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
  "^digit": "\\D",
  "^space": "\\S",
  "^word": "\\W",
};

/** Parses a pattern; throws an Error that says what is wrong or not supported. */
export function parsePcre(written: string): ParsedRegex {
  if (written.length > MAX_LENGTH) throw new Error(`the pattern is longer than ${MAX_LENGTH} characters`);
  // They hold for everything behind them, further branches included, and mean nothing to the `^`.
  const pattern = unquoted(written).replace(/^(\^|\\A)((?:\(\?[is]+\))+)/, "$2$1");
  const leading = /^(?:\(\?([imsu]+)\))+/.exec(pattern);
  const flags = leading === null ? "" : leading[0].replaceAll(/[()?]/g, "");
  const parser = new PcreParser(pattern, leading?.[0].length ?? 0);
  const branches = parser.branches();
  parser.expectEnd();
  return { branches, flags };
}

/** The same with escapes instead of `\Q…\E`. */
function unquoted(pattern: string): string {
  return pattern.replaceAll(/\\Q([^]*?)(?:\\E|$)|\\[^]/g, (escape: string, quoted?: string) =>
    quoted === undefined ? escape : quoted.replaceAll(/[^0-9A-Za-z]/g, "\\$&"),
  );
}

class PcreParser {
  readonly #text: string;
  #at: number;
  /** Capturing groups so far, and what may be referred to. */
  #groups = 0;
  /** Groups of all kinds so far, and those that are open. */
  #all = 0;
  #depth = 0;
  readonly #names = new Set<string>();
  readonly #references: string[] = [];

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  expectEnd(): void {
    if (this.#at < this.#text.length) throw new Error(`unmatched closing parenthesis at offset ${this.#at}`);
    // JavaScript would read them as characters. Numbers of two digits are that in PCRE, too.
    const lost = this.#references.find((name) => !this.#names.has(name) && !(Number(name) <= this.#groups));
    if (lost !== undefined && !/^\d\d$/.test(lost))
      throw new Error(`reference to the group ${lost}, which is not there`);
  }

  branches(): RegexNode[][] {
    const branches: RegexNode[][] = [[]];
    while (this.#at < this.#text.length && this.#text[this.#at] !== ")") {
      if (this.#text[this.#at] === "|") {
        this.#at += 1;
        branches.push([]);
      } else if (this.#take(/\(\?#[^)]*\)/y) === null) branches.at(-1)?.push(this.#repeated(this.#atom()));
    }
    return branches;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #atom(): RegexNode {
    const character = this.#text[this.#at] as string;
    if (character === "(") return this.#group();
    if (character === "[") return { kind: "character", source: this.#characterClass() };
    if (character === "\\") return this.#escape();
    if ("*+?".includes(character)) throw new Error(`quantifier without anything to repeat at offset ${this.#at}`);
    this.#at += 1;
    if (character === "^" || character === "$") return { kind: "assertion", source: character };
    const quoted = "{}]/".includes(character) ? `\\${character}` : character;
    return { kind: "character", source: quoted };
  }

  #repeated(of: RegexNode): RegexNode {
    const match = this.#take(/(?:[*+?]|\{(\d+)(?:(,)(\d*))?\}|\{,(\d+)\})([?+]?)/y);
    if (match === null) return of;
    const [source, least, comma, most, upTo, suffix] = match;
    if (suffix === "+") refuse(`the possessive quantifier ${source}`);
    const known = { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] }[source.charAt(0)];
    const min = known?.[0] ?? Number(least ?? 0);
    const max =
      known?.[1] ?? (upTo !== undefined ? Number(upTo) : comma === undefined ? min : most ? Number(most) : Infinity);
    return { kind: "repeat", of, source: upTo === undefined ? source : source.replace("{,", "{0,"), min, max };
  }

  #group(): RegexNode {
    const start = this.#at;
    const named = this.#take(/\(\?P=(\w+)\)/y);
    if (named !== null) return this.#reference(named[1] as string, `\\k<${named[1]}>`);
    const match = this.#take(/\((?:\?(?::|=|!|<=|<!|P?<\w+>|'\w+'|[ims]*(?:-[ims]+)?:))?/y);
    const written = match?.[0] ?? "(";
    if (written === "(" && /[?*]/.test(this.#text.charAt(this.#at))) {
      refuse(`the group ${this.#text.slice(start, start + 4)}…`);
    }
    const open = written.replace(/^\(\?P</, "(?<").replace(/^\(\?'(\w+)'/, "(?<$1>");
    const name = /^\(\?<(\w+)>$/.exec(open)?.[1];
    if (open === "(" || name !== undefined) this.#groups++;
    if (name !== undefined) this.#names.add(name);
    if (++this.#all > MAX_GROUPS) throw new Error(`the pattern has more than ${MAX_GROUPS} groups`);
    if (++this.#depth > MAX_DEPTH) throw new Error(`groups of the pattern are nested deeper than ${MAX_DEPTH}`);
    const branches = this.branches();
    this.#depth--;
    if (this.#text[this.#at] !== ")") throw new Error(`missing closing parenthesis for offset ${start}`);
    this.#at += 1;
    return { kind: "group", open, branches };
  }

  #reference(name: string, source: string): RegexNode {
    this.#references.push(name);
    return { kind: "reference", source };
  }

  #escape(): RegexNode {
    const hex = this.#take(/\\x\{([0-9a-fA-F]{1,4})\}/y);
    if (hex !== null) return { kind: "character", source: `\\u${(hex[1] as string).padStart(4, "0")}` };
    const reference = this.#take(/\\(?:([1-9]\d?)|k<(\w+)>)/y);
    if (reference !== null) return this.#reference((reference[1] ?? reference[2]) as string, reference[0]);
    const match = this.#take(/\\(x[0-9a-fA-F]{2}|[^])/y);
    if (match === null) throw new Error("\\ at the end of the pattern");
    const name = match[1] as string;
    const assertion = assertions[name];
    if (assertion !== undefined) return { kind: "assertion", source: assertion };
    return { kind: "character", source: respelled[name] ?? portableEscape(name) };
  }

  #characterClass(): string {
    const start = this.#at;
    // A `]` that comes first is a member of the class.
    let source = (this.#take(/\[\^?\]?/y) as RegExpExecArray)[0].replace(/\]$/, "\\]");
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === "]") {
        this.#at += 1;
        return `${source}]`;
      }
      const named = this.#take(/\[:(\^?\w+):\]/y);
      const escaped = named === null ? this.#take(/\\(x[0-9a-fA-F]{2}|[^])/y) : null;
      if (named !== null) source += posix[named[1] as string] ?? refuse(`the class ${named[0]}`);
      else if (escaped !== null) source += classEscape(escaped[1] as string);
      else {
        const member = this.#text.charAt(this.#at);
        this.#at += 1;
        source += member === "[" || member === "/" ? `\\${member}` : member;
      }
    }
    throw new Error(`missing terminating ] for character class at offset ${start}`);
  }
}

/** Escapes that mean the same in both, and escaped punctuation. */
function portableEscape(name: string): string {
  if (/^(?:x..|[dDsSwWtnrfv0]|[^0-9A-Za-z])$/.test(name)) return `\\${name}`;
  return refuse(`the escape \\${name}`);
}

function classEscape(name: string): string {
  if (name === "b") return "\\x08";
  if (name === "h") return "\\t\\x20\\xa0";
  return name === "a" || name === "e" ? (respelled[name] as string) : portableEscape(name);
}

/** The JavaScript spelling of parsed branches. */
export function writeBranches(branches: readonly (readonly RegexNode[])[]): string {
  return branches.map((branch) => branch.map(writeNode).join("")).join("|");
}

function writeNode(node: RegexNode): string {
  if (node.kind === "group") return `${node.open}${writeBranches(node.branches)})`;
  if (node.kind === "repeat") return `${writeNode(node.of)}${node.source}`;
  return node.source;
}
