import { describeClash, describeReference, type Resource } from "./resource.ts";

/** A resource as a document has it: good by itself, or not. */
export interface Entry {
  /** `<kind>/<id>`, once per document. */
  readonly key: string;
  readonly checked: Resource | { readonly error: string };
}

/** What serves once a document is applied. */
export interface Resolution {
  readonly serving: ReadonlyMap<string, Resource>;
  /** Key of what is rejected to the reason. */
  readonly reasons: ReadonlyMap<string, string>;
}

/**
 * Decides which resources serve, so that every reference of what serves holds.
 *
 * - A resource whose reference is not in the document, or is and cannot serve, is
 *   rejected; so is the second one with a consumer's key, or with a global rule's plugin.
 * - A rejected resource keeps its previous version. What that one refers to stays as
 *   long as it is needed, even where the document no longer has it: a route that goes
 *   on serving must not lose its upstream or its plugins.
 * - The exception is the consumer of a credential: who is deleted gets in no more, so
 *   the credential goes with its consumer.
 */
export function resolve(entries: readonly Entry[], held: ReadonlyMap<string, Resource>): Resolution {
  const resolver = new Resolver(entries, held);
  // Dangling ones first: what they let go of, others may claim.
  while (resolver.demoteDangling() || resolver.demoteClashing()) continue;
  resolver.retain();
  return resolver;
}

class Resolver implements Resolution {
  readonly serving = new Map<string, Resource>();
  readonly reasons = new Map<string, string>();
  readonly #entries: readonly Entry[];
  readonly #held: ReadonlyMap<string, Resource>;

  constructor(entries: readonly Entry[], held: ReadonlyMap<string, Resource>) {
    this.#entries = entries;
    this.#held = held;
    for (const { key, checked } of entries) {
      if ("error" in checked) this.#demote(key, checked.error);
      else this.serving.set(key, checked);
    }
  }

  /** Turns to the previous version. */
  #demote(key: string, reason: string): void {
    this.reasons.set(key, reason);
    const previous = this.#held.get(key);
    if (previous === undefined) this.serving.delete(key);
    else this.serving.set(key, previous);
  }

  /** True where something was rejected. Previous versions never clash with each other and go first. */
  demoteClashing(): boolean {
    const owners = new Map<string, Resource>();
    const rejected = this.reasons.size;
    for (const previous of [true, false]) {
      for (const { key } of this.#entries) {
        const resource = this.serving.get(key);
        if (resource === undefined || resource.claims.length === 0 || this.reasons.has(key) !== previous) continue;
        const clash = previous ? undefined : resource.claims.find((claim) => owners.has(claim.key));
        const owner = clash === undefined ? undefined : owners.get(clash.key);
        if (clash !== undefined && owner !== undefined) this.#demote(key, describeClash(clash, owner));
        else for (const claim of resource.claims) owners.set(claim.key, resource);
      }
    }
    return this.reasons.size > rejected;
  }

  /** True where something was rejected or dropped. */
  demoteDangling(): boolean {
    let changed = false;
    for (const { key } of this.#entries) {
      const resource = this.serving.get(key);
      if (resource === undefined || resource.references.length === 0) continue;
      const missing = resource.references.find((reference) => !this.serving.has(reference.key));
      if (missing === undefined) continue;
      if (!this.reasons.has(key)) {
        const why = this.reasons.get(missing.key);
        const state = why === undefined ? "does not exist" : `was rejected: ${why}`;
        this.#demote(key, `${describeReference(key, missing)}, which ${state}`);
        changed = true;
      } else if (resource.kind === "credentials") {
        this.serving.delete(key);
        changed = true;
      }
    }
    return changed;
  }

  /** Keeps what previous versions refer to. */
  retain(): void {
    const open = [...this.reasons.keys()].flatMap((key) => this.serving.get(key) ?? []);
    for (let resource = open.pop(); resource !== undefined; resource = open.pop()) {
      for (const { key } of resource.references) {
        const needed = this.serving.has(key) ? undefined : this.#held.get(key);
        if (needed === undefined) continue;
        this.serving.set(key, needed);
        open.push(needed);
      }
    }
  }
}
