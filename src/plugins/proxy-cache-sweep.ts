import { lstat, opendir, unlink } from "node:fs/promises";
import { join } from "node:path";

/** Files that are being written, below the directory of a cache. */
export const DRAFTS = "drafts";
/** Names of entries: nothing else is ever deleted. */
export const ENTRY_NAME = /^[0-9a-f]{32}$/;

/** A draft that nobody has written to for so long was left by a worker that has died. */
const STALE_DRAFT_MS = 600_000;
/** File systems give out whole blocks. */
const BLOCK = 4_096;

/** Bytes that a file of so many takes on a disk. */
export const onDisk = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;

interface Found {
  readonly path: string;
  readonly bytes: number;
  /** When it was used last, Unix milliseconds. */
  readonly usedAt: number;
}

/**
 * Deletes the entries below `root` that were used longest ago until the rest takes no more
 * than `maxBytes`, and drafts that were left. Others may write and delete meanwhile.
 */
export async function sweep(root: string, maxBytes: number): Promise<void> {
  const found: Found[] = [];
  let total = 0;
  for await (const entry of await opendir(root, { recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const draft = entry.parentPath === join(root, DRAFTS);
    if (!entry.isFile() || (!draft && !ENTRY_NAME.test(entry.name))) continue;
    const stat = await lstat(path).catch(() => null);
    if (stat === null) continue;
    if (draft) {
      if (Date.now() - stat.mtimeMs > STALE_DRAFT_MS) await unlink(path).catch(() => undefined);
      continue;
    }
    found.push({ path, bytes: onDisk(stat.size), usedAt: stat.mtimeMs });
    total += onDisk(stat.size);
  }
  found.sort((a, b) => a.usedAt - b.usedAt);
  for (const { path, bytes } of found) {
    if (total <= maxBytes) break;
    await unlink(path).catch(() => undefined);
    total -= bytes;
  }
}
