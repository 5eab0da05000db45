import { reasonOf } from "../../lib/errors.ts";
import { spawnThread } from "../../lib/spawn-thread.ts";
import type { PluginDefinition } from "../../plugin/plugin.ts";
import { loadPluginFiles } from "../../plugins/user/plugin-files.ts";
import { entryPaths } from "./entry-paths.ts";
import type { TrialData, TrialResult } from "./trial.ts";

/** How long the modules of a plugin may take to load: far longer than on the busiest machine. */
const LOAD_LIMIT_MS = 30_000;

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

/** Loads an entry as it is on the disk now: in a thread of its own first, and here what that one has read. */
export async function loadFresh(entry: string, prefix: string): Promise<FreshLoad> {
  const { text, error, paths: read } = await runTrial({ entry, prefix });
  const paths = [...new Set([...entryPaths(entry, prefix), ...read])];
  // Where the line is known the file stands before it.
  if (text === null) return { outcome: /^\S+:\d+(?::\d+)?: /.test(error) ? error : `${entry}: ${error}`, paths };
  try {
    return { outcome: { text, definitions: await loadPluginFiles(prefix, text) }, paths };
  } catch (thrown) {
    return { outcome: `${entry}: ${reasonOf(thrown)}`, paths };
  }
}

async function runTrial(data: TrialData): Promise<TrialResult> {
  const thread = spawnThread(
    new URL(`./trial${import.meta.filename.slice(-3)}`, import.meta.url),
    "plugin trial",
    data,
  );
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<TrialResult>((resolve) => {
      const failed = (error: string): void => resolve({ text: null, error, paths: [] });
      thread.once("message", resolve);
      thread.once("error", (error) => failed(reasonOf(error)));
      thread.once("exit", () => failed("it ends the thread while it is loaded"));
      const late = `not loaded after ${LOAD_LIMIT_MS / 1_000} s: it loops, or awaits something, while it is loaded`;
      timer = setTimeout(() => failed(late), LOAD_LIMIT_MS);
    });
  } finally {
    clearTimeout(timer);
    await thread.terminate();
  }
}
