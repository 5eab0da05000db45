import { isFields } from "./merge-patch.ts";
import { parseKey } from "../../source/keyed-layout.ts";
import { describeClash } from "../../store/resource.ts";
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
      return deps.loaded.clash(kind, id, value) ?? (await findUnloadedClash(deps, kind, id, value));
    default:
      return null;
  }
}

/** What this node cannot run it does not load: who claims through such a plugin is looked up in the store. */
async function findUnloadedClash(
  { repository, rules, cipher }: ResourceDeps,
  kind: AdminKind,
  id: string,
  value: unknown,
): Promise<string | null> {
  const claims = hasPlugins(value) ? rules.unloadedClaims(kind, value) : [];
  if (claims.length === 0) return null;
  const { values } = await repository.list("consumers/");
  for (const stored of values) {
    const name = parseKey(stored.key);
    if (name === null || (name.kind === kind && name.id === id)) continue;
    const other = cipher.decrypt(name.kind, parseStored(stored));
    if (!hasPlugins(other)) continue;
    const taken = new Set(rules.unloadedClaims(name.kind, other).map(({ key }) => key));
    const clash = claims.find(({ key }) => taken.has(key));
    if (clash !== undefined) return describeClash(clash, name);
  }
  return null;
}

/** What others have stored need not be sound. */
function hasPlugins(value: unknown): boolean {
  return isFields(value) && isFields(value.plugins) && Object.values(value.plugins).every(isFields);
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
