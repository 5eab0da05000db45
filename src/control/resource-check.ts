import { checkSupport } from "../compile/unsupported.ts";
import { pickNames } from "../plugin/lazy-map.ts";
import { knownPlugins } from "../plugins/catalogue/index.ts";
import { UserPluginTable } from "../plugins/user/user-plugin-table.ts";
import type { Settings } from "../settings/settings.ts";
import type { ResourceCheck } from "../store/check-resource.ts";

/**
 * What resources are checked with: the plugins that these settings enable, and those of users;
 * all of them without settings.
 */
export function resourceCheckFor(
  settings: Pick<Settings, "plugins" | "streamPlugins" | "pluginAttr"> | null,
  users: UserPluginTable = new UserPluginTable(),
): ResourceCheck {
  if (settings === null) return { plugins: knownPlugins, checkSupport };
  return {
    plugins: users.over(pickNames(knownPlugins, new Set(settings.plugins))),
    streamPlugins: pickNames(knownPlugins, new Set(settings.streamPlugins)),
    pluginAttr: settings.pluginAttr,
    checkSupport,
  };
}
