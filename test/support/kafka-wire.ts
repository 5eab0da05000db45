/** Reading and writing what Kafka's protocol is made of (https://kafka.apache.org/protocol). */

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8 = (): number => this.#bytes.readInt8(this.#skip(1));
  int16 = (): number => this.#bytes.readInt16BE(this.#skip(2));
  int32 = (): number => this.#bytes.readInt32BE(this.#skip(4));
  uint32 = (): number => this.#bytes.readUInt32BE(this.#skip(4));
  int64 = (): bigint => this.#bytes.readBigInt64BE(this.#skip(8));

  string(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.take(length).toString("utf8");
  }

  bytes(): Buffer {
    return this.take(this.int32());
  }

  array<T>(item: () => T): T[] {
    return Array.from({ length: this.int32() }, item);
  }

  /** A signed number in zigzag coding. */
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#skip(1));
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return (value >>> 1) ^ -(value & 1);
    }
  }

  varbytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.take(length);
  }

  take(length: number): Buffer {
    const from = this.#skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  #skip(length: number): number {
    const from = this.#at;
    this.#at += length;
    return from;
  }
}

const number =
  (size: number, write: (buffer: Buffer, value: number) => void) =>
  (value: number): Buffer => {
    const buffer = Buffer.alloc(size);
    write(buffer, value);
    return buffer;
  };

export const int8 = number(1, (buffer, value) => buffer.writeInt8(value));
export const int16 = number(2, (buffer, value) => buffer.writeInt16BE(value));
export const int32 = number(4, (buffer, value) => buffer.writeInt32BE(value));
export const int64 = number(8, (buffer, value) => buffer.writeBigInt64BE(BigInt(value)));
export const string = (value: string | null): Buffer =>
  value === null ? int16(-1) : Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
export const bytes = (value: Buffer): Buffer => Buffer.concat([int32(value.length), value]);
export const array = (items: readonly Buffer[]): Buffer => Buffer.concat([int32(items.length), ...items]);

/** A message as a producer sent it. */
export interface KafkaMessage {
  readonly key: string | null;
  readonly value: string;
  /** Unix milliseconds. */
  readonly timestamp: number;
}

/** The records of a batch of version 2; throws where it is none or its checksum is wrong. */
export function readBatch(batch: Buffer): KafkaMessage[] {
  const reader = new WireReader(batch);
  reader.int64();
  const length = reader.int32();
  if (length !== reader.rest().length) throw new Error(`a batch of ${length} bytes in ${reader.rest().length}`);
  reader.int32();
  const magic = reader.int8();
  if (magic !== 2) throw new Error(`magic ${magic}`);
  const crc = reader.uint32();
  if (crc !== crc32c(reader.rest())) throw new Error("wrong checksum");
  const attributes = reader.int16();
  if ((attributes & 7) !== 0) throw new Error("compressed");
  reader.int32();
  const first = Number(reader.int64());
  reader.take(8 + 8 + 2 + 4);
  return reader.array(() => {
    reader.varint();
    reader.int8();
    const timestamp = first + reader.varint();
    reader.varint();
    const key = reader.varbytes()?.toString("utf8") ?? null;
    const value = reader.varbytes()?.toString("utf8") ?? "";
    if (reader.varint() !== 0) throw new Error("headers");
    return { key, value, timestamp };
  });
}

/** CRC-32C (Castagnoli). */
function crc32c(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
