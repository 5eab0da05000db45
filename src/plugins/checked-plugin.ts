import { validatorOf } from "../schema/validate.ts";
import type { ConsumerLookup, PluginDefinition, PluginEnv, PluginHandlers } from "../plugin/plugin.ts";

/** Test support: compiles plugins as the gateway does, after the schema has been checked and defaults filled in. */

/** What a plugin is compiled with; warnings are lost unless replaced. */
export function buildEnv(consumers: Partial<ConsumerLookup> = {}): PluginEnv {
  return {
    consumers: { byKey: () => undefined, byName: () => undefined, ...consumers },
    attr: {},
    compileOther(plugin) {
      throw new Error(`plugin ${plugin} is not available in this test`);
    },
    upstreamById: () => null,
    compileUpstream: (key) => () => ({ key }),
    warn() {},
  };
}

/** Checks `conf` against the schema (throws with its errors) and compiles it. */
export function compileChecked(plugin: PluginDefinition, conf: unknown, env: PluginEnv = buildEnv()): PluginHandlers {
  const checked: unknown = structuredClone(conf);
  const fault = validatorOf(plugin.schema).check(checked);
  if (fault !== null) throw new Error(fault.message);
  return plugin.compile(checked, env);
}
