import type { Links } from "./links.ts";
import type { Resource } from "./resource.ts";

/** What `affectedBy` looks at. */
export interface Surroundings {
  readonly links: Links;
  readonly held: ReadonlyMap<string, Resource>;
  /** Whether the source has the key. */
  isWanted(key: string): boolean;
}

/**
 * Every key whose resolution may depend on that of `changed`: who refers to one of them,
 * who claims the same, what is only kept because one of them needs it, and so on from there.
 */
export function affectedBy(changed: Iterable<string>, { links, held, isWanted }: Surroundings): Set<string> {
  const affected = new Set<string>();
  const open = [...changed];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (affected.has(key)) continue;
    affected.add(key);
    open.push(...links.dependents(key), ...links.rivals(key));
    for (const target of links.targets(key)) if (!isWanted(target) && held.has(target)) open.push(target);
  }
  return affected;
}
