/** Something with a plan that is compiled when it is asked for. */
export interface Dependent {
  plan: object | null;
  /** Keys of the resources that `plan` was made from. */
  dependencies: readonly string[];
}

/** Which compiled plans were made from which resources. */
export class Dependents {
  readonly #entries = new Map<string, Set<Dependent>>();

  /** Notes that `entry.plan` was made from `entry.dependencies`. */
  add(entry: Dependent): void {
    for (const key of entry.dependencies) {
      const entries = this.#entries.get(key);
      if (entries === undefined) this.#entries.set(key, new Set([entry]));
      else entries.add(entry);
    }
  }

  /** Drops the plan of one route. */
  drop(entry: Dependent): void {
    for (const key of entry.dependencies) {
      const entries = this.#entries.get(key);
      if (entries?.delete(entry) === true && entries.size === 0) this.#entries.delete(key);
    }
    entry.plan = null;
    entry.dependencies = [];
  }

  /** Drops every plan that was made from the resource; the next match compiles it anew. */
  dropAll(key: string): void {
    for (const entry of this.#entries.get(key) ?? []) this.drop(entry);
  }
}
