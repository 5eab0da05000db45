import { equalsIgnoringCase, withoutBlanks } from "./http-grammar.ts";

/** Looking into the header lines of a head that was accepted by its parser. */

/** Calls for each header line of a head that was accepted; white space around values is left out. */
export function forEachField(text: string, start: number, visit: (name: string, value: string) => void): void {
  let at = start;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    visit(text.slice(at, colon), withoutBlanks(text.slice(colon + 1, end)));
    at = end + 2;
  }
}

/** The field lines of a head, for `fieldOf`. */
export interface FieldLines {
  readonly text: string;
  /** Where the first line begins. */
  readonly fieldsStart: number;
  /** The `nameBit` of each field that is there. */
  readonly names: number;
}

/** One bit of 32 for a name of that length and first character, whatever its case: most names that differ have another. */
export function nameBit(length: number, first: number): number {
  return 1 << ((length + 3 * (first | 0x20)) & 31);
}

/** As `findField`; most fields that are not there are told from one number, without looking through the lines. */
export function fieldOf(head: FieldLines, lower: string, underscores: boolean): string | undefined {
  if ((head.names & nameBit(lower.length, lower.charCodeAt(0))) === 0) return undefined;
  return findField(head.text, head.fieldsStart, lower, underscores);
}

/** The value of a field by lower-case name; several are joined with `, `, cookies with `; ` (RFC 9113 section 8.2.3). */
export function findField(text: string, start: number, lower: string, underscores: boolean): string | undefined {
  if (!underscores && lower.includes("_")) return undefined;
  let value: string | undefined;
  let at = start;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at);
    if (text.charCodeAt(at + lower.length) === 0x3a && sameName(text, at, lower)) {
      const here = withoutBlanks(text.slice(at + lower.length + 1, end));
      if (value === undefined) value = here;
      else value += (lower === "cookie" ? "; " : ", ") + here;
    }
    at = end + 2;
  }
  return value;
}

/** Underscores and other rare token characters have no case; `equalsIgnoringCase` knows letters, digits, hyphens. */
function sameName(text: string, at: number, lower: string): boolean {
  return equalsIgnoringCase(text, at, lower) || text.slice(at, at + lower.length).toLowerCase() === lower;
}
