import { hash } from "node:crypto";

/**
 * The 64-bit fingerprint of one resource: the first 8 bytes of SHA-256 over its
 * key and its JSON text.
 *
 * The hash of a whole configuration is the sum of its resources' fingerprints
 * modulo 2^64 (see `addHash`), so that a change costs one addition and the order
 * in which changes arrived does not matter.
 */
export function contentHash(kind: string, id: string, text: string): bigint {
  return BigInt(`0x${hash("sha256", `${kind}/${id}\n${text}`, "hex").slice(0, 16)}`);
}

/** `sum + fingerprint` modulo 2^64. */
export function addHash(sum: bigint, fingerprint: bigint): bigint {
  return BigInt.asUintN(64, sum + fingerprint);
}

/** `sum - fingerprint` modulo 2^64. */
export function subtractHash(sum: bigint, fingerprint: bigint): bigint {
  return BigInt.asUintN(64, sum - fingerprint);
}

/** The hash as people see it: 16 hexadecimal digits. */
export function formatHash(sum: bigint): string {
  return sum.toString(16).padStart(16, "0");
}
