import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { PluginDefinition } from "../../plugin/plugin.ts";
import { failureText } from "../../plugins/user/failure-text.ts";
import { importVersion, lookForPackagesFrom } from "../../plugins/user/module-versions.ts";
import { specifierOf, type PluginFiles } from "../../plugins/user/plugin-files.ts";
import { pluginsOf } from "../../plugins/user/plugin-exports.ts";
import { entryPaths } from "./entry-paths.ts";

export { failureText } from "../../plugins/user/failure-text.ts";
export { loadPluginFiles } from "../../plugins/user/plugin-files.ts";

/** How long the module of a plugin may take to load: it may await something that never comes. */
const LOAD_LIMIT_MS = 5_000;
/** Bytes of a plugin's files together: they travel to every worker. */
const MAX_BYTES = 4_194_304;

/** A version of a plugin that was loaded. */
export interface PluginVersion {
  /** What workers are given: `PluginFiles` as JSON. */
  readonly text: string;
  readonly definitions: readonly PluginDefinition[];
}

/** What the disk has of an entry of `apisix.extra_plugins`. */
export interface FreshLoad {
  /** `string`: why it cannot be used, with file and line where they are known. */
  readonly outcome: PluginVersion | string;
  /** The files that were read, absolute: to be watched. */
  readonly paths: readonly string[];
}

/** Tells versions apart that only this thread loads. */
let count = 0;

/** Loads an entry as it is on the disk now. */
export async function loadFresh(entry: string, prefix: string): Promise<FreshLoad> {
  lookForPackagesFrom(prefix);
  const texts = new Map<string, string>();
  const paths = (missing: string | undefined): readonly string[] => {
    const urls = [...texts.keys(), ...(missing?.startsWith("file:") === true ? [missing] : [])];
    return [...new Set([...entryPaths(entry, prefix), ...urls.map((url) => fileURLToPath(url))])];
  };
  try {
    const loading = importVersion(specifierOf(prefix, entry), `c${++count}`, { texts, reads: true });
    const definitions = pluginsOf(await within(loading));
    const files = Array.from(texts, ([url, text]) => [relative(prefix, fileURLToPath(url)), text] as const).sort();
    const text = JSON.stringify({ entry, files: Object.fromEntries(files) } satisfies PluginFiles);
    if (text.length > MAX_BYTES) throw new Error(`its files have more than ${MAX_BYTES} bytes together`);
    return { outcome: { text, definitions }, paths: paths(undefined) };
  } catch (error) {
    const reason = failureText(error, prefix);
    // Where the line is known the file stands before it.
    const outcome = /^\S+:\d+(?::\d+)?: /.test(reason) ? reason : `${entry}: ${reason}`;
    return { outcome, paths: paths((error as { readonly url?: string }).url) };
  }
}

async function within<T>(loading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const reason = `not loaded after ${LOAD_LIMIT_MS / 1_000} s: it awaits something while it is loaded`;
    timer = setTimeout(() => reject(new Error(reason)), LOAD_LIMIT_MS);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}
