import type { TimerWheel } from "../lib/timer-wheel.ts";
import { onDemand } from "../lib/on-demand.ts";
import type { SessionPool } from "./http2/session-pool.ts";
import type { NodeTls } from "./node-tls.ts";
import { Pool, type PoolCounters } from "./pool.ts";
import type { Upstream, UpstreamNode } from "./upstream.ts";

const loadSessions = onDemand<typeof import("./http2/session-pool.ts")>(import.meta.url, "./http2/session-pool");

/** Pools of connections over TLS: beyond so many the one made first keeps no idle connections. */
const MAX_TLS_POOLS = 1_024;

/**
 * Kept-alive connections of one thread, by address of the node and, over TLS, by the name
 * asked for and the certificate shown. They survive configuration changes. Upstreams that name
 * the same node share them, unless they have a `keepalive_pool` each and these differ.
 */
export class UpstreamPools {
  /** Sums over all nodes. */
  readonly counters: PoolCounters = { open: 0, queued: 0, connectFailures: 0 };
  readonly #plain = new Map<string, Pool>();
  readonly #tls = new Map<string, Pool>();
  readonly #sessions = new Map<string, SessionPool>();
  readonly #wheel: TimerWheel;
  readonly #maxHead: number;

  /** @param maxHead bytes that the head of an answer may have. */
  constructor(wheel: TimerWheel, maxHead: number) {
    this.#wheel = wheel;
    this.#maxHead = maxHead;
  }

  /** The pool of a node of the upstream for plain TCP. */
  get(upstream: Upstream, node: UpstreamNode): Pool {
    const pools = this.#plain;
    const key = node.poolKey;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = new Pool(upstream, node, null, "", this.#maxHead, this.#wheel, this.counters, () => pools.delete(key));
      pools.set(key, pool);
    }
    return pool;
  }

  /** The pool of a node for TLS; `name` is the one that is asked for. */
  secure(upstream: Upstream, node: UpstreamNode, tls: NodeTls, name: string): Pool {
    const pools = this.#tls;
    const key = `${node.poolKey} ${name} ${tls.id}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      const made = new Pool(upstream, node, tls, name, this.#maxHead, this.#wheel, this.counters, () => {
        // It may have been closed for want of room, and made again since.
        if (pools.get(key) === made) pools.delete(key);
      });
      pool = made;
      pools.set(key, pool);
      if (pools.size > MAX_TLS_POOLS) closeOldest(pools);
    }
    return pool;
  }

  /** The HTTP/2 sessions to a node; `tls` is `null` for clear text, which needs no name. */
  sessions(node: UpstreamNode, tls: NodeTls | null, name: string): SessionPool {
    const pools = this.#sessions;
    const key = tls === null ? node.poolKey : `${node.poolKey} ${name} ${tls.id}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      const made = new (loadSessions().SessionPool)(node, tls, name, this.#wheel, this.counters, () => {
        if (pools.get(key) === made) pools.delete(key);
      });
      pool = made;
      pools.set(key, pool);
      if (pools.size > MAX_TLS_POOLS) closeOldest(pools);
    }
    return pool;
  }

  /** Closes what is idle, and from now on whatever becomes idle. */
  close(): void {
    for (const pools of [this.#plain, this.#tls, this.#sessions]) for (const pool of pools.values()) pool.close();
  }
}

/** Clients may choose names: their connections must not pile up. Requests under way go on. */
function closeOldest(pools: Map<string, { close(): void }>): void {
  const [oldest] = pools;
  if (oldest === undefined) return;
  pools.delete(oldest[0]);
  oldest[1].close();
}
