/**
 * One coarse timer for very many deadlines. Moving a deadline is a write to a number:
 * whoever comes due too early is put back. Deadlines are met late by up to two ticks,
 * never early.
 */

/** Something with one deadline at a time; the wheel keeps its books in `dueTick`. */
export interface Timed {
  /** On the clock of the wheel, milliseconds; `Infinity`: none. */
  deadline: number;
  /** Owned by the wheel; starts at -1. */
  dueTick: number;
  /** Called when the deadline has passed; it is `Infinity` again by then. */
  expired(): void;
}

const TICK_MS = 50;
const SLOTS = 1024;

export class TimerWheel {
  /** The time that deadlines are set from: at most one tick behind `performance.now()`. */
  now = performance.now();
  #tick = 0;
  #tickTime = this.now;
  readonly #slots: Timed[][] = Array.from({ length: SLOTS }, () => []);
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#advance(), TICK_MS);
    this.#timer.unref();
  }

  /** Sets the deadline `ms` from now; 0 means none. */
  set(timed: Timed, ms: number): void {
    timed.deadline = ms > 0 ? this.now + ms : Infinity;
    if (ms > 0) this.#place(timed);
  }

  /** No deadline any more; the wheel lets go of it when its turn comes. */
  clear(timed: Timed): void {
    timed.deadline = Infinity;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Puts it where it comes due, unless it is due earlier anyway. */
  #place(timed: Timed): void {
    const ticks = Math.ceil((timed.deadline - this.#tickTime) / TICK_MS) + 1;
    const due = this.#tick + Math.min(SLOTS - 1, Math.max(1, ticks));
    if (timed.dueTick >= 0 && timed.dueTick <= due) return;
    timed.dueTick = due;
    this.#slots[due % SLOTS]!.push(timed);
  }

  #advance(): void {
    this.now = performance.now();
    while (this.#tickTime + TICK_MS <= this.now) {
      this.#tickTime += TICK_MS;
      this.#tick++;
      this.#turn();
    }
  }

  #turn(): void {
    const slot = this.#tick % SLOTS;
    const due = this.#slots[slot]!;
    if (due.length === 0) return;
    this.#slots[slot] = [];
    for (const timed of due) {
      // It was placed again, earlier, after it had been put here.
      if (timed.dueTick !== this.#tick) continue;
      timed.dueTick = -1;
      if (timed.deadline === Infinity) continue;
      if (timed.deadline > this.now) {
        this.#place(timed);
        continue;
      }
      timed.deadline = Infinity;
      timed.expired();
    }
  }
}
