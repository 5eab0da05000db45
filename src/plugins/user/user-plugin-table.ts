import { layered } from "../../plugin/lazy-map.ts";
import type { PluginDefinition } from "../../plugin/plugin.ts";
import type { Change } from "../../schema/kinds.ts";
import { userPluginEntry } from "./plugin-ids.ts";

/** The plugins of users that are in force in one thread. */
export class UserPluginTable {
  readonly #byName = new Map<string, PluginDefinition>();
  readonly #byEntry = new Map<string, readonly PluginDefinition[]>();

  /** A registry that has these plugins besides what it has: always those that are in force. */
  over<Plugin>(registry: ReadonlyMap<string, Plugin>): ReadonlyMap<string, Plugin | PluginDefinition> {
    return layered<Plugin | PluginDefinition>(this.#byName, registry);
  }

  /** The plugins of an entry of `apisix.extra_plugins`. */
  of(entry: string): readonly PluginDefinition[] {
    return this.#byEntry.get(entry) ?? [];
  }

  /** The entry that a plugin comes from. */
  ownerOf(name: string): string | null {
    for (const [entry, definitions] of this.#byEntry) {
      if (definitions.some((definition) => definition.name === name)) return entry;
    }
    return null;
  }

  /** Puts other plugins in place of an entry's; the names that mean something else now. */
  replace(entry: string, definitions: readonly PluginDefinition[]): ReadonlySet<string> {
    const before = this.of(entry);
    for (const { name } of before) this.#byName.delete(name);
    for (const definition of definitions) this.#byName.set(definition.name, definition);
    if (definitions.length === 0) this.#byEntry.delete(entry);
    else this.#byEntry.set(entry, definitions);
    return new Set([...before, ...definitions].map(({ name }) => name));
  }
}

/** What a worker runs of users' plugins: loaded first, which takes a moment, then put in force at once. */
export class WorkerPlugins {
  readonly #table = new UserPluginTable();
  readonly #prefix: string;
  /** By id of the change: what was loaded for it, or why it was not. */
  readonly #loaded = new Map<
    string,
    { readonly text: string; readonly outcome: readonly PluginDefinition[] | Error }
  >();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  over<Plugin>(registry: ReadonlyMap<string, Plugin>): ReadonlyMap<string, Plugin | PluginDefinition> {
    return this.#table.over(registry);
  }

  /** Loads what `adopt` will be asked for; `null`: there is nothing to load. Never rejects. */
  prepare(changes: readonly Change[]): Promise<void> | null {
    const wanted = changes.filter(
      ({ kind, id, text }) =>
        text !== null && userPluginEntry(kind, id) !== null && this.#loaded.get(id)?.text !== text,
    );
    return wanted.length === 0 ? null : this.#load(wanted);
  }

  /** Puts a version in force, `null`: none; the names that mean something else now. Throws where it could not be loaded. */
  adopt(id: string, text: string | null): ReadonlySet<string> {
    const entry = userPluginEntry("plugins", id);
    if (entry === null) return new Set();
    if (text === null) {
      this.#loaded.delete(id);
      return this.#table.replace(entry, []);
    }
    const loaded = this.#loaded.get(id);
    if (loaded?.text !== text) throw new Error("the plugin was not loaded");
    if (loaded.outcome instanceof Error) throw loaded.outcome;
    return this.#table.replace(entry, loaded.outcome);
  }

  async #load(changes: readonly Change[]): Promise<void> {
    // Only who has plugins of his own pays for what loads them.
    const { loadPluginFiles } = await import("./plugin-files.ts");
    for (const { id, text } of changes) {
      const outcome = await loadPluginFiles(this.#prefix, text ?? "").catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      this.#loaded.set(id, { text: text ?? "", outcome });
    }
  }
}
