import { isFields } from "./merge-patch.ts";
import type { ResourceDeps } from "./deps.ts";
import type { AdminKind } from "./resource-kinds.ts";
import { parseStored } from "./shown-resource.ts";

/** Who else has what only one may have, in APISIX's words; `null`: nobody. */
export async function findClash(
  deps: ResourceDeps,
  kind: AdminKind,
  id: string,
  value: unknown,
): Promise<string | null> {
  switch (kind) {
    case "global_rules":
      return await findRuleClash(deps, id, value);
    case "consumers":
    case "credentials":
      return deps.loaded.clash(kind, id, value);
    default:
      return null;
  }
}

/** A plugin may stand in one global rule. There are few, so the store itself is asked: it knows what was written just now. */
async function findRuleClash({ repository }: ResourceDeps, id: string, value: unknown): Promise<string | null> {
  const names = pluginNames(value);
  const { values } = await repository.list("global_rules/");
  for (const stored of values) {
    const other = stored.key.slice("global_rules/".length);
    const taken = new Set(pluginNames(parseStored(stored)));
    const clash = other === id ? undefined : names.find((name) => taken.has(name));
    if (clash !== undefined) return `plugin '${clash}' already exists in global rule with id '${other}'`;
  }
  return null;
}

function pluginNames(rule: unknown): readonly string[] {
  return isFields(rule) && isFields(rule.plugins) ? Object.keys(rule.plugins) : [];
}
