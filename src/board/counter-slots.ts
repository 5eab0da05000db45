import { mix } from "../lib/hash-text.ts";
import { type Fingerprint, Mark } from "./fingerprint.ts";

/**
 * The memory of the shared counters: buckets of slots, and how a slot is found, changed
 * and taken over. See `counter-table.ts` for what is counted in them.
 *
 * A slot is the fingerprint of its key, a value, a time of expiry, and whose it is. The
 * value and the time are 64-bit words whose lowest bits are the slot's generation, which
 * changes when another key takes the slot over. A value is changed by comparing and
 * exchanging the word: that fails where the slot is no longer the key's, so no lock is
 * needed. Only who takes a slot over holds the lock of its bucket, for microseconds.
 */

/** Slots in the table. */
export const COUNTER_CAPACITY = 131_072;
const BUCKET_SLOTS = 64;
const BUCKETS = COUNTER_CAPACITY / BUCKET_SLOTS;

/** Bits of the generation; the 53 others hold any whole number that a double holds. */
const GENERATION_BITS = 11n;
const GENERATIONS = 1 << Number(GENERATION_BITS);

const WORDS = COUNTER_CAPACITY * 6 + BUCKETS;
/** Bytes of the table. */
export const COUNTER_BYTES = COUNTER_CAPACITY * 2 * 8 + WORDS * 4;

/** Whose a slot is: of a key that expires, of a key that is held, or (above) what one holder holds. */
export const Owner = { timed: 0, held: -1 } as const;

/** How often, and how long each time, a thread waits for the lock of a bucket, milliseconds. */
const LOCK_TRIES = 200;
const LOCK_WAIT_MS = 5;

/** What a new slot is for. */
export interface SlotUse {
  readonly owner: number;
  /** Microseconds; only for `Owner.timed`. */
  readonly expires: number;
  /** For what a holder holds: the slot of the key itself. */
  readonly link: number;
}

/** The number in a word. */
export const numberIn = (word: bigint): number => Number(word >> GENERATION_BITS);
const generationIn = (word: bigint): number => Number(BigInt.asUintN(Number(GENERATION_BITS), word));
const pack = (number: number, generation: number): bigint =>
  (BigInt(number) << GENERATION_BITS) | BigInt(generation % GENERATIONS);
/** The same word with another number. */
const withNumber = (word: bigint, number: number): bigint => pack(number, generationIn(word));

export class CounterSlots {
  readonly #values: BigUint64Array<SharedArrayBuffer>;
  readonly #expires: BigUint64Array<SharedArrayBuffer>;
  readonly #tags: Int32Array<SharedArrayBuffer>;
  /** Three words for each slot. */
  readonly #rest: Int32Array<SharedArrayBuffer>;
  readonly #owners: Int32Array<SharedArrayBuffer>;
  readonly #links: Int32Array<SharedArrayBuffer>;
  /** 0, or who holds the bucket. */
  readonly #locks: Int32Array<SharedArrayBuffer>;
  /** The value's word as `find` or `take` has seen it. */
  seen = 0n;

  constructor(memory: SharedArrayBuffer) {
    let at = 0;
    const longs = (): BigUint64Array<SharedArrayBuffer> => {
      const view = new BigUint64Array(memory, at, COUNTER_CAPACITY);
      at += view.byteLength;
      return view;
    };
    const words = (count: number): Int32Array<SharedArrayBuffer> => {
      const view = new Int32Array(memory, at, count);
      at += view.byteLength;
      return view;
    };
    this.#values = longs();
    this.#expires = longs();
    this.#tags = words(COUNTER_CAPACITY);
    this.#rest = words(COUNTER_CAPACITY * 3);
    this.#owners = words(COUNTER_CAPACITY);
    this.#links = words(COUNTER_CAPACITY);
    this.#locks = words(BUCKETS);
  }

