import { hash } from "node:crypto";
import { watch, type FSWatcher } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { reasonOf } from "../lib/errors.ts";
import { unreadable } from "./document.ts";
import type { Source, SourceDocument, SourceSink } from "./source.ts";

/** How often the file is looked at without any event; events do not come from every file system. */
const POLL_MS = 500;
/** Events of one write come in a row; the file is read once after them. */
const SETTLE_MS = 20;
/** A file that cannot be used may be half written: it is read again this often before that is a failure. */
const RETRIES = 3;
const RETRY_MS = 60;

/** Turns a file's text into a document; throws an Error with the reason why it cannot. */
export type DocumentReader = (text: string) => SourceDocument;

/**
 * A source that follows one file: written in place, replaced by rename, swapped by
 * symbolic links, absent at first. Each content that can be used is delivered once;
 * the one after a failure also where it was delivered before, because it ends the failure.
 */
export function createFileSource(name: string, file: string, read: DocumentReader): Source {
  return new FileSource(name, file, read);
}

class FileSource implements Source {
  readonly name: string;
  readonly #file: string;
  readonly #read: DocumentReader;
  #sink: SourceSink | null = null;
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;
  #timer: NodeJS.Timeout | null = null;
  #reading = false;
  #again = false;
  /** What `stat` said before the last read. */
  #stamp = "";
  /** Fingerprint of the content that was seen last, or the error's code; `null` before. */
  #content: string | null = null;
  /** Fingerprint of the content that was delivered last. */
  #delivered: string | null = null;
  /** What was reported; `null` while the last content could be used. */
  #failure: string | null = null;
  /** How often the content, which cannot be used, was read again; 0 once that has been said. */
  #retries = 0;
  /** Why the content cannot be used. */
  #reason = "";

  constructor(name: string, file: string, read: DocumentReader) {
    this.name = name;
    this.#file = file;
    this.#read = read;
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    this.#watch();
    this.#poll = setInterval(() => void this.#look(), POLL_MS);
    void this.#load();
  }

  close(): void {
    this.#sink = null;
    this.#watcher?.close();
    if (this.#poll !== null) clearInterval(this.#poll);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Watches the directory, not the file: that one may be replaced. */
  #watch(): void {
    try {
      this.#watcher = watch(dirname(this.#file), () => this.#schedule(SETTLE_MS));
    } catch {
      // The directory does not exist yet; polling finds it.
      return;
    }
    this.#watcher.on("error", () => this.#unwatch());
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  async #look(): Promise<void> {
    if (this.#watcher === null) this.#watch();
    const stamp = await stampOf(this.#file);
    if (stamp !== this.#stamp) this.#schedule(SETTLE_MS);
  }

  /** Reads the file once after `delayMs`; an earlier date stays. */
  #schedule(delayMs: number): void {
    if (this.#sink === null || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#load();
    }, delayMs);
  }

  async #load(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    try {
      do {
        this.#again = false;
        this.#stamp = await stampOf(this.#file);
        const bytes = await readFile(this.#file).catch((error: NodeJS.ErrnoException) => error);
        this.#handle(bytes);
      } while (this.#again);
    } finally {
      this.#reading = false;
    }
  }

  #handle(bytes: Buffer | NodeJS.ErrnoException): void {
    if (this.#sink === null) return;
    const content = bytes instanceof Error ? `${bytes.code}` : hash("sha256", bytes, "hex");
    if (content === this.#content) {
      if (this.#retries > 0) this.#fail(this.#reason);
      return;
    }
    this.#content = content;
    this.#retries = 0;
    if (content === this.#delivered && this.#failure === null) return;
    let document: SourceDocument;
    try {
      if (bytes instanceof Error) throw unreadable(`${this.#file}: ${describe(bytes)}`, bytes);
      document = this.#read(bytes.toString("utf8"));
    } catch (error) {
      this.#fail(reasonOf(error));
      return;
    }
    this.#failure = null;
    this.#delivered = content;
    this.#sink.document(document);
  }

  #fail(reason: string): void {
    this.#reason = reason;
    if (this.#retries < RETRIES) {
      this.#retries++;
      this.#schedule(RETRY_MS);
      return;
    }
    this.#retries = 0;
    if (reason === this.#failure) return;
    this.#failure = reason;
    this.#sink?.failed(reason);
  }
}

/** Changes whenever the file may have; symbolic links are followed. */
export async function stampOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function describe(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT") return "no such file";
  if (error.code === "EACCES") return "no permission to read it";
  if (error.code === "EISDIR") return "it is a directory";
  return `cannot be read (${error.code})`;
}
