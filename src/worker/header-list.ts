import { isFieldValue, isToken } from "../lib/http-grammar.ts";

/** Names as plugins write them, which are few, and the same in lower case. */
const lowerNames = new Map<string, string>();
const MAX_NAMES = 1_024;

/** A header's name in lower case. */
export function lowerCase(name: string): string {
  let lower = lowerNames.get(name);
  if (lower === undefined) {
    lower = name.toLowerCase();
    // Names of clients and nodes come by here too: they must not pile up.
    if (lowerNames.size >= MAX_NAMES) lowerNames.clear();
    lowerNames.set(name, lower);
  }
  return lower;
}

/** Names that were checked: plugins write the same few again and again. */
const fieldNames = new Map<string, string>();

/** The name of a field in lower case; throws where it is none. */
function fieldName(name: string): string {
  const known = fieldNames.get(name);
  if (known !== undefined) return known;
  if (!isToken(name)) throw new Error(`invalid header name ${JSON.stringify(name)}`);
  if (fieldNames.size >= MAX_NAMES) fieldNames.clear();
  const lower = lowerCase(name);
  fieldNames.set(name, lower);
  return lower;
}

/** Two values of one header as one; `undefined`: there is none. */
export function joinValues(first: string | undefined, second: string | undefined): string | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return `${first}, ${second}`;
}

/** Headers that can be edited: order, case and repetitions are kept. */
export class HeaderList {
  /** Name as written, name in lower case, value; three entries per header. */
  readonly #cells: string[] = [];

  /** Adds a header that is known to be well-formed. */
  push(name: string, value: string): void {
    this.#cells.push(name, lowerCase(name), value);
  }

  /** The value by lower-case name; several are joined with `, `. */
  get(lower: string): string | undefined {
    const cells = this.#cells;
    let value: string | undefined;
    for (let i = 0; i < cells.length; i += 3) {
      if (cells[i + 1] === lower) value = joinValues(value, cells[i + 2]);
    }
    return value;
  }

  /** Replaces every header of that name, in the place of the first, or adds it. */
  set(name: string, value: string): void {
    const lower = fieldName(name);
    checkValue(name, value);
    const cells = this.#cells;
    let first = -1;
    for (let i = 0; i < cells.length; i += 3) {
      if (cells[i + 1] !== lower) continue;
      if (first < 0) first = i;
      else {
        cells.splice(i, 3);
        i -= 3;
      }
    }
    if (first < 0) cells.push(name, lower, value);
    else cells.splice(first, 3, name, lower, value);
  }

  add(name: string, value: string): void {
    const lower = fieldName(name);
    checkValue(name, value);
    this.#cells.push(name, lower, value);
  }

  remove(name: string): void {
    const lower = lowerCase(name);
    const cells = this.#cells;
    for (let i = cells.length - 3; i >= 0; i -= 3) if (cells[i + 1] === lower) cells.splice(i, 3);
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.#cells.length; i += 3) visit(this.#cells[i]!, this.#cells[i + 2]!);
  }

  /** Every header as a line with CRLF, without those for which `skip` says so. */
  lines(skip: (lower: string) => boolean): string {
    const cells = this.#cells;
    let text = "";
    for (let i = 0; i < cells.length; i += 3) {
      if (!skip(cells[i + 1]!)) text += `${cells[i]}: ${cells[i + 2]}\r\n`;
    }
    return text;
  }
}

/** Plugins must not be able to end a line: throws where name or value is no field. */
export function checkField(name: string, value: string): void {
  fieldName(name);
  checkValue(name, value);
}

function checkValue(name: string, value: string): void {
  if (!isFieldValue(value)) throw new Error(`invalid value of header ${name}`);
}
