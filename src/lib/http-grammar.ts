/** The character classes of RFC 9110, section 5.6, as tables over latin1 code units. */

/** `tchar`: 1 where the code may stand in a token (names of fields, methods). */
export const tokenChar = table("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/** What a field value may hold: HTAB, SP, VCHAR and obs-text; no other control, no DEL. */
export const fieldChar = range((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f));

/** What a request target may hold: VCHAR and bytes of raw UTF-8, but no `#`. */
export const targetChar = range((code) => code > 0x20 && code !== 0x7f && code !== 0x23);

const HTAB = 0x09;
const SPACE = 0x20;

function table(chars: string): Uint8Array {
  return range((code) => chars.includes(String.fromCharCode(code)));
}

function range(test: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (test(code) ? 1 : 0));
}

/** Whether `name` may be the name of a field. */
export function isToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (tokenChar[name.charCodeAt(i)] !== 1) return false;
  return name.length > 0;
}

/** Whether `value` may be the value of a field: above all it cannot end its line. */
export function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (fieldChar[value.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Whether the code is optional white space (OWS). */
export function isBlank(code: number): boolean {
  return code === SPACE || code === HTAB;
}

/**
 * The text without the white space around it (OWS). `trim` takes more: the byte 0xA0 too,
 * with which the UTF-8 of letters such as `à` ends.
 */
export function withoutBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return from === 0 && to === text.length ? text : text.slice(from, to);
}

/**
 * Whether `text` holds `lower` at `at`, in any case of letters. `lower` consists of
 * lower-case letters, digits and hyphens, `text` of token characters there.
 */
export function equalsIgnoringCase(text: string, at: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    if ((text.charCodeAt(at + i) | 0x20) !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Splits a comma-separated list of tokens, in lower case, empty elements left out
 * (RFC 9110, section 5.6.1).
 */
export function listElements(value: string): string[] {
  return value
    .toLowerCase()
    .split(",")
    .map(withoutBlanks)
    .filter((element) => element !== "");
}

/**
 * Whether a tab is among the blanks around the value `from … to` of a line; `at` is where
 * its colon stands. Readers that know no blank but SP would see another value.
 */
export function tabAround(text: string, at: number, from: number, to: number): boolean {
  for (let i = at + 1; i < from; i++) if (text.charCodeAt(i) === HTAB) return true;
  for (let i = to; isBlank(text.charCodeAt(i)); i++) if (text.charCodeAt(i) === HTAB) return true;
  return false;
}

/**
 * Reads a Content-Length: digits only (RFC 9110, section 8.6). -1 for anything else:
 * a sign, a list, white space, more digits than a number holds exactly.
 */
export function parseContentLength(text: string): number {
  if (text.length === 0 || text.length > 15) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}
