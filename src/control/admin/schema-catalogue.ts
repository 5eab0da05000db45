import type { PluginRegistry, Subsystem } from "../../plugin/plugin.ts";
import { pickNames } from "../../plugin/lazy-map.ts";
import { knownPlugins } from "../../plugins/catalogue/index.ts";
import { plugins } from "../../plugins/index.ts";
import { UserPluginTable } from "../../plugins/user/user-plugin-table.ts";
import { describePlugins, enabledPlugins, pluginNames, pluginSchema } from "../../plugins/plugin-answers.ts";
import type { Kind } from "../../schema/kinds.ts";
import type { Settings } from "../../settings/settings.ts";
import { resourceSchemas } from "../../schema/resource-schemas.ts";
import { validateResource } from "../../schema/validate.ts";
import { validate, type ResourceCheck } from "../../store/check-resource.ts";
import type { LoadedView } from "../../store/loaded-view.ts";
import { claimsOf } from "../../store/resource.ts";
import type { AdminCatalogue } from "./catalogue.ts";
import { contentFault } from "./content-rules.ts";

/** The schemas and rules of this gateway, with the plugins of these names and those of users; `loaded` knows their metadata. */
export function buildCatalogue(
  { plugins: names, streamPlugins, pluginAttr }: Pick<Settings, "plugins" | "streamPlugins" | "pluginAttr">,
  loaded: Pick<LoadedView, "get">,
  users: UserPluginTable = new UserPluginTable(),
): AdminCatalogue {
  const enabled = enabledPlugins(names, streamPlugins, users);
  const metadata = (name: string): Readonly<Record<string, unknown>> | undefined => loaded.get("plugin_metadata", name);
  const notRun = pickNames(enabled.http, new Set(names.filter((name) => !plugins.has(name))));
  const checks = {
    http: { plugins: enabled.http, pluginAttr, metadata },
    stream: { plugins: enabled.stream, pluginAttr, metadata },
    // Plugins may have metadata before they are turned on.
    metadata: { plugins: users.over(knownPlugins), metadata },
  } satisfies Record<string, ResourceCheck>;
  const checkOf = (kind: Kind): ResourceCheck =>
    kind === "plugin_metadata" ? checks.metadata : kind === "stream_routes" ? checks.stream : checks.http;
  return {
    validate: (kind, id, value) => validate(kind, id, value, checkOf(kind)) ?? contentFault(kind, value),
    unloadedClaims: (kind, value) => claimsOf(kind, value, notRun),
    validateSchema(kind, value) {
      const checked = validateResource(kind, value);
      return "fault" in checked ? checked.fault.message : null;
    },
    pluginNames: (subsystem) => pluginNames(enabled[subsystem], subsystem),
    pluginAttributes: (subsystem) => describePlugins(enabled[subsystem], subsystem),
    pluginSchema(name, subsystem, schemaType) {
      const plugin = find(enabled[subsystem], name, subsystem);
      return plugin === undefined ? null : pluginSchema(plugin, schemaType);
    },
    namedSchema: (name) => (Object.hasOwn(resourceSchemas, name) ? (resourceSchemas[name] ?? null) : null),
  };
}

function find(plugins: PluginRegistry, name: string, subsystem: Subsystem): ReturnType<PluginRegistry["get"]> {
  const plugin = plugins.get(name);
  return (plugin?.subsystems ?? ["http"]).includes(subsystem) ? plugin : undefined;
}
