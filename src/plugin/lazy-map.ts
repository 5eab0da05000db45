/**
 * A map whose values are made when they are first asked for: a plugin that no
 * configuration names costs a thread nothing. Iterating over values or entries
 * makes all of them.
 */
class LazyMap<Value> implements ReadonlyMap<string, Value> {
  readonly #loaders: ReadonlyMap<string, () => Value>;
  readonly #loaded = new Map<string, Value>();

  constructor(loaders: ReadonlyMap<string, () => Value>) {
    this.#loaders = loaders;
  }

  get size(): number {
    return this.#loaders.size;
  }

  has(name: string): boolean {
    return this.#loaders.has(name);
  }

  get(name: string): Value | undefined {
    const loaded = this.#loaded.get(name);
    if (loaded !== undefined) return loaded;
    const value = this.#loaders.get(name)?.();
    if (value !== undefined) this.#loaded.set(name, value);
    return value;
  }

  keys(): MapIterator<string> {
    return this.#loaders.keys();
  }

  values(): MapIterator<Value> {
    return this.#all().values();
  }

  entries(): MapIterator<[string, Value]> {
    return this.#all().entries();
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, name: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [name, value] of this.entries()) visit(value, name, this);
  }

  #all(): Map<string, Value> {
    return new Map(Array.from(this.#loaders.keys(), (name) => [name, this.get(name) as Value]));
  }
}

/** A map that makes the value of a name with its loader, once. */
export function lazyMap<Value>(
  loaders: Iterable<readonly [name: string, load: () => Value]>,
): ReadonlyMap<string, Value> {
  return new LazyMap(new Map(loaders));
}

/** The part of a map whose names are in `names`; nothing is loaded by that. */
export function pickNames<Value>(
  map: ReadonlyMap<string, Value>,
  names: ReadonlySet<string>,
): ReadonlyMap<string, Value> {
  const picked = [...map.keys()].filter((name) => names.has(name));
  return lazyMap(picked.map((name) => [name, () => map.get(name) as Value] as const));
}
