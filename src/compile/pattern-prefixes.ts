import { isPlainGroup, parsePcre, type ParsedRegex, type RegexNode } from "../plugin/pcre.ts";

/** Characters that are told apart, and texts of one pattern. */
const MAX_LENGTH = 64;
const MAX_TEXTS = 32;

/** How something can begin; `ended`: what it goes on with is not known. */
interface Beginnings {
  readonly texts: readonly string[];
  readonly ended: boolean;
}

const UNKNOWN: Beginnings = { texts: [""], ended: true };

/** How matches of a pattern begin. */
export interface Prefixes {
  /** Of one length. */
  readonly texts: readonly string[];
  /** They are small letters, and matches may have others. */
  readonly caseless: boolean;
}

/**
 * The texts of one length, as long as possible, with one of which every match of a PCRE pattern
 * begins, as `tenant-a` and `tenant-b` for `^tenant-(a|b)\d`. `null` where they are many, and
 * where a match may begin anywhere. `caseless`: letters are taken for each other, as by `(?i)`.
 */
export function prefixesOf(pattern: string, caseless = false): Prefixes | null {
  const parsed = parse(pattern);
  if (parsed === null || !parsed.branches.every(([first]) => isStart(first))) return null;
  const { texts } = choice(parsed.branches.map((branch) => sequence(branch.slice(1))));
  const length = Math.min(MAX_LENGTH, ...texts.map((text) => text.length));
  if (length === 0) return null;
  const anyCase = caseless || parsed.flags.includes("i");
  const cut = texts.map((text) => (anyCase ? text.toLowerCase() : text).slice(0, length));
  return { texts: [...new Set(cut)], caseless: anyCase };
}

/** `null`: it cannot be read, which whoever compiles the condition says, or `^` is more than the beginning. */
function parse(pattern: string): ParsedRegex | null {
  try {
    const parsed = parsePcre(pattern);
    return parsed.flags.includes("m") ? null : parsed;
  } catch {
    return null;
  }
}

function isStart(node: RegexNode | undefined): boolean {
  return node?.kind === "assertion" && node.source === "^";
}

function sequence(nodes: readonly RegexNode[]): Beginnings {
  let texts: readonly string[] = [""];
  for (const node of nodes) {
    const next = beginningsOf(node);
    const longer = texts.flatMap((text) => next.texts.map((more) => text + more));
    if (longer.length > MAX_TEXTS) return { texts, ended: true };
    texts = longer;
    if (next.ended) return { texts, ended: true };
  }
  return { texts, ended: false };
}

function choice(branches: readonly Beginnings[]): Beginnings {
  const texts = branches.flatMap((branch) => branch.texts);
  return texts.length > MAX_TEXTS ? UNKNOWN : { texts, ended: branches.some(({ ended }) => ended) };
}

function beginningsOf(node: RegexNode): Beginnings {
  if (node.kind === "character") {
    const character = literalOf(node.source);
    return character === null ? UNKNOWN : { texts: [character], ended: false };
  }
  return node.kind === "group" && isPlainGroup(node) ? choice(node.branches.map(sequence)) : UNKNOWN;
}

/** The one character of ASCII that a piece of a pattern stands for; `null`: it stands for several. */
function literalOf(source: string): string | null {
  if (/^[ -~]$/.test(source)) return source === "." ? null : source;
  return /^\\[ -/:-@[-`{-~]$/.test(source) ? source.charAt(1) : null;
}
