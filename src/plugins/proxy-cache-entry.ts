import { crc32 } from "node:zlib";

/**
 * An answer as a file: what is known of it, its body, and at the end the checksum of all
 * that and the length of the body. A file that is cut, or has become another one, is no
 * answer.
 */

/** What stands before the body. */
export interface EntryHead {
  readonly key: string;
  /** What tells it from the others of its key: the digest of what it varies by; `""`: nothing does. */
  readonly variant: string;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Unix milliseconds. */
  readonly storedAt: number;
  readonly ttlMs: number;
  /** Only a marker: the answers to this key vary by these request headers, in lower case. */
  readonly vary?: readonly string[];
  /** Of a marker: what the names of its variants are made with, so that they go when it does. */
  readonly group?: string;
}

const MAGIC = Buffer.from("TPCACHE1");
const MAX_HEAD_BYTES = 1_048_576;
/** Bytes at the end that the checksum does not cover. */
export const TAIL_BYTES = 12;

/** Everything before the body. */
export function encodeHead(head: EntryHead): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([MAGIC, length, text]);
}

/** What ends a file; `crc` is that of everything before. */
export function encodeTail(bodyLength: number, crc: number): Buffer {
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(crc, 0);
  tail.writeBigUInt64LE(BigInt(bodyLength), 4);
  return tail;
}

/** An entry without a body. */
export function encodeMarker(head: EntryHead): Buffer {
  const start = encodeHead(head);
  return Buffer.concat([start, encodeTail(0, crc32(start))]);
}

/** Reads a whole file; `crc` is that of everything but its tail. `null`: it is no entry, or not a whole one. */
export function decodeEntry(file: Buffer, crc: number): { readonly head: EntryHead; readonly body: Buffer } | null {
  const start = MAGIC.length + 4;
  const end = file.length - TAIL_BYTES;
  if (end < start || !file.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const length = file.readUInt32LE(MAGIC.length);
  if (length > MAX_HEAD_BYTES || start + length > end) return null;
  const body = file.subarray(start + length, end);
  if (file.readUInt32LE(end) !== crc || file.readBigUInt64LE(end + 4) !== BigInt(body.length)) return null;
  const head = headOf(file.toString("utf8", start, start + length));
  return head === null ? null : { head, body };
}

/** The checksum holds, so that it was written by a gateway; another version of it may have been another one. */
function headOf(text: string): EntryHead | null {
  try {
    const head = JSON.parse(text) as EntryHead;
    const { key, variant, status, headers, storedAt, ttlMs } = head;
    const texts = typeof key === "string" && typeof variant === "string" && Array.isArray(headers);
    return texts && [status, storedAt, ttlMs].every((value) => typeof value === "number") ? head : null;
  } catch {
    return null;
  }
}
