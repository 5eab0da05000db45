import type { TimerWheel } from "../../lib/timer-wheel.ts";
import type { NodeTls } from "../node-tls.ts";
import type { PoolCounters } from "../pool.ts";
import { Ticket, type Waiter } from "../ticket.ts";
import type { Upstream, UpstreamNode } from "../upstream.ts";
import { type SessionOwner, UpstreamSession } from "./session.ts";

/** Who waits for room on a session. */
export interface SessionWaiter extends Waiter<UpstreamSession> {
  /** The node cannot be connected to; `late`: it did not answer in time. */
  unreachable(late: boolean, detail: string): void;
}

/** Connections to one node that one worker has at most; further requests wait for room. */
const MAX_SESSIONS = 64;

/** The HTTP/2 sessions to one node: as few as its requests need. */
export class SessionPool implements SessionOwner {
  readonly #node: UpstreamNode;
  readonly #tls: NodeTls | null;
  readonly #tlsName: string;
  readonly #wheel: TimerWheel;
  readonly #counters: PoolCounters;
  readonly #emptied: () => void;
  readonly #sessions: UpstreamSession[] = [];
  readonly #queue = new Map<Ticket<UpstreamSession>, SessionWaiter>();
  #connecting = 0;
  #closed = false;
  /** What the upstream that used the pool last says. */
  #connectMs = 0;
  #keepalive = 0;
  #keepaliveTimeoutMs = 0;
  #keepaliveRequests = 0;

  constructor(
    node: UpstreamNode,
    tls: NodeTls | null,
    tlsName: string,
    wheel: TimerWheel,
    counters: PoolCounters,
    emptied: () => void,
  ) {
    this.#node = node;
    this.#tls = tls;
    this.#tlsName = tlsName;
    this.#wheel = wheel;
    this.#counters = counters;
    this.#emptied = emptied;
  }

  /** A session with room for a request; `null`: the request has to `wait` for one. */
  take(upstream: Upstream): UpstreamSession | null {
    this.#connectMs = upstream.connectTimeoutMs;
    this.#keepalive = upstream.keepalive;
    this.#keepaliveTimeoutMs = upstream.keepaliveTimeoutMs;
    this.#keepaliveRequests = upstream.keepaliveRequests;
    return this.#queue.size > 0 ? null : this.#roomy();
  }

  /** Queues up for room on a session. */
  wait(waiter: SessionWaiter, connectMs: number): Ticket<UpstreamSession> {
    const ticket = new Ticket(waiter, connectMs, this.#wheel, () => {
      if (this.#queue.delete(ticket)) this.#counters.queued--;
    });
    this.#queue.set(ticket, waiter);
    this.#counters.queued++;
    this.#openForQueue();
    return ticket;
  }

  opened(): void {
    this.#connecting--;
    this.#counters.open++;
    this.#serveQueue();
  }

  streamEnded(session: UpstreamSession): void {
    const spent = this.#keepaliveRequests > 0 && session.requests >= this.#keepaliveRequests;
    if (spent) session.retire();
    else this.#serveQueue();
    if (session.streams > 0 || session.closing) return;
    const idle = this.#sessions.filter(({ open, closing, streams }) => open && !closing && streams === 0).length;
    if (this.#closed || idle > this.#keepalive || this.#keepaliveTimeoutMs === 0) session.retire();
    else session.rest(this.#keepaliveTimeoutMs);
  }

  closed(session: UpstreamSession): void {
    const at = this.#sessions.indexOf(session);
    if (at >= 0) this.#sessions.splice(at, 1);
    if (session.open) this.#counters.open--;
    else {
      this.#connecting--;
      this.#counters.connectFailures++;
      // As long as there are others their streams end: those who wait have their own time for it.
      if (this.#sessions.length === 0) this.#turnAway(session);
    }
    this.#openForQueue();
    if (this.#sessions.length === 0) this.#emptied();
  }

  /** Closes what is idle, and from now on whatever becomes idle. */
  close(): void {
    this.#closed = true;
    for (const session of this.#sessions) if (session.streams === 0) session.retire();
  }

  #roomy(): UpstreamSession | null {
    for (const session of this.#sessions) {
      const spent = this.#keepaliveRequests > 0 && session.requests >= this.#keepaliveRequests;
      if (!spent && session.room > 0) return session;
    }
    return null;
  }

  #serveQueue(): void {
    for (const [ticket] of this.#queue) {
      const session = this.#roomy();
      if (session === null) break;
      ticket.cancel();
      ticket.grant(session);
    }
    this.#openForQueue();
  }

  /** One at a time: what it allows is not known before it is open. */
  #openForQueue(): void {
    if (this.#queue.size === 0 || this.#connecting > 0 || this.#sessions.length >= MAX_SESSIONS) return;
    this.#connecting++;
    this.#sessions.push(new UpstreamSession(this.#node, this.#tls, this.#tlsName, this, this.#wheel, this.#connectMs));
  }

  #turnAway({ timedOut, error }: UpstreamSession): void {
    const waiting = [...this.#queue];
    for (const [ticket] of waiting) ticket.cancel();
    for (const [, waiter] of waiting) waiter.unreachable(timedOut, error === "" ? "connection closed" : error);
  }
}
