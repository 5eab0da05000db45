/** A map of which it is known what it has under a name; the rest follows from that. */
abstract class MapView<Value> implements ReadonlyMap<string, Value> {
  abstract has(name: string): boolean;
  abstract get(name: string): Value | undefined;
  abstract keys(): MapIterator<string>;

  get size(): number {
    return [...this.keys()].length;
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
    return new Map(Array.from(this.keys(), (name) => [name, this.get(name) as Value]));
  }
}

/**
 * A map whose values are made when they are first asked for: a plugin that no
 * configuration names costs a thread nothing. Iterating over values or entries
 * makes all of them.
 */
class LazyMap<Value> extends MapView<Value> {
  readonly #loaders: ReadonlyMap<string, () => Value>;
  readonly #loaded = new Map<string, Value>();

  constructor(loaders: ReadonlyMap<string, () => Value>) {
    super();
    this.#loaders = loaders;
  }

  override get size(): number {
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
}

/** The part of a map whose names are in a set, as both are at the time of the call. */
class PartialMap<Value> extends MapView<Value> {
  readonly #map: ReadonlyMap<string, Value>;
  readonly #names: ReadonlySet<string>;

  constructor(map: ReadonlyMap<string, Value>, names: ReadonlySet<string>) {
    super();
    this.#map = map;
    this.#names = names;
  }

  has(name: string): boolean {
    return this.#names.has(name) && this.#map.has(name);
  }

  get(name: string): Value | undefined {
    return this.#names.has(name) ? this.#map.get(name) : undefined;
  }

  keys(): MapIterator<string> {
    return this.#map.keys().filter((name) => this.#names.has(name)) as MapIterator<string>;
  }
}

/** A map with another one before it, as both are at the time of the call. */
class LayeredMap<Value> extends MapView<Value> {
  readonly #upper: ReadonlyMap<string, Value>;
  readonly #lower: ReadonlyMap<string, Value>;

  constructor(upper: ReadonlyMap<string, Value>, lower: ReadonlyMap<string, Value>) {
    super();
    this.#upper = upper;
    this.#lower = lower;
  }

  has(name: string): boolean {
    return this.#upper.has(name) || this.#lower.has(name);
  }

  get(name: string): Value | undefined {
    return this.#upper.get(name) ?? this.#lower.get(name);
  }

  keys(): MapIterator<string> {
    return new Set([...this.#lower.keys(), ...this.#upper.keys()]).keys() as MapIterator<string>;
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
  return new PartialMap(map, names);
}

/** What `upper` has, else what `lower` has; both may change afterwards. */
export function layered<Value>(
  upper: ReadonlyMap<string, Value>,
  lower: ReadonlyMap<string, Value>,
): ReadonlyMap<string, Value> {
  return new LayeredMap(upper, lower);
}
