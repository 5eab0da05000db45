import { watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import { stampOf } from "../../source/watch-file.ts";

/** How often the files are looked at without any event; events do not come from every file system. */
const POLL_MS = 500;
/** Events of one write come in a row. */
const SETTLE_MS = 30;

/** Watches sets of files, each set by a name, and tells which sets may have changed. */
export class FileWatch {
  readonly #changed: (names: ReadonlySet<string>) => void;
  readonly #directories = new Map<string, FSWatcher>();
  readonly #sets = new Map<string, ReadonlyMap<string, string>>();
  readonly #poll: NodeJS.Timeout;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(changed: (names: ReadonlySet<string>) => void) {
    this.#changed = changed;
    this.#poll = setInterval(() => void this.#look(), POLL_MS);
  }

  /** Watches these files (absolute paths; they need not exist) under this name, as they were at the time of `stamps`. */
  watch(name: string, stamps: ReadonlyMap<string, string>): void {
    this.#sets.set(name, stamps);
    const wanted = new Set([...this.#sets.values()].flatMap((files) => Array.from(files.keys(), dirname)));
    for (const directory of wanted) if (!this.#directories.has(directory)) this.#open(directory);
    for (const [directory, watcher] of this.#directories) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#directories.delete(directory);
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#poll);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of this.#directories.values()) watcher.close();
  }

  #open(directory: string): void {
    try {
      const watcher = watch(directory, () => this.#schedule());
      watcher.on("error", () => {
        watcher.close();
        this.#directories.delete(directory);
      });
      this.#directories.set(directory, watcher);
    } catch {
      // It does not exist yet, or there are too many watches: polling finds what changes.
    }
  }

  #schedule(): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#look();
    }, SETTLE_MS);
  }

  async #look(): Promise<void> {
    const changed = new Set<string>();
    for (const [name, stamps] of this.#sets) {
      const now = await stampsOf(stamps.keys());
      if ([...now].some(([path, stamp]) => stamps.get(path) !== stamp)) changed.add(name);
    }
    if (changed.size > 0 && !this.#closed) this.#changed(changed);
  }
}

/** What tells whether each of these files has changed. */
export async function stampsOf(paths: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  return new Map(await Promise.all(Array.from(paths, async (path) => [path, await stampOf(path)] as const)));
}
