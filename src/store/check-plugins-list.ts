import { canonicalJson } from "../lib/canonical-json.ts";
import { nearestName } from "../lib/nearest-name.ts";
import { pickNames } from "../plugin/lazy-map.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import { pluginsListSchema, type PluginsListEntry } from "../schema/plugins-list.ts";
import { validatorOf } from "../schema/validate.ts";
import { plainFault, toFault, type Fault } from "./check-plugins.ts";
import { buildResource, type Resource } from "./resource.ts";

/** A document's own list of plugins: the resource, and the plugins that it leaves enabled. */
export interface PluginsListCheck {
  readonly faults: readonly Fault[];
  readonly resource: Resource;
  readonly enabled: PluginRegistry;
}

/**
 * Checks the list `plugins` of a document. Plugins for streams are not judged: none
 * of them is run by this version.
 */
export function checkPluginsList(list: unknown, registry: PluginRegistry): PluginsListCheck {
  const faults: Fault[] = validatorOf(pluginsListSchema).checkAll(list).map(toFault);
  const names = new Set<string>();
  if (faults.length === 0) {
    for (const [index, { name, stream }] of (list as readonly PluginsListEntry[]).entries()) {
      if (stream === true) continue;
      names.add(name);
      if (registry.has(name)) continue;
      const near = nearestName(name, registry.keys());
      const hint = near === null ? "" : `; did you mean ${near}?`;
      faults.push(plainFault([index, "name"], `unknown plugin [${name}]${hint}`));
    }
  }
  return {
    faults,
    resource: buildResource("plugins", "plugins", list, canonicalJson(list), registry),
    enabled: pickNames(registry, names),
  };
}
