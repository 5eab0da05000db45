import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { reasonOf } from "../lib/errors.ts";
import { loadSettings } from "../settings/load.ts";
import { formatFinding } from "../settings/settings.ts";
import { exportDocument } from "../store/export-document.ts";
import type { Place } from "../supervisor/run.ts";
import { buildStoreCipher, openConfiguredStore } from "./configured-store.ts";
import { ExitCode } from "./exit-codes.ts";
import { loadUserPlugins } from "./user-plugins.ts";
import { processTerminal, type Terminal } from "./status-client.ts";

export interface ExportOptions {
  readonly place: Place;
  /** Where to write to; standard output unless given. */
  readonly output?: string;
}

/**
 * `turnpike export`: writes what the configured store holds as a standalone YAML file with
 * secrets in clear text, mode 0600. The gateway may be running. Fails where something that
 * is stored could not be written; the rest is.
 */
export async function exportCommand(options: ExportOptions, terminal: Terminal = processTerminal): Promise<ExitCode> {
  const { settings, findings } = loadSettings(options.place);
  if (settings === null) {
    for (const finding of findings) terminal.err(formatFinding(finding));
    return ExitCode.failed;
  }
  try {
    const store = openConfiguredStore(settings, "read");
    try {
      const { revision, values } = await store.repository.list("");
      const { table } = await loadUserPlugins(settings);
      const title = `Exported from ${store.name} at its revision ${revision}. Secrets are in clear text.`;
      const exported = exportDocument(values, buildStoreCipher(settings, table), title);
      if (options.output === undefined) terminal.out(exported.text.trimEnd());
      else writePrivately(options.output, exported.text);
      for (const warning of exported.warnings) terminal.err(`turnpike: warning: ${warning}`);
      for (const reason of exported.leftOut) terminal.err(`turnpike: left out: ${reason}`);
      if (options.output !== undefined)
        terminal.err(`turnpike: ${exported.count} resources, revision ${revision}, written to ${options.output}`);
      return exported.leftOut.length === 0 ? ExitCode.ok : ExitCode.failed;
    } finally {
      await store.close();
    }
  } catch (error) {
    terminal.err(`turnpike: not exported: ${reasonOf(error)}`);
    return ExitCode.failed;
  }
}

/** Whole or not at all, and for nobody else to read. */
function writePrivately(file: string, text: string): void {
  const draft = `${file}.${process.pid}.new`;
  const descriptor = openSync(draft, "wx", 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(draft);
    throw error;
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, file);
}
