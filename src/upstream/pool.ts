import type { Timed, TimerWheel } from "../lib/timer-wheel.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import type { Upstream, UpstreamNode } from "./upstream.ts";

/** Numbers that the status board shows; pools of a thread share them. */
export interface PoolCounters {
  /** Connections that are open, idle ones included. */
  open: number;
  /** Requests that wait for a connection. */
  queued: number;
  /** Attempts to connect that failed or were given up. */
  connectFailures: number;
}

/** Who waits for a connection. */
export interface ConnectionWaiter {
  /**
   * Its turn has come: the connection is its own, open or being opened. `leftMs`: what is
   * left of the time to connect, 0 for no limit.
   */
  granted(connection: UpstreamConnection, leftMs: number): void;
  /** The time to connect is over before its turn came. */
  waitedTooLong(): void;
}

/**
 * Attempts to connect to one node that one worker has under way at once, at first. Each
 * success allows one more, which doubles them with every round trip as TCP does; a
 * failure, or nothing being opened any more, goes back to the start. So a node that comes
 * up is not run over, one that is down is not hammered, and one that is far away or slow
 * gets as many connections as there are requests: what is limited is how many are opened
 * at once, never how many there are.
 */
export const FIRST_CONNECTS = 64;

/** What a pool keeps; the same for all upstreams that share it. */
type Keepalive = Readonly<Pick<Upstream, "keepalive" | "keepaliveTimeoutMs" | "keepaliveRequests">>;

/** The connections to one node. */
export class Pool implements ConnectionOwner {
  readonly #node: UpstreamNode;
  readonly #tlsName: string | null;
  readonly #wheel: TimerWheel;
  readonly #counters: PoolCounters;
  readonly #emptied: () => void;
  /** Idle connections, the one used last at the end. */
  readonly #idle: UpstreamConnection[] = [];
  /** In the order of their coming: sets keep it. */
  readonly #queue = new Set<Ticket>();
  #count = 0;
  #connecting = 0;
  #maxConnecting = FIRST_CONNECTS;
  #closed = false;
  readonly #limits: Keepalive;

  constructor(
    limits: Keepalive,
    node: UpstreamNode,
    tlsName: string | null,
    wheel: TimerWheel,
    counters: PoolCounters,
    emptied: () => void,
  ) {
    this.#limits = limits;
    this.#node = node;
    this.#tlsName = tlsName;
    this.#wheel = wheel;
    this.#counters = counters;
    this.#emptied = emptied;
  }

  /**
   * An idle connection, or a new one that is being opened (`fresh`: never an idle one);
   * `null` where so many are being opened that the request has to `wait`.
   */
  take(fresh: boolean): UpstreamConnection | null {
    while (!fresh && this.#idle.length > 0) {
      const idle = this.#idle.pop()!;
      if (idle.usable) return idle;
      idle.destroy();
    }
    return this.#connecting < this.#maxConnecting ? this.#open() : null;
  }

  /** Queues up for a connection, whichever becomes free or can be opened first. */
  wait(waiter: ConnectionWaiter, connectMs: number): Ticket {
    const ticket = new Ticket(waiter, connectMs, this.#wheel, () => {
      if (this.#queue.delete(ticket)) this.#counters.queued--;
    });
    this.#queue.add(ticket);
    this.#counters.queued++;
    return ticket;
  }

  opened(): void {
    this.#counters.open++;
    this.#connecting--;
    if (this.#connecting === 0 && this.#queue.size === 0) this.#maxConnecting = FIRST_CONNECTS;
    else this.#maxConnecting++;
    this.#openForQueue();
  }

  release(connection: UpstreamConnection): void {
    const { keepalive, keepaliveTimeoutMs, keepaliveRequests } = this.#limits;
    const spent = keepaliveRequests > 0 && connection.requests >= keepaliveRequests;
    if (this.#closed || spent) {
      connection.destroy();
      return;
    }
    const ticket = this.#nextInQueue();
    if (ticket !== null) ticket.grant(connection);
    else if (this.#idle.length >= keepalive) connection.destroy();
    else {
      connection.rest(keepaliveTimeoutMs);
      this.#idle.push(connection);
    }
  }

  closed(connection: UpstreamConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#count--;
    if (connection.open) this.#counters.open--;
    else {
      this.#connecting--;
      this.#counters.connectFailures++;
      this.#maxConnecting = FIRST_CONNECTS;
      this.#openForQueue();
    }
    if (this.#count === 0) this.#emptied();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  #open(): UpstreamConnection {
    this.#count++;
    this.#connecting++;
    return new UpstreamConnection(this.#node, this.#tlsName, this, this.#wheel);
  }

  /** Somebody waits only while connections are being opened: the end of each attempt comes by here. */
  #openForQueue(): void {
    while (this.#connecting < this.#maxConnecting) {
      const ticket = this.#nextInQueue();
      if (ticket === null) return;
      ticket.grant(this.#open());
    }
  }

  #nextInQueue(): Ticket | null {
    for (const ticket of this.#queue) {
      ticket.cancel();
      return ticket;
    }
    return null;
  }
}

/** A place in the queue of a pool. The time to connect runs while it waits. */
export class Ticket implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #waiter: ConnectionWaiter;
  readonly #wheel: TimerWheel;
  readonly #leave: () => void;
  /** On the clock of the wheel; `Infinity`: no limit. */
  readonly #until: number;

  /** @param connectMs 0 for no limit. */
  constructor(waiter: ConnectionWaiter, connectMs: number, wheel: TimerWheel, leave: () => void) {
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
  grant(connection: UpstreamConnection): void {
    this.#waiter.granted(connection, this.#until === Infinity ? 0 : Math.max(1, this.#until - this.#wheel.now));
  }

  expired(): void {
    this.#leave();
    this.#waiter.waitedTooLong();
  }
}
