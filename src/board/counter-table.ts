import { NOT_COUNTED, NOT_HELD, Outcome } from "../lib/count-outcome.ts";
import type { WorkerRecord } from "./board.ts";
import { COUNTER_BYTES, CounterSlots, numberIn, Owner, type SlotUse } from "./counter-slots.ts";
import { type Fingerprint, heldBy } from "./fingerprint.ts";

/**
 * Counters that all workers share, exact whoever counts at the same time. The memory is
 * the supervisor's, so that a count survives the death of a worker and a reload.
 *
 * There are 131,072 places in buckets of 64. A key that has expired gives its place to
 * the next one; a key that lives never does. Where all places of a key's bucket live,
 * which begins to happen when about 80,000 keys live at the same time, the key cannot be
 * counted and the caller is told so: that is for him to decide, because to forget
 * another key's count would let through what it was to keep out.
 */

/** Who counts as the thread of a record. */
export const holderOf = (record: WorkerRecord): number => record.index + 1;

/** A hold is two slots in one number. */
const HOLD_BASE = 2 ** 20;

export class CounterTable {
  readonly memory: SharedArrayBuffer;
  /** The value after the last `update` or `hold`. */
  value = 0;
  /** When that value expires, microseconds of `monotonicUs`. */
  expires = 0;
  readonly #slots: CounterSlots;
  readonly #holder: number;

  /** @param holder Who counts: above 0, and no other thread's. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(COUNTER_BYTES), holder = 1) {
    this.memory = memory;
    this.#slots = new CounterSlots(memory);
    this.#holder = holder;
  }

  /**
   * Replaces the value of a key by `next` of it; a key that has none begins at 0 and
   * expires after `ttl` microseconds. `next` may be called several times and returns a
   * whole number from 0 to 2^53 - 1, or -1: leave it. With `extend` the time begins
   * anew with each change: the key is kept for `ttl` after it, or up to twice as long.
   */
  update(key: Fingerprint, now: number, ttl: number, extend: boolean, next: (value: number) => number): Outcome {
    const slots = this.#slots;
    for (;;) {
      let slot = slots.find(key);
      if (slot < 0 || slots.isOver(slot, now)) {
        const use = { owner: Owner.timed, expires: now + (extend ? 2 * ttl : ttl), link: 0 };
        slot = slots.take(key, use, now, this.#holder);
        if (slot < 0) return Outcome.full;
      }
      const expires = slots.expires(slot);
      const before = numberIn(slots.seen);
      const after = next(before);
      if (after < 0) {
        this.value = before;
        this.expires = expires;
        return Outcome.kept;
      }
      if (extend && expires - now < ttl && !slots.extend(slot, now + 2 * ttl)) continue;
      if (!slots.change(slot, after)) continue;
      this.value = after;
      this.expires = expires;
      return Outcome.changed;
    }
  }

  /** The value of a key; 0 where it has none or has expired. */
  peek(key: Fingerprint, now: number): number {
    const slot = this.#slots.find(key);
    return slot < 0 || this.#slots.isOver(slot, now) ? 0 : numberIn(this.#slots.seen);
  }

  /**
   * Counts one more holder of a key, unless `limit` are there. Returns what `giveBack`
   * takes; `NOT_HELD` or `NOT_COUNTED` (negative) where nothing was counted. `value` is
   * how many there are now.
   */
  hold(key: Fingerprint, limit: number): number {
    const slots = this.#slots;
    let own = -1;
    for (;;) {
      const slot = this.#slotOf(key, { owner: Owner.held, expires: 0, link: 0 });
      const word = slots.seen;
      const before = numberIn(word);
      this.value = before;
      if (slot < 0 || before >= limit) {
        if (own >= 0) slots.add(own, -1);
        return slot < 0 ? NOT_COUNTED : NOT_HELD;
      }
      if (own < 0) {
        // Noted first: were it noted last, the death of this thread in between would leave a count for ever.
        own = this.#slotOf(heldBy(key, this.#holder), { owner: this.#holder, expires: 0, link: slot });
        if (own < 0) return NOT_COUNTED;
        slots.link(own, slot);
        if (!slots.change(own, numberIn(slots.seen) + 1)) {
          own = -1;
          continue;
        }
      } else slots.link(own, slot);
      slots.seen = word;
      if (!slots.change(slot, before + 1)) continue;
      this.value = before + 1;
      return slot * HOLD_BASE + own;
    }
  }

  /** Counts a holder down; once for each hold. */
  giveBack(hold: number): void {
    this.#slots.add(Math.trunc(hold / HOLD_BASE), -1);
    this.#slots.add(hold % HOLD_BASE, -1);
  }

  /** Gives back everything that a thread held when it ended. Supervisor only, when the thread is gone. */
  forget(holder: number): void {
    const slots = this.#slots;
    slots.forget(holder, (slot, link, value) => {
      if (slots.belongTogether(link, slot)) slots.add(link, -value);
      slots.add(slot, -value);
    });
  }

  #slotOf(key: Fingerprint, use: SlotUse): number {
    const slot = this.#slots.find(key);
    return slot >= 0 ? slot : this.#slots.take(key, use, 0, this.#holder);
  }
}