  /**
   * The slot of a key, whether or not it has expired; -1 where it has none. The value
   * is read before the key is compared: as long as its word stays `seen`, the slot was
   * the key's.
   */
  find(key: Fingerprint): number {
    const tag = key[0];
    const first = bucketOf(key) * BUCKET_SLOTS;
    const start = startOf(key);
    for (let tries = 0; tries < BUCKET_SLOTS; tries++) {
      const slot = first + ((start + tries) % BUCKET_SLOTS);
      const held = Atomics.load(this.#tags, slot);
      if (held === Mark.free) return -1;
      if (held !== tag) continue;
      const word = Atomics.load(this.#values, slot);
      if (Atomics.load(this.#tags, slot) === tag && this.#restIs(slot, key)) {
        this.seen = word;
        return slot;
      }
    }
    return -1;
  }

  /**
   * The slot of a key, taken over from another one or renewed where it has none that
   * lives. -1: every slot of its bucket lives. `holder` is who holds the lock meanwhile.
   */
  take(key: Fingerprint, use: SlotUse, now: number, holder: number): number {
    const bucket = bucketOf(key);
    if (!this.#lock(bucket, holder)) return -1;
    try {
      const own = this.find(key);
      if (own >= 0) {
        // Taking it over fails where somebody has just counted; then it may live.
        while (this.isOver(own, now) && !this.#takeOver(own, key, use)) this.seen = Atomics.load(this.#values, own);
        return own;
      }
      const start = startOf(key);
      for (let tries = 0; tries < BUCKET_SLOTS; tries++) {
        const slot = bucket * BUCKET_SLOTS + ((start + tries) % BUCKET_SLOTS);
        this.seen = Atomics.load(this.#values, slot);
        if (this.isOver(slot, now) && this.#takeOver(slot, key, use)) return slot;
      }
      return -1;
    } finally {
      this.#unlock(bucket, holder);
    }
  }

  /** Whether what was `seen` in a slot counts no longer. */
  isOver(slot: number, now: number): boolean {
    const tag = Atomics.load(this.#tags, slot);
    if (tag === Mark.free || tag === Mark.gone) return true;
    if (Atomics.load(this.#owners, slot) !== Owner.timed) return numberIn(this.seen) === 0;
    return this.expires(slot) <= now;
  }

  /** Microseconds. */
  expires(slot: number): number {
    return numberIn(Atomics.load(this.#expires, slot));
  }

  /** Puts the expiry off; false where the slot is no longer what was `seen`. Before the value is changed. */
  extend(slot: number, expires: number): boolean {
    const before = Atomics.load(this.#expires, slot);
    if (generationIn(before) !== generationIn(this.seen)) return false;
    if (numberIn(before) >= expires) return true;
    return Atomics.compareExchange(this.#expires, slot, before, withNumber(before, expires)) === before;
  }

  /** Changes a value, unless it is no longer what was `seen`. */
  change(slot: number, value: number): boolean {
    const { seen } = this;
    return Atomics.compareExchange(this.#values, slot, seen, withNumber(seen, value)) === seen;
  }

  /** Adds to the value of a slot that cannot be taken over meanwhile; never goes below 0. */
  add(slot: number, amount: number): void {
    do this.seen = Atomics.load(this.#values, slot);
    while (!this.change(slot, Math.max(0, numberIn(this.seen) + amount)));
  }

  link(slot: number, to: number): void {
    Atomics.store(this.#links, slot, to);
  }

  /**
   * What a holder that has ended leaves behind: `each` is called with every slot of what
   * it holds, the slot that this one is linked to, and how much it is.
   */
  forget(holder: number, each: (slot: number, link: number, value: number) => void): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (Atomics.load(this.#locks, bucket) === holder) this.#mend(bucket, holder);
    }
    for (let slot = 0; slot < COUNTER_CAPACITY; slot++) {
      if (Atomics.load(this.#owners, slot) !== holder) continue;
      const value = numberIn(Atomics.load(this.#values, slot));
      if (value > 0) each(slot, Atomics.load(this.#links, slot), value);
    }
  }

  /** Whether `held` is what somebody holds of the key in `slot`. */
  belongTogether(slot: number, held: number): boolean {
    return (
      Atomics.load(this.#owners, slot) === Owner.held &&
      Atomics.load(this.#rest, slot * 3) === Atomics.load(this.#rest, held * 3) &&
      Atomics.load(this.#rest, slot * 3 + 1) === Atomics.load(this.#rest, held * 3 + 1)
    );
  }

  /** With the lock held, from what was `seen`. In this order: nobody finds the old key once the value is new. */
  #takeOver(slot: number, key: Fingerprint, use: SlotUse): boolean {
    const tag = Atomics.exchange(this.#tags, slot, Mark.busy);
    const generation = generationIn(this.seen) + 1;
    const word = pack(0, generation);
    if (Atomics.compareExchange(this.#values, slot, this.seen, word) !== this.seen) {
      Atomics.store(this.#tags, slot, tag);
      return false;
    }
    Atomics.store(this.#rest, slot * 3, key[1]);
    Atomics.store(this.#rest, slot * 3 + 1, key[2]);
    Atomics.store(this.#rest, slot * 3 + 2, key[3]);
    Atomics.store(this.#owners, slot, use.owner);
    Atomics.store(this.#links, slot, use.link);
    Atomics.store(this.#expires, slot, pack(use.expires, generation));
    Atomics.store(this.#tags, slot, key[0]);
    this.seen = word;
    return true;
  }

  #restIs(slot: number, key: Fingerprint): boolean {
    const at = slot * 3;
    return (
      Atomics.load(this.#rest, at) === key[1] &&
      Atomics.load(this.#rest, at + 1) === key[2] &&
      Atomics.load(this.#rest, at + 2) === key[3]
    );
  }

  /** False where the lock could not be had within a second. */
  #lock(bucket: number, holder: number): boolean {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const other = Atomics.compareExchange(this.#locks, bucket, 0, holder);
      if (other === 0) return true;
      Atomics.wait(this.#locks, bucket, other, LOCK_WAIT_MS);
    }
    return false;
  }

  #unlock(bucket: number, holder: number): void {
    Atomics.compareExchange(this.#locks, bucket, holder, 0);
    Atomics.notify(this.#locks, bucket, 1);
  }

  /** Frees what a thread was taking over as it ended, and the bucket. */
  #mend(bucket: number, holder: number): void {
    for (let slot = bucket * BUCKET_SLOTS; slot < (bucket + 1) * BUCKET_SLOTS; slot++) {
      if (Atomics.load(this.#tags, slot) !== Mark.busy) continue;
      const word = pack(0, generationIn(Atomics.load(this.#values, slot)) + 1);
      Atomics.store(this.#values, slot, word);
      Atomics.store(this.#owners, slot, Owner.timed);
      Atomics.store(this.#expires, slot, word);
      Atomics.store(this.#tags, slot, Mark.gone);
    }
    this.#unlock(bucket, holder);
  }
}

const bucketOf = (key: Fingerprint): number => mix(key[0]) % BUCKETS;
/** Where in its bucket a key is looked for first. */
const startOf = (key: Fingerprint): number => key[1] & (BUCKET_SLOTS - 1);
