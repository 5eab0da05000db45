import { hash } from "node:crypto";
import { mix } from "../lib/hash-text.ts";

/**
 * 128 bits that stand for the key of a counter (of its SHA-256, so that nobody can
 * choose two keys with the same ones). The first word is never one of the marks that
 * the table puts in its place.
 */
export type Fingerprint = readonly [tag: number, b: number, c: number, d: number];

/** Marks in the place of a tag. `free`: never used; `gone`: may be used again; `busy`: is being taken over. */
export const Mark = { free: 0, gone: 1, busy: 2 } as const;

export function fingerprintOf(key: string): Fingerprint {
  const bytes = hash("sha256", key, "latin1");
  return [tagOf(wordAt(bytes, 0)), wordAt(bytes, 4), wordAt(bytes, 8), wordAt(bytes, 12)];
}

/** The fingerprint of what `holder` holds of the key: another key, and in another bucket. */
export function heldBy([tag, b, c, d]: Fingerprint, holder: number): Fingerprint {
  const other = mix(holder) | 0;
  return [tagOf(tag ^ other), b, c, d ^ other];
}

function wordAt(bytes: string, at: number): number {
  return (
    bytes.charCodeAt(at) |
    (bytes.charCodeAt(at + 1) << 8) |
    (bytes.charCodeAt(at + 2) << 16) |
    (bytes.charCodeAt(at + 3) << 24)
  );
}

const tagOf = (word: number): number => (word >= Mark.free && word <= Mark.busy ? word + 4 : word);
