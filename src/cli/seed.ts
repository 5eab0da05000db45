import { relative } from "node:path";
import { collectIfLarge } from "../lib/collect-garbage.ts";
import { runningPid } from "../supervisor/pid-file.ts";
import { loadSettings } from "../settings/load.ts";
import { createEmbeddedStore, type EmbeddedStore } from "../source/embedded/embedded-store.ts";
import { FIRST_REVISION } from "../source/embedded/schema.ts";
import type { Place } from "../supervisor/run.ts";
import { processTerminal, type Terminal } from "./status-client.ts";

/**
 * `turnpike start --seed FILE`: imports the file into an embedded store that was never
 * written to. False where that fails: the gateway is not to start. What is wrong with the
 * settings or the store itself is left for the start to say.
 */
export async function seedStore(place: Place, file: string, terminal: Terminal = processTerminal): Promise<boolean> {
  const { settings } = loadSettings(place);
  if (settings === null || runningPid(place.prefix) !== null) return true;
  const { source } = settings;
  if (source.kind !== "embedded") {
    terminal.err(`turnpike: --seed is not used: config_provider is ${source.kind}, not embedded`);
    return true;
  }
  const store = createEmbeddedStore(source.file);
  if (!(await isUnused(store))) {
    store.close();
    return true;
  }
  // Loaded when it is needed: every other start is to be quick.
  const { explainFailure, plannerOf, readImportFile, writeAtOnce } = await import("./import-file.ts");
  try {
    const { plan } = await writeAtOnce(store, await plannerOf(readImportFile(file), "merge", settings));
    const into = relative(process.cwd(), source.file);
    terminal.err(`turnpike: first start: ${plan.changes.length} resources of ${file} were imported into ${into}`);
    return true;
  } catch (error) {
    explainFailure(error, terminal);
    return false;
  } finally {
    store.close();
    // This thread becomes the supervisor, and hardly allocates any more.
    setImmediate(collectIfLarge);
  }
}

/** Whether nothing was ever written; a store that cannot be opened counts as used. */
async function isUnused(store: EmbeddedStore): Promise<boolean> {
  try {
    store.open();
  } catch {
    return false;
  }
  return (await store.list("")).revision === FIRST_REVISION;
}
