import { existsSync } from "node:fs";
import { extname, relative, resolve } from "node:path";
import { resourceCheckFor } from "../control/resource-check.ts";
import { loadSettings } from "../settings/load.ts";
import { type Finding, formatFinding, type Settings } from "../settings/settings.ts";
import { checkStandalone } from "../store/check-document.ts";
import type { Place } from "../supervisor/run.ts";
import { ExitCode } from "./exit-codes.ts";
import { loadUserPlugins, type LoadedPlugins } from "./user-plugins.ts";

/**
 * `turnpike test`: prints everything that is wrong with config.yaml, with the plugins of
 * users that it names, and with the standalone file, a line each. `standalone` names the file to check instead of the one
 * that config.yaml leads to; it is checked even where config.yaml cannot be used.
 */
export async function testCommand(place: Place, standalone?: string): Promise<ExitCode> {
  const { settings, findings } = loadSettings({
    prefix: place.prefix,
    ...(place.configFile === undefined ? {} : { configFile: place.configFile }),
  });
  const file = standalone === undefined ? standaloneOf(settings, place) : resolve(standalone);
  const users = await loadUserPlugins(settings);
  const all = [...findings, ...users.findings, ...(file === null ? [] : checkFile(file, settings, users))];
  for (const finding of all) console.error(formatFinding(finding));
  const errors = all.filter((finding) => finding.severity === "error").length;
  if (errors > 0) console.error(`turnpike: ${errors} ${errors === 1 ? "mistake" : "mistakes"}`);
  else console.log("turnpike: the configuration is good");
  return errors === 0 ? ExitCode.ok : ExitCode.failed;
}

/** With unusable settings a standalone file that is there is checked too, so that one run names the mistakes of both. */
function standaloneOf(settings: Settings | null, place: Place): string | null {
  if (settings !== null) {
    const { source } = settings;
    return source.kind === "yaml" || source.kind === "json" ? source.file : null;
  }
  const guess = resolve(place.prefix, "conf", "apisix.yaml");
  return existsSync(guess) ? guess : null;
}

function checkFile(file: string, settings: Settings | null, { table }: LoadedPlugins): readonly Finding[] {
  const { plugins, ...check } = resourceCheckFor(settings, table);
  const format = extname(file) === ".json" ? "json" : "yaml";
  const shown = relative(process.cwd(), file);
  return checkStandalone(file, format, plugins, check).map((finding) => ({
    ...finding,
    file: shown.startsWith("..") ? file : shown,
  }));
}
