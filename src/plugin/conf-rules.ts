import { isIP } from "node:net";
import { parsePcre } from "./pcre.ts";
import { reasonOf } from "../lib/errors.ts";
import { expressionFault } from "../schema/expression-syntax.ts";

/** What several plugins demand beyond their schemas, in APISIX's words. */

/** Rules of PCRE's syntax that a pattern can break, and how PCRE names them. */
const pcreFaults: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^missing terminating \]/, "missing terminating ] for character class"],
  [/^missing closing parenthesis/, "missing closing parenthesis"],
  [/^unmatched closing parenthesis/, "unmatched closing parenthesis"],
  [/^quantifier without anything to repeat/, "quantifier does not follow a repeatable item"],
  [/^\\ at the end/, "\\ at end of pattern"],
];

/**
 * Why PCRE refuses a pattern; `null` where it takes it, also where this gateway
 * cannot run it.
 */
export function pcreFault(pattern: string): string | null {
  try {
    parsePcre(pattern);
    return null;
  } catch (error) {
    const reason = reasonOf(error);
    const known = pcreFaults.find(([ours]) => ours.test(reason))?.[1];
    return known === undefined ? null : `pcre2_compile() failed: ${known} in "${pattern}"`;
  }
}

/** The fault of the first pattern that has one. */
export function pcreFaultIn(patterns: unknown): string | null {
  for (const pattern of (patterns ?? []) as readonly string[]) {
    const fault = pcreFault(pattern);
    if (fault !== null) return fault;
  }
  return null;
}

/** The fault of an expression that stands in `name`. */
export function expressionFaultIn(name: string, rules: unknown): string | null {
  const reason = rules === undefined ? null : expressionFault(rules as readonly unknown[]);
  return reason === null ? null : `failed to validate the '${name}' expression: ${reason}`;
}

/** The first of several addresses and CIDRs that is none, as in `::/129`. */
export function addressFaultIn(addresses: unknown): string | null {
  for (const address of (addresses ?? []) as readonly string[]) {
    const [ip = "", bits] = address.split("/");
    const family = isIP(ip);
    if (family === 0 || (bits !== undefined && Number(bits) > (family === 4 ? 32 : 128))) {
      return `invalid ip address: ${address}`;
    }
  }
  return null;
}

/** The first reason of several checks. */
export function firstOf(...reasons: readonly (string | null)[]): string | null {
  return reasons.find((reason) => reason !== null) ?? null;
}
