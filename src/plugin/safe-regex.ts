import { parsePcre, writeBranches } from "./pcre.ts";
import type { RegexNode } from "./pcre.ts";
import { isAmbiguous, type CharacterSet } from "./regex-ambiguity.ts";

/**
 * Regular expressions that people write into configurations, for JavaScript's
 * engine, which backtracks without a limit: `(a+)+$` on thirty characters holds a
 * worker for minutes. A pattern is therefore refused, with the reason, where a
 * repeated group could match the same text in more than one way:
 *
 * - a group that may occur more than once must not hold another variable
 *   repetition, unless each round begins or ends with a character that the
 *   repetition cannot match: `(/[^/]+)*` and `(\w+\.)+` are fine;
 * - its alternatives must differ in their first character: `(foo|bar)*` is fine;
 * - unless all of its rounds together have few ways (`((25[0-5]|1?\d?\d)\.){3}`), or a
 *   closer look shows that every text has one way: `([a-z]+(-[a-z]+)*\.)+` is fine.
 *
 * What is left grows at worst with a power of the length (`.*.*x`), so callers
 * bound the length of what they match (`MAX_SUBJECT`).
 */

/** Characters that a pattern is matched with at most, where clients choose the text. */
export const MAX_SUBJECT = 8192;

/** nginx's `ngx.re` options to JavaScript's flags; `""`: without effect here. */
const optionFlags: Readonly<Record<string, string>> = {
  a: "y",
  i: "i",
  j: "",
  J: "",
  m: "m",
  o: "",
  s: "s",
  u: "u",
  U: "u",
};

/**
 * Compiles a PCRE pattern. `options` are those of `ngx.re` (`jo`, `i`, `s`, …).
 * Throws an Error with the reason: a syntax error, something JavaScript cannot
 * express, or a cost without bound.
 */
export function compileSafeRegex(pattern: string, options = ""): RegExp {
  const parsed = parsePcre(pattern);
  const flags = new Set(parsed.flags);
  for (const option of options) {
    const flag = optionFlags[option];
    if (flag === undefined) throw new Error(`the option ${option} is not supported`);
    if (flag !== "") flags.add(flag);
  }
  const given = [...flags].join("");
  const regex = new RegExp(writeBranches(parsed.branches), given);
  checkBranches(parsed.branches, given);
  return regex;
}

type Branch = readonly RegexNode[];

function checkBranches(branches: readonly Branch[], flags: string): void {
  for (const node of branches.flat()) {
    const inner = node.kind === "repeat" ? node.of : node;
    if (inner.kind !== "group") continue;
    const within = flagsWithin(inner.open, flags);
    if (node.kind === "repeat" && node.max > 1 && waysOf(node) > FEW_WAYS) {
      const fault = roundsFault(inner.branches, within);
      if (fault !== null && isAmbiguous(inner, (source) => bytesOf(source, flags))) {
        throw new Error(`the pattern may take time without bound: ${fault}`);
      }
    }
    checkBranches(inner.branches, within);
  }
}

/** The flags that hold within a group: `(?i-s:` sets some and takes some away. */
function flagsWithin(open: string, flags: string): string {
  const [, set = "", unset = ""] = /^\(\?([ims]*)(?:-([ims]+))?:$/.exec(open) ?? [];
  return [...new Set(flags + set)].filter((flag) => !unset.includes(flag)).join("");
}

/** Ways to match a repeated group that need no closer look. */
const FEW_WAYS = 1_000;

/** In how many ways a node can match at one place, at most. */
function waysOf(node: RegexNode): number {
  if (node.kind === "reference") return Infinity;
  if (node.kind === "group") {
    const ways = node.branches.map((branch) => branch.reduce((product, part) => product * waysOf(part), 1));
    return ways.reduce((sum, one) => sum + one, 0);
  }
  if (node.kind !== "repeat") return 1;
  if (node.max > FEW_WAYS) return Infinity;
  const once = waysOf(node.of);
  let ways = 0;
  for (let rounds = node.min; rounds <= node.max; rounds++) ways += once ** rounds;
  return ways;
}

/** Why a round of a repeated group may not be the only way to match its text, at a glance; `null`: it is. */
function roundsFault(branches: readonly Branch[], flags: string): string | null {
  const seen = new Uint8Array(CHARACTERS);
  for (const branch of branches) {
    const variable = branch.filter(isVariable);
    if (variable.length > 0 && !isDelimited(branch, flags)) {
      return "a repetition within a repeated group";
    }
    if (branches.length === 1) continue;
    const first = firstOf(branch, flags);
    if (first === null || first.some((member, byte) => member === 1 && seen[byte] === 1)) {
      return "alternatives of a repeated group that begin alike";
    }
    first.forEach((member, byte) => (seen[byte] = (seen[byte] as number) | member));
  }
  return null;
}

/** Whether a node may match texts of different length, or something unknown. */
function isVariable(node: RegexNode): boolean {
  if (node.kind === "repeat") return node.min !== node.max || isVariable(node.of);
  if (node.kind === "group") return node.branches.length > 1 || node.branches.some((branch) => branch.some(isVariable));
  return node.kind === "reference";
}

/** One variable repetition of a single character, set off by a fixed character that it cannot match. */
function isDelimited(branch: Branch, flags: string): boolean {
  const variable = branch.filter(isVariable);
  const repeat = variable[0];
  if (variable.length !== 1 || repeat?.kind !== "repeat" || repeat.of.kind !== "character") return false;
  const inside = bytesOf(repeat.of.source, flags);
  return [branch[0], branch.at(-1)].some((edge) => {
    if (edge?.kind !== "character") return false;
    const delimiter = bytesOf(edge.source, flags);
    return !inside.some((member, byte) => member === 1 && delimiter[byte] === 1);
  });
}

/** The bytes that a branch may begin with; `null` where that cannot be told. */
function firstOf(branch: Branch, flags: string): CharacterSet | null {
  const node = branch.find((part) => part.kind !== "assertion");
  if (node === undefined || node.kind === "reference") return null;
  if (node.kind === "character") return bytesOf(node.source, flags);
  if (node.kind === "repeat") return node.min === 0 ? null : firstOf([node.of], flags);
  if (node.kind !== "group" || !/^\((?:\?:|\?<\w+>)?$/.test(node.open)) return null;
  const union = new Uint8Array(CHARACTERS);
  for (const inner of node.branches) {
    const first = firstOf(inner, flags);
    if (first === null) return null;
    first.forEach((member, byte) => (union[byte] = (union[byte] as number) | member));
  }
  return union;
}

/** Bytes, and one character for all beyond them. */
const CHARACTERS = 257;
const BEYOND = "你";

/** What a single-character piece matches. */
function bytesOf(source: string, flags: string): CharacterSet {
  const regex = new RegExp(`^(?:${source})`, flags.replace("y", ""));
  return Uint8Array.from({ length: CHARACTERS }, (_, byte) =>
    regex.test(byte < 256 ? String.fromCharCode(byte) : BEYOND) ? 1 : 0,
  );
}
