import { hash } from "node:crypto";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { PluginDefinition } from "../../plugin/plugin.ts";
import { importVersion, lookForPackagesFrom, packageSpecifier } from "./module-versions.ts";
import { pluginsOf } from "./plugin-exports.ts";
import { isPath } from "./plugin-ids.ts";

/**
 * One version of a plugin that a user has written, as it travels to the workers: the
 * texts of its files, so that every worker runs what control has checked, also one that
 * is started while the file on the disk is broken.
 */
export interface PluginFiles {
  /** The file or package that exports the plugin, as `apisix.extra_plugins` names it. */
  readonly entry: string;
  /** The texts of that file and of those it imports by path, by path relative to the prefix. */
  readonly files: Readonly<Record<string, string>>;
}

/** The URL of a file of a plugin. */
export const fileUrl = (prefix: string, path: string): string => pathToFileURL(resolve(prefix, path)).href;

/** What `importVersion` takes for an entry. */
export const specifierOf = (prefix: string, entry: string): string =>
  isPath(entry) ? fileUrl(prefix, entry) : packageSpecifier(entry);

/** Loads what control has sent: the text of a change of a user's plugin. Rejects with the reason. */
export async function loadPluginFiles(prefix: string, text: string): Promise<readonly PluginDefinition[]> {
  lookForPackagesFrom(prefix);
  const { entry, files } = JSON.parse(text) as PluginFiles;
  const texts = new Map(Object.entries(files).map(([path, source]) => [fileUrl(prefix, path), source]));
  const name = hash("sha256", text, "hex").slice(0, 16);
  return pluginsOf(await importVersion(specifierOf(prefix, entry), name, { texts, reads: false }));
}
