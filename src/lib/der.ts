/**
 * A strict reader of DER (X.690): definite lengths in their shortest form, nothing left over. It
 * reads what OCSP needs and no more.
 */

/** Tags as they stand in the first byte. */
export const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The tag `[number]` of a value with parts (`constructed`), or of one without. */
export const contextTag = (number: number, constructed = true): number => (constructed ? 0xa0 : 0x80) | number;

/** One value. */
export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly raw: Buffer;
}

/** Walks over the values in a piece of DER; whatever is not as expected is thrown as a text of one line. */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next value; -1 at the end. */
  get tag(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  /** The next value, which must have the tag where one is given. */
  next(expected?: number): DerValue {
    const start = this.#at;
    const tag = this.tag;
    if (tag === -1) throw new Error("malformed DER: a value is missing");
    // Tags of more than one byte occur nowhere here.
    if ((tag & 0x1f) === 0x1f || (expected !== undefined && tag !== expected)) {
      throw new Error(`malformed DER: tag 0x${tag.toString(16)} where another one belongs`);
    }
    this.#at++;
    const length = this.#length();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error("malformed DER: a value is longer than what holds it");
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content, raw: this.#bytes.subarray(start, end) };
  }

  /** Goes into the next value. */
  into(expected: number): DerReader {
    return new DerReader(this.next(expected).content);
  }

  /** The next value if it has the tag, otherwise `null`. */
  optional(tag: number): DerValue | null {
    return this.tag === tag ? this.next(tag) : null;
  }

  /** Nothing may be left. */
  end(): void {
    if (!this.done) throw new Error("malformed DER: something follows the last value");
  }

  #length(): number {
    const first = this.#bytes[this.#at++];
    if (first === undefined) throw new Error("malformed DER: a length is missing");
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size === 0 || size > 4 || this.#at + size > this.#bytes.length) throw new Error("malformed DER: a length");
    const length = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw new Error("malformed DER: a length is not the shortest");
    return length;
  }
}

/** A value of parts that are DER already. */
export function derOf(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
  const head = Buffer.alloc(2 + size);
  head[0] = tag;
  head[1] = 0x80 | size;
  head.writeUIntBE(length, 2, size);
  return Buffer.concat([head, content]);
}

/** An object identifier in its usual form. */
export function oidText({ content }: DerValue): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    if (parts.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      parts.push(first, value - first * 40);
    } else parts.push(value);
    value = 0;
  }
  return parts.join(".");
}

/** `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5.2) as Unix milliseconds. */
export function timeOf({ content }: DerValue): number {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(content.toString("latin1"));
  if (match === null) throw new Error("malformed DER: a time");
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}
