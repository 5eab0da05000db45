import type { TimerWheel } from "../lib/timer-wheel.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";
import type { Upstream, UpstreamNode } from "./upstream.ts";

/**
 * Kept-alive connections of one thread, by scheme and address of the node (and the name
 * asked for in TLS). They survive configuration changes; upstreams that name the same
 * node share them.
 */
export class UpstreamPools {
  readonly #plain = new Map<string, Pool>();
  readonly #tls = new Map<string, Pool>();
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  /** The pool of a node. `tlsName`: the host for SNI, `null` for plain TCP. */
  get(node: UpstreamNode, tlsName: string | null): Pool {
    const pools = tlsName === null ? this.#plain : this.#tls;
    const key = tlsName === null ? node.address : `${node.address} ${tlsName}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = new Pool(node, tlsName, this.#wheel, () => pools.delete(key));
      pools.set(key, pool);
    }
    return pool;
  }

  /** Closes what is idle, and from now on whatever becomes idle. */
  close(): void {
    for (const pool of [...this.#plain.values(), ...this.#tls.values()]) pool.close();
  }
}

/** The connections to one node. */
export class Pool implements ConnectionOwner {
  readonly #node: UpstreamNode;
  readonly #tlsName: string | null;
  readonly #wheel: TimerWheel;
  readonly #emptied: () => void;
  /** Idle connections, the one used last at the end. */
  readonly #idle: UpstreamConnection[] = [];
  #count = 0;
  #closed = false;
  /** What the upstream that used the pool last says. */
  #keepalive = 0;
  #keepaliveTimeoutMs = 0;
  #keepaliveRequests = 0;

  constructor(node: UpstreamNode, tlsName: string | null, wheel: TimerWheel, emptied: () => void) {
    this.#node = node;
    this.#tlsName = tlsName;
    this.#wheel = wheel;
    this.#emptied = emptied;
  }

  /** An idle connection, or a new one that is being opened; `fresh` refuses idle ones. */
  take(upstream: Upstream, fresh: boolean): UpstreamConnection {
    this.#keepalive = upstream.keepalive;
    this.#keepaliveTimeoutMs = upstream.keepaliveTimeoutMs;
    this.#keepaliveRequests = upstream.keepaliveRequests;
    while (!fresh && this.#idle.length > 0) {
      const idle = this.#idle.pop()!;
      if (idle.usable) return idle;
      idle.destroy();
    }
    this.#count++;
    return new UpstreamConnection(this.#node, this.#tlsName, this, this.#wheel);
  }

  release(connection: UpstreamConnection): void {
    const spent = this.#keepaliveRequests > 0 && connection.requests >= this.#keepaliveRequests;
    if (this.#closed || spent || this.#idle.length >= this.#keepalive) {
      connection.destroy();
      return;
    }
    connection.rest(this.#keepaliveTimeoutMs);
    this.#idle.push(connection);
  }

  closed(connection: UpstreamConnection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    if (--this.#count === 0) this.#emptied();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
