import { hashText, mix } from "../lib/hash-text.ts";

/**
 * The health of nodes in shared memory: one place for each node of each checked
 * upstream, under the hash of a key that names both. The control thread alone takes and
 * gives back places; it and every worker count into them, and whoever counts up to a
 * limit turns the state, which all threads see at once.
 *
 * A place is four words: two of the key's hash (0, 0: free), four counts of eight bits,
 * the state. It is found by linear probing. At 90 % of the capacity no more places are
 * given: what has none is not checked and counts as healthy.
 */

/** Places in the table. */
export const HEALTH_CAPACITY = 65_536;

const MAX_TAKEN = Math.floor(HEALTH_CAPACITY * 0.9);
const PLACE_WORDS = 4;
const Word = { low: 0, high: 1, counts: 2, state: 3 } as const;

/** Words that the table takes on the board. */
export const HEALTH_WORDS = HEALTH_CAPACITY * PLACE_WORDS;

const FREE = 0;
/** Was taken: a search goes on behind it. */
const GIVEN_BACK = -1;

/** What a place says. */
export interface HealthState {
  /** Four counts of eight bits, see `upstream/health.ts`. */
  readonly counts: number;
  readonly healthy: boolean;
}

export class HealthTable {
  /** The table alone. */
  readonly #words: Int32Array<SharedArrayBuffer>;
  #taken: number | null = null;

  /** @param words `HEALTH_WORDS` of the board. */
  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words;
  }

  /** The place of a key, taken where it has none; -1 where the table is full. Control only. */
  claim(key: string): number {
    const found = this.find(key);
    if (found >= 0) return found;
    if (this.taken >= MAX_TAKEN) return -1;
    const [low, high] = hashOf(key);
    let place = firstPlace(low);
    while (!this.#isOpen(place)) place = (place + 1) % HEALTH_CAPACITY;
    const at = place * PLACE_WORDS;
    Atomics.store(this.#words, at + Word.counts, 0);
    Atomics.store(this.#words, at + Word.state, 0);
    Atomics.store(this.#words, at + Word.high, high);
    Atomics.store(this.#words, at + Word.low, low);
    this.#taken = this.taken + 1;
    return place;
  }

  /** The place of a key; -1 where it has none. */
  find(key: string): number {
    const [low, high] = hashOf(key);
    let place = firstPlace(low);
    for (let tries = 0; tries < HEALTH_CAPACITY; tries++) {
      const at = place * PLACE_WORDS;
      const held = Atomics.load(this.#words, at + Word.low);
      const heldHigh = Atomics.load(this.#words, at + Word.high);
      if (held === low && heldHigh === high) return place;
      if (held === FREE && heldHigh === FREE) return -1;
      place = (place + 1) % HEALTH_CAPACITY;
    }
    return -1;
  }

  /** Gives a place back. Control only. */
  release(place: number): void {
    this.#taken = this.taken - 1;
    this.#mark(place, GIVEN_BACK);
    // Where nothing follows no search has to go on: or every search would be a long one some day.
    let last = place;
    if (!this.#isFree((last + 1) % HEALTH_CAPACITY)) return;
    while (this.#isOpen(last) && !this.#isFree(last)) {
      this.#mark(last, FREE);
      last = (last + HEALTH_CAPACITY - 1) % HEALTH_CAPACITY;
    }
  }

  #mark(place: number, mark: number): void {
    const at = place * PLACE_WORDS;
    Atomics.store(this.#words, at + Word.low, mark);
    Atomics.store(this.#words, at + Word.high, mark);
  }

  #isFree(place: number): boolean {
    return this.#isOpen(place) && Atomics.load(this.#words, place * PLACE_WORDS) === FREE;
  }

  /** Gives back every place but these: what an earlier control thread has left. Control only. */
  retain(places: ReadonlySet<number>): void {
    for (let place = 0; place < HEALTH_CAPACITY; place++) {
      if (!this.#isOpen(place) && !places.has(place)) this.release(place);
    }
  }

  /** Whether the place still is the key's. */
  owns(place: number, key: string): boolean {
    const [low, high] = hashOf(key);
    const at = place * PLACE_WORDS;
    return Atomics.load(this.#words, at + Word.low) === low && Atomics.load(this.#words, at + Word.high) === high;
  }

  isHealthy(place: number): boolean {
    return Atomics.load(this.#words, place * PLACE_WORDS + Word.state) === 0;
  }

  read(place: number): HealthState {
    const counts = Atomics.load(this.#words, place * PLACE_WORDS + Word.counts);
    return { counts, healthy: this.isHealthy(place) };
  }

  /**
   * Replaces what the place says by what `next` makes of it, whoever else counts at the
   * same time. True where that turned the state.
   */
  update(place: number, next: (counts: number, healthy: boolean) => HealthState): boolean {
    const at = place * PLACE_WORDS;
    for (;;) {
      const before = this.read(place);
      const after = next(before.counts, before.healthy);
      if (after.counts === before.counts && after.healthy === before.healthy) return false;
      if (Atomics.compareExchange(this.#words, at + Word.counts, before.counts, after.counts) !== before.counts)
        continue;
      if (after.healthy === before.healthy) return false;
      return Atomics.exchange(this.#words, at + Word.state, after.healthy ? 0 : 1) !== (after.healthy ? 0 : 1);
    }
  }

  /** Places that are taken. Counted once for each thread: only control changes their number. */
  get taken(): number {
    if (this.#taken === null) {
      this.#taken = 0;
      for (let place = 0; place < HEALTH_CAPACITY; place++) if (!this.#isOpen(place)) this.#taken++;
    }
    return this.#taken;
  }

  #isOpen(place: number): boolean {
    const low = Atomics.load(this.#words, place * PLACE_WORDS + Word.low);
    const high = Atomics.load(this.#words, place * PLACE_WORDS + Word.high);
    return low === high && (low === FREE || low === GIVEN_BACK);
  }
}

/** 64 bits of a key that are neither of the two marks. What stands before the key makes the second half another hash. */
function hashOf(key: string): readonly [low: number, high: number] {
  const low = hashText(key) | 0;
  const high = hashText(`\n${key}`) | 0;
  return low === high ? [low, high ^ 1] : [low, high];
}

function firstPlace(low: number): number {
  return mix(low) % HEALTH_CAPACITY;
}
