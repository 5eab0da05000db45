import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { bytesFrom } from "./chance.ts";

/** Sizes of bodies: around the limits of buffers on either side, up to 1 MiB. */
export const SIZES: readonly number[] = [
  0, 1, 17, 1_023, 1_024, 2_000, 4_095, 4_096, 4_097, 8_192, 10_000, 16_383, 16_384, 16_385, 20_000, 32_768, 50_000,
  65_535, 65_536, 65_537, 131_073, 262_144, 1_048_576,
];

/** The bodies that clients and origins of other languages read: one file for each size. */
export interface Bodies {
  readonly dir: string;
  /** Content of that size; no two sizes begin alike. */
  bytes(size: number): Buffer;
  file(size: number): string;
  /** SHA-256 in hex. */
  hash(size: number): string;
}

/** Writes the files; they are removed after the test. */
export function makeBodies(t: TestContext): Bodies {
  const dir = mkdtempSync(join(tmpdir(), "turnpike-bodies-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const contents = new Map(SIZES.map((size) => [size, bytesFrom(size + 1, size)]));
  const hashes = new Map([...contents].map(([size, content]) => [size, sha256(content)]));
  for (const [size, content] of contents) writeFileSync(join(dir, String(size)), content);
  return {
    dir,
    bytes: (size) => contents.get(size)!,
    file: (size) => join(dir, String(size)),
    hash: (size) => hashes.get(size)!,
  };
}

/** Of a text or bytes, in hex. */
export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Of a file, in hex; one that is missing counts as empty, as curl writes none for an empty body. */
export function sha256OfFile(path: string): string {
  try {
    return sha256(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return sha256(Buffer.alloc(0));
  }
}
