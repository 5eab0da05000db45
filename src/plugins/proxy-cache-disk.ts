import { hash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, rename, unlink, utimes, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { reasonOf } from "../lib/errors.ts";
import { Outcome } from "../lib/count-outcome.ts";
import type { Counters } from "../plugin/counters.ts";
import type { CacheZoneSettings } from "../settings/settings.ts";
import { DiskCollection } from "./proxy-cache-draft.ts";
import { decodeEntry, encodeMarker, TAIL_BYTES, type EntryHead } from "./proxy-cache-entry.ts";
import { DRAFTS, onDisk, sweep } from "./proxy-cache-sweep.ts";
import type { CachedAnswer, ReadHeader } from "./proxy-cache-store.ts";
import type { CacheZone, Collection } from "./proxy-cache-zone.ts";

/** Read at once; the event loop has its turn in between. */
const READ_BYTES = 1_048_576;
/** An entry counts as used now when its last use was longer ago than this. */
const TOUCH_MS = 60_000;
/** How often what is wrong is said, and how soon a directory that cannot be used is tried again. */
const PAUSE_MS = 30_000;
/** Counts are kept for longer than any gateway runs, microseconds. */
const FOR_EVER_US = 2 ** 51;

/** The part of a cache that is written between two sweeps, and that one entry may take. */
const SHARE = 8;

interface Entry {
  readonly head: EntryHead;
  readonly body: Buffer;
}

/**
 * A cache on a disk. The files are all there is: every worker, and the gateway after a
 * restart, finds an answer by its name. A file is written under another name and moved
 * when it is whole. Whoever has filled the share that may be written makes room.
 */
export class DiskZone implements CacheZone {
  readonly #disk: NonNullable<CacheZoneSettings["disk"]>;
  readonly #memoryBytes: number;
  readonly #counters: Counters;
  readonly #warn: (message: string) => void;
  /** Bytes that are being read or wait to be written. */
  #busy = 0;
  #opened: Promise<boolean> | null = null;
  #saidAt = -Infinity;
  #sweeping = false;

  constructor(zone: CacheZoneSettings, counters: Counters, warn: (message: string) => void) {
    if (zone.disk === null) throw new Error(`the zone ${zone.name} has no disk_path`);
    this.#disk = zone.disk;
    this.#memoryBytes = zone.memoryBytes;
    this.#counters = counters;
    this.#warn = warn;
  }

  /** Bytes that an entry may have. */
  get maxEntry(): number {
    return Math.min(this.#disk.bytes / SHARE, this.#memoryBytes);
  }

  now(): number {
    return Date.now();
  }

  async find(key: string, header: ReadHeader): Promise<CachedAnswer | undefined> {
    const first = await this.#read(this.#pathOf(key));
    if (first?.head.key !== key) return undefined;
    const { vary, group = "" } = first.head;
    if (vary === undefined) return { ...first.head, body: first.body };
    const variant = variantOf(vary, header);
    const entry = await this.#read(this.#pathOf(group + variant));
    if (entry?.head.key !== key || entry.head.variant !== variant) return undefined;
    return { ...entry.head, body: entry.body };
  }

  keep(key: string, vary: readonly string[], header: ReadHeader, answer: Omit<CachedAnswer, "body">): Collection {
    const variant = vary.length === 0 ? "" : variantOf(vary, header);
    return new DiskCollection(this, { ...answer, key, variant }, vary);
  }

  async purge(key: string): Promise<boolean> {
    try {
      await unlink(this.#pathOf(key));
      return true;
    } catch {
      return false;
    }
  }

  // ---- for what is being written

  /** Room in memory; it is to be released. */
  reserve(bytes: number): boolean {
    if (this.#busy + bytes > this.#memoryBytes) return false;
    this.#busy += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#busy -= bytes;
  }

  /** A new file to write to; rejects where there can be none. */
  async draft(): Promise<{ readonly path: string; readonly file: FileHandle }> {
    if (!(await this.#open())) throw new Error("the directory cannot be used");
    const path = join(this.#disk.path, DRAFTS, randomUUID());
    return { path, file: await open(path, "wx", 0o600) };
  }

  /** Puts a whole file where requests find it. */
  async publish(draft: string, head: EntryHead, vary: readonly string[], bytes: number): Promise<void> {
    const place = this.#pathOf(vary.length === 0 ? head.key : (await this.#groupOf(head, vary)) + head.variant);
    await move(draft, place);
    this.#wrote(onDisk(bytes));
  }

  /** Says what went wrong, now and then. */
  complain(error: unknown): void {
    const now = Date.now();
    if (now - this.#saidAt < PAUSE_MS) return;
    this.#saidAt = now;
    this.#warn(`cache ${this.#disk.path}: ${reasonOf(error)}`);
  }

  /** The group of the key's marker, which is written where there is none for these headers. */
  async #groupOf(head: EntryHead, vary: readonly string[]): Promise<string> {
    const path = this.#pathOf(head.key);
    const marker = await this.#read(path);
    const known = marker?.head.key === head.key && marker.head.vary?.join() === vary.join();
    if (known && marker.head.group !== undefined) return marker.head.group;
    const group = randomUUID();
    const bytes = encodeMarker({ ...head, headers: [], variant: "", vary, group });
    const { path: draft, file } = await this.draft();
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await move(draft, path);
    this.#wrote(onDisk(bytes.length));
    return group;
  }

  #pathOf(key: string): string {
    const name = hash("sha256", key, "hex").slice(0, 32);
    const parts: string[] = [];
    let end = name.length;
    for (const digits of this.#disk.levels) parts.push(name.slice((end -= digits), end + digits));
    return join(this.#disk.path, ...parts, name);
  }

  /** A whole entry; `null`: there is none that can be read. */
  async #read(path: string): Promise<Entry | null> {
    let file: FileHandle | null = null;
    let size = 0;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const stat = await file.stat();
      if (!this.reserve(stat.size)) return null;
      size = stat.size;
      const bytes = Buffer.allocUnsafe(size);
      const crc = await readInto(file, bytes);
      if (Date.now() - stat.mtimeMs > TOUCH_MS) void utimes(path, new Date(), new Date()).catch(() => undefined);
      return crc === null ? null : decodeEntry(bytes, crc);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.complain(error);
      return null;
    } finally {
      this.release(size);
      await file?.close();
    }
  }

  /** Whether the directory can be used; made when it is first written to. */
  #open(): Promise<boolean> {
    this.#opened ??= this.#prepare().catch((error: unknown) => {
      this.complain(error);
      setTimeout(() => (this.#opened = null), PAUSE_MS).unref();
      return false;
    });
    return this.#opened;
  }

  async #prepare(): Promise<boolean> {
    const { path } = this.#disk;
    await mkdir(path, { recursive: true, mode: 0o700 });
    const stat = await lstat(path);
    // Whoever owns it could put answers in: the default lies in /tmp.
    if (!stat.isDirectory() || (process.getuid?.() ?? stat.uid) !== stat.uid) {
      throw new Error("it must be a directory that belongs to the user of the gateway");
    }
    await mkdir(join(path, DRAFTS), { recursive: true, mode: 0o700 });
    let first = true;
    this.#counters.update("swept", this.#counters.now(), FOR_EVER_US, false, (before) => {
      first = before === 0;
      return 1;
    });
    if (first) this.#sweep();
    return true;
  }

  /** Counts what all workers have written, and makes room after each share. */
  #wrote(bytes: number): void {
    let full = false;
    const outcome = this.#counters.update("written", this.#counters.now(), FOR_EVER_US, false, (before) => {
      full = before + bytes >= this.#disk.bytes / SHARE;
      return full ? 0 : before + bytes;
    });
    if (full || outcome === Outcome.full) this.#sweep();
  }

  #sweep(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const { path, bytes } = this.#disk;
    void sweep(path, bytes - (2 * bytes) / SHARE)
      .catch((error: unknown) => this.complain(error))
      .finally(() => (this.#sweeping = false));
  }
}

/** Reads as much as there is room for; the checksum of all but the tail, `null`: the file was shorter. */
async function readInto(file: FileHandle, bytes: Buffer): Promise<number | null> {
  const end = bytes.length - TAIL_BYTES;
  let crc = 0;
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, Math.min(READ_BYTES, bytes.length - at), at);
    if (bytesRead === 0) return null;
    if (at < end) crc = crc32(bytes.subarray(at, Math.min(at + bytesRead, end)), crc);
    at += bytesRead;
  }
  return crc;
}

async function move(draft: string, place: string): Promise<void> {
  await rename(draft, place).catch(async () => {
    await mkdir(dirname(place), { recursive: true, mode: 0o700 });
    await rename(draft, place);
  });
}

/** The values may be secrets. */
function variantOf(vary: readonly string[], header: ReadHeader): string {
  return hash("sha256", JSON.stringify(vary.map((name) => header(name) ?? null)), "hex");
}
