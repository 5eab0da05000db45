import { dryBatches } from "../batch/dry-batches.ts";
import { notingBodyUses } from "../plugin/body-variables.ts";
import type { BodyUse } from "../plugin/context.ts";
import { dryCounters } from "../plugin/counters.ts";
import { dryMetrics } from "../plugin/metrics.ts";
import { CounterTable } from "../board/counter-table.ts";
import { CounterSource } from "../board/scoped-counters.ts";
import type { Counters } from "../plugin/counters.ts";
import { validatorOf } from "../schema/validate.ts";
import type { ConsumerLookup, PluginDefinition, PluginEnv, PluginHandlers } from "../plugin/plugin.ts";

/** Test support: compiles plugins as the gateway does, after the schema has been checked and defaults filled in. */

/** What a plugin is compiled with; warnings are lost unless replaced. */
export function buildEnv(consumers: Partial<ConsumerLookup> = {}): PluginEnv {
  return {
    consumers: { byKey: () => undefined, byName: () => undefined, ...consumers },
    counters: dryCounters,
    batches: dryBatches,
    owner: "routes/1",
    prefix: "/",
    metrics: dryMetrics,
    attr: {},
    compileOther(plugin) {
      throw new Error(`plugin ${plugin} is not available in this test`);
    },
    upstreamById: () => null,
    compileUpstream: (key) => () => ({ key }),
    warn() {},
  };
}

/** Checks `conf` against the schema (throws with its errors) and compiles it; `bodyUses` are those of its variables. */
export function compileChecked(plugin: PluginDefinition, conf: unknown, env: PluginEnv = buildEnv()): PluginHandlers {
  const checked: unknown = structuredClone(conf);
  const fault = validatorOf(plugin.schema).check(checked);
  if (fault !== null) throw new Error(fault.message);
  const bodyUses = new Set<BodyUse>();
  const handlers = notingBodyUses(bodyUses, () => plugin.compile(checked, env));
  return bodyUses.size === 0 ? handlers : { ...handlers, bodyUses: [...bodyUses] };
}

/** Counters in a table of their own, with a clock that a test turns (microseconds). */
export function buildCounters(clock: { us: number } = { us: 0 }): Counters {
  return new CounterSource(new CounterTable(), () => clock.us).of("test", "test", "");
}
