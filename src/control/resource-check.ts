import { checkSupport } from "../compile/unsupported.ts";
import { notYet, plugins } from "../plugins/index.ts";
import type { Settings } from "../settings/settings.ts";
import type { ResourceCheck } from "../store/check-resource.ts";

/** What resources are checked with: the plugins that these settings enable; all of them without settings. */
export function resourceCheckFor(settings: Pick<Settings, "plugins" | "pluginAttr"> | null): ResourceCheck {
  const explainPlugin = (name: string): string | null => (notYet.has(name) ? "not available in this version" : null);
  if (settings === null) return { plugins, checkSupport, explainPlugin };
  const enabled = new Set(settings.plugins);
  return {
    plugins: new Map([...plugins].filter(([name]) => enabled.has(name))),
    pluginAttr: settings.pluginAttr,
    checkSupport,
    explainPlugin,
  };
}
