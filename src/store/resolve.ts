import { formatPath } from "../source/document.ts";
import { describeClash, describeReference, fits, type Reference, type Resource } from "./resource.ts";

/** A resource as a document has it: good by itself, or not. */
export interface Entry {
  /** `<kind>/<id>`, once per document. */
  readonly key: string;
  readonly checked: Resource | Reason;
}

/** Why a resource is rejected. */
export interface Reason {
  readonly error: string;
  /** Where, as in `upstream.nodes`; `""`: the resource as a whole. */
  readonly field: string;
}

/** The part of a configuration that is decided anew. */
export interface Scope {
  /** Whether the source has a key that is outside; what is only kept for others has no say. */
  isWanted(key: string): boolean;
  /** What of the others is rejected, and why. */
  readonly reasons: ReadonlyMap<string, Reason>;
  /** Nothing outside may depend on what is inside. */
  readonly keys: ReadonlySet<string>;
}

/** What serves once entries are applied. */
export interface Resolution {
  readonly serving: ReadonlyMap<string, Resource>;
  /** Key of what is rejected to the reason. */
  readonly reasons: ReadonlyMap<string, Reason>;
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
 *
 * With a scope only its keys are decided, the others serve what is held.
 */
export function resolve(
  entries: readonly Entry[],
  held: ReadonlyMap<string, Resource>,
  scope: Scope | null = null,
): Resolution {
  const resolver = new Resolver(entries, held, scope);
  // Dangling ones first: what they let go of, others may claim.
  while (resolver.demoteDangling() || resolver.demoteClashing()) continue;
  resolver.retain();
  return resolver;
}

class Resolver implements Resolution {
  readonly serving = new Map<string, Resource>();
  readonly reasons = new Map<string, Reason>();
  readonly #entries: readonly Entry[];
  readonly #held: ReadonlyMap<string, Resource>;
  readonly #scope: Scope | null;

  constructor(entries: readonly Entry[], held: ReadonlyMap<string, Resource>, scope: Scope | null) {
    this.#entries = entries;
    this.#held = held;
    this.#scope = scope;
    for (const { key, checked } of entries) {
      if ("error" in checked) this.#demote(key, checked);
      else this.serving.set(key, checked);
    }
  }

  #outside(key: string): Scope | null {
    return this.#scope === null || this.#scope.keys.has(key) ? null : this.#scope;
  }

  /** What serves under the key. */
  #target(key: string): Resource | undefined {
    const outside = this.#outside(key);
    if (outside === null) return this.serving.get(key);
    return outside.isWanted(key) ? this.#held.get(key) : undefined;
  }

  /** Why a reference does not hold; `null`: it does. */
  #danglingState(reference: Reference): string | null {
    const target = this.#target(reference.key);
    if (target !== undefined) return fits(reference, target) ? null : `is not of type ${reference.type}`;
    const why = (this.#outside(reference.key) ?? this).reasons.get(reference.key);
    return why === undefined ? "does not exist" : `was rejected: ${why.error}`;
  }

  /** Turns to the previous version. */
  #demote(key: string, { error, field }: Reason): void {
    this.reasons.set(key, { error, field });
    const previous = this.#held.get(key);
    if (previous === undefined) this.serving.delete(key);
    else this.serving.set(key, previous);
  }

  /**
   * True where something was rejected. Previous versions never clash with each other and
   * go first; then what serves already and has not changed, so that a newcomer turns out nobody.
   */
  demoteClashing(): boolean {
    const owners = new Map<string, Resource>();
    const rejected = this.reasons.size;
    const claiming = this.#entries.flatMap(({ key }) => {
      const resource = this.serving.get(key);
      return resource === undefined || resource.claims.length === 0 ? [] : [{ key, resource }];
    });
    const rank = ({ key, resource }: (typeof claiming)[number]): number => {
      if (this.reasons.has(key)) return 0;
      return this.#held.get(key)?.text === resource.text ? 1 : 2;
    };
    const ranked = claiming.map((one) => ({ ...one, rank: rank(one) })).sort((a, b) => a.rank - b.rank);
    for (const { key, resource, rank: seniority } of ranked) {
      const clash = seniority === 0 ? undefined : resource.claims.find((claim) => owners.has(claim.key));
      const owner = clash === undefined ? undefined : owners.get(clash.key);
      if (clash !== undefined && owner !== undefined) {
        this.#demote(key, { error: describeClash(clash, owner), field: formatPath(clash.path) });
      } else for (const claim of resource.claims) owners.set(claim.key, resource);
    }
    return this.reasons.size > rejected;
  }

  /** True where something was rejected or dropped. */
  demoteDangling(): boolean {
    let changed = false;
    for (const { key } of this.#entries) {
      const resource = this.serving.get(key);
      if (resource === undefined || resource.references.length === 0) continue;
      const missing = resource.references.find((reference) => this.#danglingState(reference) !== null);
      if (missing === undefined) continue;
      if (!this.reasons.has(key)) {
        const state = this.#danglingState(missing);
        this.#demote(key, { error: `${describeReference(key, missing)}, which ${state}`, field: missing.field });
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
        const needed = this.#target(key) === undefined ? this.#held.get(key) : undefined;
        if (needed === undefined) continue;
        this.serving.set(key, needed);
        open.push(needed);
      }
    }
  }
}
