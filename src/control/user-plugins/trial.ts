import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { onThreadData } from "../../lib/thread-data.ts";
import { failureText } from "../../plugins/user/failure-text.ts";
import { importVersion, lookForPackagesFrom } from "../../plugins/user/module-versions.ts";
import { specifierOf, type PluginFiles } from "../../plugins/user/plugin-files.ts";
import { pluginsOf } from "../../plugins/user/plugin-exports.ts";

/**
 * Entry of a thread that loads a plugin as it is on the disk, for the first time: a module
 * that never ends, or ends its thread, must not be control's.
 */

/** What the thread is given. */
export interface TrialData {
  /** Of `apisix.extra_plugins`. */
  readonly entry: string;
  readonly prefix: string;
}

/** What it found. */
export interface TrialResult {
  /** The files as they were read (`PluginFiles` as JSON); `null`: they cannot be used. */
  readonly text: string | null;
  /** Why not, with file and line where they are known. */
  readonly error: string;
  /** Absolute paths of the files that were read, or were to be. */
  readonly paths: readonly string[];
}

/** Bytes of a plugin's files together: they travel to every worker. */
const MAX_BYTES = 4_194_304;

async function load({ entry, prefix }: TrialData): Promise<TrialResult> {
  lookForPackagesFrom(prefix);
  const texts = new Map<string, string>();
  const paths = (): string[] => Array.from(texts.keys(), (url) => fileURLToPath(url));
  try {
    pluginsOf(await importVersion(specifierOf(prefix, entry), "trial", { texts, reads: true }));
    const files = Array.from(texts, ([url, text]) => [relative(prefix, fileURLToPath(url)), text] as const).sort();
    const text = JSON.stringify({ entry, files: Object.fromEntries(files) } satisfies PluginFiles);
    if (text.length > MAX_BYTES) throw new Error(`its files have more than ${MAX_BYTES} bytes together`);
    return { text, error: "", paths: paths() };
  } catch (error) {
    const { url } = error as { readonly url?: string };
    const missing = url?.startsWith("file:") === true ? [fileURLToPath(url)] : [];
    return { text: null, error: failureText(error, prefix), paths: [...paths(), ...missing] };
  }
}

onThreadData((data: TrialData, control) => void load(data).then((result) => control.postMessage(result)));
