import type { Finding, Settings } from "../settings/settings.ts";
import { UserPluginTable } from "../plugins/user/user-plugin-table.ts";

/** The plugins of users that config.yaml names, for checks beside a gateway. */
export interface LoadedPlugins {
  readonly table: UserPluginTable;
  /** What cannot be loaded, and why. */
  readonly findings: readonly Finding[];
}

/** Loads `apisix.extra_plugins`. What cannot be loaded is left out: what uses it is wrong, too. */
export async function loadUserPlugins(settings: Settings | null): Promise<LoadedPlugins> {
  const table = new UserPluginTable();
  const findings: Finding[] = [];
  const { prefix = "", extraPlugins = [] } = settings ?? {};
  for (const entry of extraPlugins) {
    const { loadFresh } = await import("../control/user-plugins/load-fresh.ts");
    const { outcome } = await loadFresh(entry, prefix);
    if (typeof outcome === "string") {
      findings.push(findingOf(outcome));
      continue;
    }
    const taken = outcome.definitions.find(({ name }) => table.ownerOf(name) !== null);
    if (taken === undefined) table.replace(entry, outcome.definitions);
    else findings.push(findingOf(`${entry}: the name ${taken.name} is taken by ${table.ownerOf(taken.name)}`));
  }
  return { table, findings };
}

function findingOf(reason: string): Finding {
  const [, file = "", line = "0", , message = ""] = /^(\S+?)(?::(\d+))?(:\d+)?: (.*)$/s.exec(reason) ?? [];
  return { severity: "error", file, line: Number(line), field: "", message };
}
