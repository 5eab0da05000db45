import { createHash, type Hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import { reasonOf } from "../lib/errors.ts";
import type { SourceSettings } from "../settings/settings.ts";
import type { KeyedEntry, RawResource, SourceDocument } from "./source.ts";

/** What a source held: entries by key as stored, encrypted fields and all, or a whole document. */
export type LastGoodContent = { readonly entries: readonly KeyedEntry[] } | { readonly document: SourceDocument };

/** The last configuration that was accepted from a source. */
export interface LastGood {
  /** The source's revision where it has one, else that of the load. */
  readonly revision: number;
  /** Unix milliseconds of the load. */
  readonly at: number;
  readonly content: LastGoodContent;
}

/** Keeps the last good configuration of one source in a file. */
export interface LastGoodFile {
  /**
   * What was saved last for this source; `null` where there is nothing, or nothing that can
   * be used: `warn` is told why.
   */
  load(): LastGood | null;
  /**
   * Saves soon, and at most every few seconds; of several in between the last one counts.
   * `build` is called when it is written; what it returns must not change afterwards.
   */
  save(build: () => LastGood): void;
  /** Writes what is still to be saved. */
  close(): Promise<void>;
}

/** Time between two writes. */
const INTERVAL_MS = 3_000;
/** Lines that are written without letting others run. */
const CHUNK = 500;
const FORMAT = 1;

/**
 * The source that a configuration belongs to: what one source held is never served for another.
 * The hosts of an etcd are part of it, in any order.
 */
export function identityOf(source: SourceSettings): string {
  switch (source.kind) {
    case "yaml":
    case "json":
    case "embedded":
      return `${source.kind} ${source.file}`;
    case "api":
      return "api";
    case "etcd":
      return `etcd ${source.etcd.prefix} ${source.etcd.hosts.toSorted().join(" ")}`;
  }
}

/** The file of the source with that identity; it is written atomically, with mode 0600. `warn` gets a line. */
export function createLastGoodFile(file: string, identity: string, warn: (line: string) => void): LastGoodFile {
  return new Keeper(file, identity, warn);
}

class Keeper implements LastGoodFile {
  readonly #file: string;
  readonly #identity: string;
  readonly #warn: (line: string) => void;
  #next: (() => LastGood) | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;
  #writtenAt = -Infinity;
  /** A disk that is full is complained of once. */
  #complaint = "";

  constructor(file: string, identity: string, warn: (line: string) => void) {
    this.#file = file;
    this.#identity = identity;
    this.#warn = warn;
  }

  load(): LastGood | null {
    if (!existsSync(this.#file)) return null;
    try {
      return parse(readFileSync(this.#file, "utf8"), this.#identity);
    } catch (error) {
      this.#warn(`${this.#file}: the last good configuration is not used: ${reasonOf(error)}`);
      return null;
    }
  }

  save(build: () => LastGood): void {
    if (this.#closed) return;
    this.#next = build;
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write();
  }

  #schedule(): void {
    if (this.#timer !== null || this.#busy || this.#next === null || this.#closed) return;
    const wait = Math.max(0, this.#writtenAt + INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#write();
    }, wait);
  }

  async #write(): Promise<void> {
    const build = this.#next;
    if (build === null) return;
    this.#next = null;
    this.#busy = true;
    try {
      await writeWhole(this.#file, this.#identity, build());
      this.#complaint = "";
    } catch (error) {
      const complaint = `${this.#file}: the last good configuration cannot be kept: ${reasonOf(error)}`;
      if (complaint !== this.#complaint) this.#warn(complaint);
      this.#complaint = complaint;
    }
    this.#writtenAt = performance.now();
    this.#busy = false;
    this.#schedule();
  }
}

/** The first line. */
interface Head {
  readonly format: number;
  readonly source: string;
  readonly revision: number;
  readonly at: number;
  readonly form: "entries" | "document";
}

/** A line for each entry, `[key, text]`, or for each resource of a document, `[kind, value, line]`. */
type Line = readonly [string, unknown, number?];

/** The head, the lines, and in the end a line with the SHA-256 of everything before it. */
async function writeWhole(file: string, source: string, { revision, at, content }: LastGood): Promise<void> {
  const draft = `${file}.new`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  await rm(draft, { force: true });
  const handle = await open(draft, "wx", 0o600);
  const form = "entries" in content ? "entries" : "document";
  const hash = createHash("sha256");
  try {
    await append(handle, hash, `${JSON.stringify({ format: FORMAT, source, revision, at, form } satisfies Head)}\n`);
    let text = "";
    let count = 0;
    for (const line of linesOf(content)) {
      text += `${JSON.stringify(line)}\n`;
      if (++count % CHUNK !== 0) continue;
      await append(handle, hash, text);
      text = "";
      await setImmediate();
    }
    await append(handle, hash, text);
    await handle.writeFile(`${hash.digest("hex")}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}

async function append(handle: FileHandle, hash: Hash, text: string): Promise<void> {
  hash.update(text);
  await handle.writeFile(text);
}

function* linesOf(content: LastGoodContent): Generator<Line> {
  if ("entries" in content) {
    for (const { key, text } of content.entries) if (text !== null) yield [key, text];
    return;
  }
  for (const [kind, list] of Object.entries(content.document.resources)) {
    for (const { value, line } of list) yield [kind, value, line];
    // A kind without resources says something, too.
    if (list.length === 0) yield [kind, null];
  }
}

/** Throws an Error with the reason why the text cannot be used. */
function parse(text: string, identity: string): LastGood {
  const end = text.lastIndexOf("\n", text.length - 2) + 1;
  const sum = createHash("sha256").update(text.slice(0, end)).digest("hex");
  if (end === 0 || text.slice(end) !== `${sum}\n`) throw new Error("the file is damaged");
  const [first = "", ...rest] = text.slice(0, end - 1).split("\n");
  const head = JSON.parse(first) as Head;
  if (head.format !== FORMAT) throw new Error(`it has format ${head.format}, this version knows ${FORMAT}`);
  if (head.source !== identity) throw new Error(`it is that of another source: ${head.source}`);
  const lines = rest.map((line) => JSON.parse(line) as Line);
  const content = head.form === "entries" ? entriesOf(lines) : documentOf(lines);
  return { revision: head.revision, at: head.at, content };
}

function entriesOf(lines: readonly Line[]): LastGoodContent {
  return { entries: lines.map(([key, text]) => ({ key, text: text as string })) };
}

function documentOf(lines: readonly Line[]): LastGoodContent {
  const resources: Record<string, RawResource[]> = Object.create(null) as Record<string, RawResource[]>;
  for (const [kind, value, line] of lines) {
    const list = (resources[kind] ??= []);
    if (line !== undefined) list.push({ value, line });
  }
  return { document: { resources } };
}
