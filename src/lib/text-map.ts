import { mix } from "./hash-text.ts";

/** Cells of one place: hash (0: the place is free), key, value. */
const PLACE = 3;
const KEY = 1;
const VALUE = 2;
/** A power of two. */
const MIN_PLACES = 8;
/** Another one in each process, so that nobody can prepare keys which all want one place. */
const SEED = Math.floor(Math.random() * 0x1_0000_0000);

/**
 * A map for lookups with texts that have just arrived. The `Map` of the language asks for the one copy
 * of such a text in the whole program first (V8 interns keys: a call out of compiled code and a lookup in a table
 * with every name and identifier there is), which costs more than the lookup itself; this one compares texts.
 * Open addressing with linear probing, half full at most.
 */
export class TextMap<V> {
  #cells: unknown[] = freeCells(MIN_PLACES);
  #places = MIN_PLACES;
  #size = 0;
  /** Length of the longest key there has been: nothing longer needs to be read to be looked up. */
  #longest = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    if (key.length > this.#longest) return undefined;
    return this.#cells[this.#find(key, hashOf(key)) + VALUE] as V | undefined;
  }

  set(key: string, value: V): void {
    if (this.#size * 2 >= this.#places) this.#grow();
    const hash = hashOf(key);
    const at = this.#find(key, hash);
    if (this.#cells[at] === 0) this.#size++;
    this.#longest = Math.max(this.#longest, key.length);
    this.#fill(at, hash, key, value);
  }

  /** Sets what may be forgotten: where there are `most` already, all of them are. */
  remember(key: string, value: V, most: number): void {
    if (this.#size >= most) this.clear();
    this.set(key, value);
  }

  /** Returns whether it was there. */
  delete(key: string): boolean {
    const cells = this.#cells;
    let free = this.#find(key, hashOf(key));
    if (cells[free] === 0) return false;
    for (let at = this.#next(free); cells[at] !== 0; at = this.#next(at)) {
      const hash = cells[at] as number;
      const first = this.#first(hash);
      // A lookup that begins behind the free place would not find it there.
      const behind = free < at ? first > free && first <= at : first > free || first <= at;
      if (behind) continue;
      this.#fill(free, hash, cells[at + KEY], cells[at + VALUE]);
      free = at;
    }
    this.#fill(free, 0, undefined, undefined);
    this.#size--;
    return true;
  }

  clear(): void {
    this.#cells = freeCells(MIN_PLACES);
    this.#places = MIN_PLACES;
    this.#size = this.#longest = 0;
  }

  /** Where the key is, or the free place where it would be put. */
  #find(key: string, hash: number): number {
    const cells = this.#cells;
    let at = this.#first(hash);
    while (cells[at] !== 0 && (cells[at] !== hash || cells[at + KEY] !== key)) at = this.#next(at);
    return at;
  }

  #first(hash: number): number {
    return (hash & (this.#places - 1)) * PLACE;
  }

  #next(at: number): number {
    const next = at + PLACE;
    return next === this.#places * PLACE ? 0 : next;
  }

  #fill(at: number, hash: number, key: unknown, value: unknown): void {
    this.#cells[at] = hash;
    this.#cells[at + KEY] = key;
    this.#cells[at + VALUE] = value;
  }

  #grow(): void {
    const before = this.#cells;
    this.#places *= 2;
    this.#cells = freeCells(this.#places);
    for (let from = 0; from < before.length; from += PLACE) {
      const hash = before[from] as number;
      if (hash === 0) continue;
      let at = this.#first(hash);
      while (this.#cells[at] !== 0) at = this.#next(at);
      this.#fill(at, hash, before[from + KEY], before[from + VALUE]);
    }
  }
}

/** 30 bits, which V8 keeps without memory of their own; never 0. */
function hashOf(key: string): number {
  let hash = SEED;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return mix(hash) >>> 2 || 1;
}

function freeCells(places: number): unknown[] {
  return Array.from({ length: places * PLACE }, (_, i) => (i % PLACE === 0 ? 0 : undefined));
}
