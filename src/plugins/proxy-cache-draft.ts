import { unlink, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { DiskZone } from "./proxy-cache-disk.ts";
import { encodeHead, encodeTail, type EntryHead } from "./proxy-cache-entry.ts";
import type { Collection } from "./proxy-cache-zone.ts";

/**
 * An answer that is being written while it passes. The client waits for nothing: what the
 * disk has not taken yet is held, within the memory of its zone, else the answer is not
 * kept.
 */
export class DiskCollection implements Collection {
  readonly #zone: DiskZone;
  readonly #head: EntryHead;
  readonly #vary: readonly string[];
  #draft: { readonly path: string; readonly file: FileHandle } | null = null;
  #work: Promise<void>;
  #crc = 0;
  #bytes = 0;
  #bodyBytes = 0;
  #over = false;
  #failed = false;

  constructor(zone: DiskZone, head: EntryHead, vary: readonly string[]) {
    this.#zone = zone;
    this.#head = head;
    this.#vary = vary;
    this.#work = this.#attempt(async () => {
      this.#draft = await zone.draft();
      await this.#write(encodeHead(head));
    });
  }

  /** Everything so far is written, or given up. */
  get settled(): Promise<void> {
    return this.#work;
  }

  add(piece: Buffer): boolean {
    if (this.#over || this.#failed) return false;
    this.#bodyBytes += piece.length;
    if (this.#bodyBytes > this.#zone.maxEntry || !this.#zone.reserve(piece.length)) {
      this.drop();
      return false;
    }
    this.#next(async () => {
      try {
        await this.#write(piece);
      } finally {
        this.#zone.release(piece.length);
      }
    });
    return true;
  }

  finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#next(async () => {
      if (this.#failed || this.#draft === null) return;
      const { path, file } = this.#draft;
      await this.#write(encodeTail(this.#bodyBytes, this.#crc));
      this.#draft = null;
      await file.close();
      await this.#zone.publish(path, this.#head, this.#vary, this.#bytes).catch(async (error: unknown) => {
        await unlink(path).catch(() => undefined);
        throw error;
      });
    });
    this.#next(() => this.#abandon());
  }

  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#failed = true;
    this.#next(() => this.#abandon());
  }

  /** Ends what was not published. */
  async #abandon(): Promise<void> {
    const draft = this.#draft;
    this.#draft = null;
    await draft?.file.close();
    if (draft !== null) await unlink(draft.path);
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#failed || this.#draft === null) return;
    this.#crc = crc32(bytes, this.#crc);
    this.#bytes += bytes.length;
    await this.#draft.file.writeFile(bytes);
  }

  #next(step: () => Promise<void>): void {
    this.#work = this.#work.then(() => this.#attempt(step));
  }

  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#failed = true;
      this.#zone.complain(error);
    }
  }
}
