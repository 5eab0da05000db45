/**
 * Protocol buffers (proto3) as far as etcd's messages need them: integers, booleans,
 * texts, bytes and messages, single or repeated. Fields that are not declared are skipped.
 */

/** `int`: int64 below 2^53 as a number; `long`: 64 bits as an unsigned bigint. */
type ScalarType = "int" | "long" | "bool" | "string" | "bytes";

/** A field: its number, its type, and whether it is repeated. */
type Field = readonly [number: number, type: ScalarType | MessageType<object>, repeated?: "repeated"];

/** How a message is written and read. */
export interface MessageType<T extends object> {
  /** Fields that are left out, and those with their default, are not written. */
  encode(value: Partial<T>): Buffer;
  /** Absent fields have their default, absent messages `null`; throws RangeError where the bytes are no message. */
  decode(bytes: Buffer): T;
}

const WIRE_VARINT = 0;
const WIRE_64 = 1;
const WIRE_BYTES = 2;
const WIRE_32 = 5;

/** Declares a message by the fields of `T`. */
export function defineMessage<T extends object>(fields: { readonly [K in keyof T]-?: Field }): MessageType<T> {
  const table = Object.entries<Field>(fields);
  const byNumber = new Map(table.map(([name, field]) => [field[0], { name, field }]));
  return {
    encode(value) {
      const parts: Buffer[] = [];
      for (const [name, field] of table) {
        const content = (value as Readonly<Record<string, unknown>>)[name];
        if (content === undefined || content === null) continue;
        if (field[2] === undefined) writeField(parts, field, content);
        else for (const item of content as readonly unknown[]) writeField(parts, field, item, true);
      }
      return Buffer.concat(parts);
    },
    decode(bytes) {
      const result: Record<string, unknown> = {};
      for (const [name, field] of table) result[name] = defaultOf(field);
      const reader = new Reader(bytes);
      while (!reader.done) {
        const tag = reader.varint();
        const known = byNumber.get(tag >>> 3);
        if (known === undefined) {
          reader.skip(tag & 7);
          continue;
        }
        const { name, field } = known;
        const content = readField(reader, field, tag & 7);
        if (field[2] === undefined) result[name] = content;
        else (result[name] as unknown[]).push(content);
      }
      return result as T;
    },
  };
}

function defaultOf([, type, repeated]: Field): unknown {
  if (repeated !== undefined) return [];
  if (typeof type === "object") return null;
  return { int: 0, long: 0n, bool: false, string: "", bytes: empty }[type];
}

const empty = Buffer.alloc(0);

function writeField(parts: Buffer[], [number, type]: Field, content: unknown, always = false): void {
  if (typeof type === "object" || type === "string" || type === "bytes") {
    const bytes =
      typeof type === "object"
        ? type.encode(content as object)
        : type === "string"
          ? Buffer.from(content as string)
          : (content as Buffer);
    // An empty message says which one of several it is; an empty text says nothing.
    if (bytes.length === 0 && !always && typeof type !== "object") return;
    parts.push(varint((number << 3) | WIRE_BYTES), varint(bytes.length), bytes);
    return;
  }
  const integer = type === "bool" ? (content === true ? 1 : 0) : (content as number | bigint);
  if (!always && (integer === 0 || integer === 0n)) return;
  parts.push(varint(number << 3), varint(integer));
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function readField(reader: Reader, [, type]: Field, wire: number): unknown {
  if (typeof type === "object" || type === "string" || type === "bytes") {
    if (wire !== WIRE_BYTES) throw new RangeError(`wire type ${wire} for a field of bytes`);
    const bytes = reader.bytes();
    if (typeof type === "object") return type.decode(bytes);
    return type === "string" ? bytes.toString() : bytes;
  }
  if (wire !== WIRE_VARINT) throw new RangeError(`wire type ${wire} for an integer field`);
  if (type === "long") return reader.long();
  const value = reader.varint();
  return type === "bool" ? value !== 0 : value;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Inexact from 2^53 on. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#next();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw new RangeError("an integer of more than 10 bytes");
  }

  long(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#next();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new RangeError("an integer of more than 10 bytes");
  }

  bytes(): Buffer {
    const length = this.varint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a field goes beyond its message");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  skip(wire: number): void {
    if (wire === WIRE_VARINT) this.varint();
    else if (wire === WIRE_BYTES) this.bytes();
    else if (wire === WIRE_64) this.#at += 8;
    else if (wire === WIRE_32) this.#at += 4;
    else throw new RangeError(`unknown wire type ${wire}`);
    if (this.#at > this.#bytes.length) throw new RangeError("a field goes beyond its message");
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("an integer goes beyond its message");
    return byte;
  }
}
