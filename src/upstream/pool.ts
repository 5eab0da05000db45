import type { TimerWheel } from "../lib/timer-wheel.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import type { NodeTls } from "./node-tls.ts";
import { Ticket, type Waiter } from "./ticket.ts";
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
export type ConnectionWaiter = Waiter<UpstreamConnection>;
export type ConnectionTicket = Ticket<UpstreamConnection>;

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
  readonly maxHead: number;
  readonly #node: UpstreamNode;
  readonly #tls: NodeTls | null;
  readonly #tlsName: string;
  readonly #wheel: TimerWheel;
  readonly #counters: PoolCounters;
  readonly #emptied: () => void;
  /** Idle connections, the one used last at the end. */
  readonly #idle: UpstreamConnection[] = [];
  /** In the order of their coming: sets keep it. */
  readonly #queue = new Set<ConnectionTicket>();
  #count = 0;
  #connecting = 0;
  #maxConnecting = FIRST_CONNECTS;
  #closed = false;
  readonly #limits: Keepalive;

  constructor(
    limits: Keepalive,
    node: UpstreamNode,
    tls: NodeTls | null,
    tlsName: string,
    maxHead: number,
    wheel: TimerWheel,
    counters: PoolCounters,
    emptied: () => void,
  ) {
    this.#limits = limits;
    this.#node = node;
    this.#tls = tls;
    this.#tlsName = tlsName;
    this.maxHead = maxHead;
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
  wait(waiter: ConnectionWaiter, connectMs: number): ConnectionTicket {
    const ticket: ConnectionTicket = new Ticket(waiter, connectMs, this.#wheel, () => {
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
    else if (this.#idle.length >= keepalive || keepaliveTimeoutMs === 0) connection.destroy();
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
    return new UpstreamConnection(this.#node, this.#tls, this.#tlsName, this, this.#wheel);
  }

  /** Somebody waits only while connections are being opened: the end of each attempt comes by here. */
  #openForQueue(): void {
    while (this.#connecting < this.#maxConnecting) {
      const ticket = this.#nextInQueue();
      if (ticket === null) return;
      ticket.grant(this.#open());
    }
  }

  #nextInQueue(): ConnectionTicket | null {
    for (const ticket of this.#queue) {
      ticket.cancel();
      return ticket;
    }
    return null;
  }
}
