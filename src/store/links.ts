import { sameItems } from "../lib/same-items.ts";
import type { Resource } from "./resource.ts";

/** What of a key the links are made of: its wanted and its serving version. */
export interface Versions {
  readonly wanted: Resource | undefined;
  readonly held: Resource | undefined;
}

/**
 * Who refers to whom, and who claims what, over wanted and serving versions alike: so
 * that a change is resolved with what it can affect instead of with everything.
 */
export class Links {
  readonly #targets = new Map<string, readonly string[]>();
  readonly #claims = new Map<string, readonly string[]>();
  readonly #dependents = new Map<string, Set<string>>();
  readonly #claimants = new Map<string, Set<string>>();

  /** Takes over what the key refers to and claims now. */
  update(key: string, { wanted, held }: Versions): void {
    relink(this.#targets, this.#dependents, key, namesOf(wanted?.references, held?.references));
    relink(this.#claims, this.#claimants, key, namesOf(wanted?.claims, held?.claims));
  }

  /** Keys that refer to `key`. */
  dependents(key: string): Iterable<string> {
    return this.#dependents.get(key) ?? [];
  }

  /** What the key refers to. */
  targets(key: string): readonly string[] {
    return this.#targets.get(key) ?? [];
  }

  /** Keys that claim something that `key` claims, itself among them. */
  *rivals(key: string): Iterable<string> {
    for (const claim of this.#claims.get(key) ?? []) yield* this.#claimants.get(claim) ?? [];
  }

  /** Keys that claim `claim`. */
  claimants(claim: string): Iterable<string> {
    return this.#claimants.get(claim) ?? [];
  }
}

const NONE: readonly string[] = [];

function namesOf(
  one: readonly { readonly key: string }[] = [],
  other: readonly { readonly key: string }[] = [],
): readonly string[] {
  if (one.length === 0 && other.length === 0) return NONE;
  return [...new Set([...one, ...other].map(({ key }) => key))];
}

function relink(
  forward: Map<string, readonly string[]>,
  backward: Map<string, Set<string>>,
  key: string,
  names: readonly string[],
): void {
  const before = forward.get(key) ?? NONE;
  // Most changes refer to what they referred to, often together with thousands of others.
  if (sameItems(before, names)) return;
  if (names.length === 0) forward.delete(key);
  else forward.set(key, names);
  for (const name of before) {
    const keys = backward.get(name);
    if (keys?.delete(key) === true && keys.size === 0) backward.delete(name);
  }
  for (const name of names) {
    const keys = backward.get(name);
    if (keys === undefined) backward.set(name, new Set([key]));
    else keys.add(key);
  }
}
