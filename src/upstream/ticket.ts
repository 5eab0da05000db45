import type { Timed, TimerWheel } from "../lib/timer-wheel.ts";

/** Who waits for a connection. */
export interface Waiter<Connection> {
  /**
   * Its turn has come: the connection is its own, open or being opened. `leftMs`: what is
   * left of the time to connect, 0 for no limit.
   */
  granted(connection: Connection, leftMs: number): void;
  /** The time to connect is over before its turn came. */
  waitedTooLong(): void;
}

/** A place in the queue of a pool. The time to connect runs while it waits. */
export class Ticket<Connection> implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #waiter: Waiter<Connection>;
  readonly #wheel: TimerWheel;
  readonly #leave: () => void;
  /** On the clock of the wheel; `Infinity`: no limit. */
  readonly #until: number;

  /** @param connectMs 0 for no limit. */
  constructor(waiter: Waiter<Connection>, connectMs: number, wheel: TimerWheel, leave: () => void) {
    this.#waiter = waiter;
    this.#wheel = wheel;
    this.#leave = leave;
    this.#until = connectMs > 0 ? wheel.now + connectMs : Infinity;
    wheel.set(this, connectMs);
  }

  /** Gives up the place: the waiter hears nothing more. */
  cancel(): void {
    this.#wheel.forget(this);
    this.#leave();
  }

  /** The pool's: hands over the connection. */
  grant(connection: Connection): void {
    this.#waiter.granted(connection, this.#until === Infinity ? 0 : Math.max(1, this.#until - this.#wheel.now));
  }

  expired(): void {
    this.#leave();
    this.#waiter.waitedTooLong();
  }
}
