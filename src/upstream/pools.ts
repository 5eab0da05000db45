import type { TimerWheel } from "../lib/timer-wheel.ts";
import { Pool, type PoolCounters } from "./pool.ts";
import type { Upstream, UpstreamNode } from "./upstream.ts";

/**
 * Kept-alive connections of one thread, by scheme and address of the node (and the name
 * asked for in TLS). They survive configuration changes. Upstreams that name the same node
 * share them, unless they have a `keepalive_pool` each and these differ.
 */
export class UpstreamPools {
  /** Sums over all nodes. */
  readonly counters: PoolCounters = { open: 0, queued: 0, connectFailures: 0 };
  readonly #plain = new Map<string, Pool>();
  readonly #tls = new Map<string, Pool>();
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  /** The pool of a node of the upstream. `tlsName`: the host for SNI, `null` for plain TCP. */
  get(upstream: Upstream, node: UpstreamNode, tlsName: string | null): Pool {
    const pools = tlsName === null ? this.#plain : this.#tls;
    const key = tlsName === null ? node.poolKey : `${node.poolKey} ${tlsName}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = new Pool(upstream, node, tlsName, this.#wheel, this.counters, () => pools.delete(key));
      pools.set(key, pool);
    }
    return pool;
  }

  /** Closes what is idle, and from now on whatever becomes idle. */
  close(): void {
    for (const pool of [...this.#plain.values(), ...this.#tls.values()]) pool.close();
  }
}
