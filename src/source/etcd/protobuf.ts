import protobuf from "protobufjs/minimal.js";

/**
 * Messages declared in the shape that the code uses: the library's own reflection knows no
 * bigint beside numbers, nor an absent message as `null`. What is not declared is skipped.
 */

/** `int`: int64 below 2^53 as a number; `long`: 64 bits as an unsigned bigint. */
type ScalarType = "int" | "long" | "bool" | "string" | "bytes";

/** A field: its number, its type, and whether it is repeated. */
type Field = readonly [number: number, type: ScalarType | MessageType<object>, repeated?: "repeated"];

/** How a message is written and read. */
export interface MessageType<T extends object> {
  /** Fields that are left out, and those with their default, are not written. */
  encode(value: Partial<T>): Buffer;
  /** Absent fields have their default, absent messages `null`; throws where the bytes are no message. */
  decode(bytes: Buffer): T;
}

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

/** Declares a message by the fields of `T`. */
export function defineMessage<T extends object>(fields: { readonly [K in keyof T]-?: Field }): MessageType<T> {
  const table = Object.entries<Field>(fields);
  const byNumber = new Map(table.map(([name, field]) => [field[0], { name, field }]));
  return {
    encode(value) {
      const writer = protobuf.Writer.create();
      for (const [name, field] of table) {
        const content = (value as Readonly<Record<string, unknown>>)[name];
        if (content === undefined || content === null) continue;
        if (field[2] !== undefined) for (const item of content as readonly unknown[]) write(writer, field, item);
        else if (!isDefault(content)) write(writer, field, content);
      }
      return writer.finish() as Buffer;
    },
    decode(bytes) {
      const result: Record<string, unknown> = {};
      for (const [name, field] of table) result[name] = defaultOf(field);
      const reader = protobuf.Reader.create(bytes);
      while (reader.pos < reader.len) {
        const tag = reader.uint32();
        const known = byNumber.get(tag >>> 3);
        if (known === undefined) {
          reader.skipType(tag & 7);
          continue;
        }
        const { name, field } = known;
        const content = read(reader, field, tag & 7);
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

/** An empty message is none: it says which one of several it is. */
function isDefault(content: unknown): boolean {
  return Buffer.isBuffer(content) ? content.length === 0 : !content;
}

function write(writer: protobuf.Writer, [number, type]: Field, content: unknown): void {
  writer.uint32((number << 3) | wireOf(type));
  if (typeof type === "object") writer.bytes(type.encode(content as object));
  else if (type === "string") writer.string(content as string);
  else if (type === "bytes") writer.bytes(content as Buffer);
  else if (type === "bool") writer.bool(content as boolean);
  else writer.uint64(type === "long" ? String(content) : (content as number));
}

function read(reader: protobuf.Reader, [number, type]: Field, wire: number): unknown {
  if (wire !== wireOf(type)) throw new RangeError(`wire type ${wire} for field ${number}`);
  if (typeof type === "object") return type.decode(reader.bytes() as Buffer);
  if (type === "string") return reader.string();
  if (type === "bytes") return reader.bytes();
  if (type === "bool") return reader.bool();
  const { high, low } = reader.uint64();
  if (type === "long") return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return (high >>> 0) * 2 ** 32 + (low >>> 0);
}

function wireOf(type: Field[1]): number {
  return typeof type === "object" || type === "string" || type === "bytes" ? WIRE_BYTES : WIRE_VARINT;
}
