import { setTimeout } from "node:timers/promises";
import type { Logger } from "../../observe/logger.ts";
import { userPluginEntry, userPluginId } from "../../plugins/user/plugin-ids.ts";
import type { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import type { Change } from "../../schema/kinds.ts";
import type { NewRejection } from "../../store/stage.ts";
import type { PluginState, Store } from "../../store/store.ts";
import { FileWatch, stampsOf } from "./file-watch.ts";
import { entryPaths } from "./entry-paths.ts";
import type { FreshLoad, PluginVersion } from "./load-fresh.ts";

/** A file that cannot be used may be half written: that is said when it has stayed so for this long. */
const RETRY_MS = 120;
/** How often an entry is read in a row while its files change. */
const ATTEMPTS = 5;

/** What users' plugins are followed with. */
export interface UserPluginsOptions {
  /** `apisix.extra_plugins`. */
  readonly entries: readonly string[];
  readonly prefix: string;
  /** What is in force in this thread; changed by `adopt` alone. */
  readonly table: UserPluginTable;
  readonly log: Pick<Logger, "info">;
}

/** What loads modules; only who has plugins of his own pays for it. */
const loader = async () => await import("./load-fresh.ts");

/**
 * The plugins that users have written, followed on the disk. A new version is loaded
 * here first and put in force where everything that uses it stays valid; else the last
 * good version goes on, and the reason is a rejection like any other.
 */
export class UserPlugins {
  readonly #options: UserPluginsOptions;
  /** What is in force, by entry. */
  readonly #current = new Map<string, PluginVersion>();
  readonly #refused = new Map<string, string>();
  /** What was loaded and waits for its turn. */
  #fresh = new Map<string, FreshLoad>();
  #watch: FileWatch | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(options: UserPluginsOptions) {
    this.#options = options;
  }

  /** Takes over what the workers run, also of entries that are no longer configured. */
  async inherit(resources: readonly Change[]): Promise<void> {
    const { prefix, table } = this.#options;
    for (const { kind, id, text } of resources) {
      const entry = userPluginEntry(kind, id);
      if (entry === null || text === null) continue;
      const { failureText, loadPluginFiles } = await loader();
      try {
        const definitions = await loadPluginFiles(prefix, text);
        this.#current.set(entry, { text, definitions });
        table.replace(entry, definitions);
      } catch (error) {
        this.#refused.set(entry, failureText(error, prefix));
      }
    }
  }

  /** Whether there is anything to put in force. */
  get some(): boolean {
    return this.#options.entries.length > 0 || this.#current.size > 0 || this.#refused.size > 0;
  }

  /** Reads every entry; what was found is put in force by `adopt`. */
  async load(): Promise<void> {
    for (const entry of this.#options.entries) await this.#load(entry);
  }

  /** From now on changes on the disk are read, and `found` is called where `adopt` has something to do. */
  follow(found: () => void): void {
    if (this.#options.entries.length === 0) return;
    this.#watch = new FileWatch((names) => {
      this.#work = this.#work.then(async () => {
        for (const name of names) if (await this.#differs(name)) await this.#load(name);
        if (this.#fresh.size > 0) found();
      });
    });
    for (const [entry, stamps] of this.#stamps) this.#watch.watch(entry, stamps);
  }

  /** Reads every entry now; resolves when what was found has been given to `found`. */
  async reload(found: () => void): Promise<void> {
    this.#work = this.#work.then(async () => {
      await this.load();
      found();
    });
    await this.#work;
  }

  /** Puts what was found in force, as far as everything that uses it stays valid. */
  adopt(store: Store): PluginState {
    const changed = new Set<string>();
    for (const [entry, { outcome }] of this.#fresh) {
      if (typeof outcome === "string") this.#refused.set(entry, outcome);
      else this.#judge(entry, outcome, store, changed);
    }
    this.#fresh = new Map();
    for (const entry of this.#current.keys()) {
      if (!this.#options.entries.includes(entry)) this.#judge(entry, null, store, changed);
    }
    return { loaded: this.#texts(), refused: this.#rejections(), changed };
  }

  async close(): Promise<void> {
    this.#watch?.close();
    await this.#work;
  }

  /** What the disk was like when an entry was read. */
  readonly #stamps = new Map<string, ReadonlyMap<string, string>>();

  async #load(entry: string): Promise<void> {
    const { prefix } = this.#options;
    const { loadFresh } = await loader();
    let fresh: FreshLoad;
    let stamps: ReadonlyMap<string, string>;
    for (let attempt = 1; ; attempt++) {
      const before = await stampsOf(this.#stamps.get(entry)?.keys() ?? entryPaths(entry, prefix));
      fresh = await loadFresh(entry, prefix);
      if (typeof fresh.outcome === "string" && this.#watch !== null) await setTimeout(RETRY_MS);
      stamps = await stampsOf(fresh.paths);
      this.#stamps.set(entry, stamps);
      const settled = [...before].every(([path, stamp]) => (stamps.get(path) ?? stamp) === stamp);
      if (settled || attempt >= ATTEMPTS) break;
    }
    this.#watch?.watch(entry, stamps);
    this.#fresh.set(entry, fresh);
  }

  /** Whether an entry's files are others than when they were read. */
  async #differs(entry: string): Promise<boolean> {
    const stamps = this.#stamps.get(entry) ?? new Map<string, string>();
    return [...(await stampsOf(stamps.keys()))].some(([path, stamp]) => stamps.get(path) !== stamp);
  }

  /** Puts a version in force (`null`: none any more), or says why not. */
  #judge(entry: string, version: PluginVersion | null, store: Store, changed: Set<string>): void {
    const { table, log } = this.#options;
    const before = this.#current.get(entry);
    if (version !== null && version.text === before?.text) {
      this.#refused.delete(entry);
      return;
    }
    const taken = version?.definitions.find(({ name }) => (table.ownerOf(name) ?? entry) !== entry);
    if (taken !== undefined) {
      this.#refused.set(entry, `${entry}: the name ${taken.name} is taken by ${table.ownerOf(taken.name)}`);
      return;
    }
    const names = table.replace(entry, version?.definitions ?? []);
    const broken = store.brokenBy(names);
    if (broken !== null) {
      table.replace(entry, before?.definitions ?? []);
      const what = version === null ? "is no longer configured" : "has a new version";
      this.#refused.set(entry, `${entry} ${what} that would break ${broken}`);
      return;
    }
    this.#refused.delete(entry);
    if (version === null) this.#current.delete(entry);
    else this.#current.set(entry, version);
    for (const name of names) changed.add(name);
    const what = version === null ? "taken out" : before === undefined ? "loaded" : "loaded anew";
    log.info(`plugin ${[...names].join(", ")} of ${entry} ${what}`);
  }

  #texts(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#current, ([entry, { text }]) => [userPluginId(entry), text]));
  }

  #rejections(): readonly NewRejection[] {
    return Array.from(this.#refused, ([entry, error]) => ({
      kind: "plugins",
      id: entry,
      field: "",
      error,
      serving: this.#current.has(entry) ? "previous" : "nothing",
    }));
  }
}
