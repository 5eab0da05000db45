import { getRandomValues, randomUUID } from "node:crypto";

/** Parameters of `range_id`. */
export interface RangeId {
  readonly length: number;
  readonly char_set: string;
}

type Generator = (range: RangeId) => () => string;

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const pool = new Uint32Array(1024);
let next = pool.length;

/** 32 random bits of the system's generator, fetched a thousand at a time. */
function randomBits(): number {
  if (next === pool.length) {
    getRandomValues(pool);
    next = 0;
  }
  return pool[next++] as number;
}

/** `length` characters of `alphabet`; the bias of 32 bits over an alphabet is below one in ten million. */
function randomText(alphabet: string, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += alphabet.charAt(randomBits() % alphabet.length);
  return text;
}

const KSUID_EPOCH = 1_400_000_000;

/** KSUID: 32 bits of seconds since May 2014 and 128 random ones, 27 characters that sort by time. */
function ksuid(): string {
  let number = BigInt(Math.floor(Date.now() / 1000) - KSUID_EPOCH);
  for (let i = 0; i < 4; i++) number = (number << 32n) | BigInt(randomBits());
  let text = "";
  for (let i = 0; i < 27; i++) {
    text = BASE62.charAt(Number(number % 62n)) + text;
    number /= 62n;
  }
  return text;
}

let lastMs = 0;
let sequence = 0;

/**
 * UUID version 7 (RFC 9562 section 5.7): milliseconds, then a counter that starts
 * at random below half its range (section 6.2, method 1) and 62 random bits. Ids of a worker
 * only grow, also while the clock stands still or goes back.
 */
function uuidV7(): string {
  const now = Date.now();
  sequence += 1;
  if (now > lastMs || sequence > 0xfff) {
    lastMs = Math.max(now, lastMs + 1);
    sequence = randomBits() & 0x7ff;
  }
  const time = lastMs.toString(16).padStart(12, "0");
  const counter = sequence.toString(16).padStart(3, "0");
  const variant = ((randomBits() & 0x3fff) | 0x8000).toString(16);
  const tail = hex32() + hex32().slice(0, 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}-${tail}`;
}

const hex32 = (): string => randomBits().toString(16).padStart(8, "0");

/** How ids are made, by the name of the algorithm. */
export const idGenerators: Readonly<Record<"uuid" | "nanoid" | "range_id" | "ksuid" | "uuidv7", Generator>> = {
  uuid: () => randomUUID,
  uuidv7: () => uuidV7,
  nanoid: () => () => randomText(`${BASE62}_-`, 21),
  range_id: ({ length, char_set }) => {
    if (!/^[!-~]+$/.test(char_set)) throw new Error("range_id.char_set must be of visible ASCII characters");
    return () => randomText(char_set, length);
  },
  ksuid: () => ksuid,
};
