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
  readonly #slots: Set<Timed>[] = Array.from({ length: SLOTS }, () => new Set());
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

  /** No deadline for now; the wheel lets go of it when its turn comes. */
  clear(timed: Timed): void {
    timed.deadline = Infinity;
  }

  /** No deadline ever again: the wheel does not hold on to what is gone. */
  forget(timed: Timed): void {
    timed.deadline = Infinity;
    this.#take(timed);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Puts it where it comes due, unless it is due earlier anyway. */
  #place(timed: Timed): void {
    const ticks = Math.ceil((timed.deadline - this.#tickTime) / TICK_MS) + 1;
    const due = this.#tick + Math.min(SLOTS - 1, Math.max(1, ticks));
    if (timed.dueTick >= 0 && timed.dueTick <= due) return;
    this.#take(timed);
    timed.dueTick = due;
    this.#slots[due % SLOTS]!.add(timed);
  }

  #take(timed: Timed): void {
    if (timed.dueTick < 0) return;
    this.#slots[timed.dueTick % SLOTS]!.delete(timed);
    timed.dueTick = -1;
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
    if (due.size === 0) return;
    this.#slots[slot] = new Set();
    for (const timed of due) {
      // Another one that came due has let it go, or placed it anew.
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
