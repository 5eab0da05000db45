import { setTimeout as sleep } from "node:timers/promises";
import { reasonOf } from "../../lib/errors.ts";
import type { EtcdCluster, EtcdLog } from "../../source/etcd/cluster.ts";
import { EtcdError } from "../../source/etcd/etcd-error.ts";
import { idempotentTxn, leaseGrant, leaseKeepAlive, leaseRevoke } from "../../source/etcd/rpc.ts";

/** A node that dies is a member for so long, seconds. */
const LEASE_TTL = 60;
const KEEP_ALIVE_MS = (LEASE_TTL * 1_000) / 3;
/** Changes of one moment are one write. */
const COALESCE_MS = 20;
const CALL_MS = 5_000;
const REVOKE_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;

/** A node's own record in etcd. */
export interface OwnRecord {
  /** Has the text written soon; the last one counts, one that lies there already costs nothing. */
  set(text: string): void;
  /** It does not lie there any more, whatever took it away. */
  lost(): void;
  /** Stops; with `leave` the record is taken away at once where etcd can be reached. */
  close(leave: boolean): Promise<void>;
}

/** Keeps a record under a lease of its own: written where it changes, kept alive, and written anew where etcd has lost it. */
export function keepOwnRecord(cluster: EtcdCluster, key: string, log: EtcdLog): OwnRecord {
  const record = new LeasedRecord(cluster, Buffer.from(key), log);
  void record.run();
  return record;
}

class LeasedRecord implements OwnRecord {
  readonly #cluster: EtcdCluster;
  readonly #key: Buffer;
  readonly #log: EtcdLog;
  readonly #closed = new AbortController();
  #wanted: string | null = null;
  /** What lies in etcd under the lease; `null`: nothing, as far as is known. */
  #written: string | null = null;
  /** 0: none. */
  #lease = 0n;
  #wake: (() => void) | null = null;
  #failures = 0;

  constructor(cluster: EtcdCluster, key: Buffer, log: EtcdLog) {
    this.#cluster = cluster;
    this.#key = key;
    this.#log = log;
  }

  set(text: string): void {
    this.#wanted = text;
    if (text !== this.#written) this.#wake?.();
  }

  lost(): void {
    // The lease may be gone as well.
    this.#forget();
    this.#wake?.();
  }

  async close(leave: boolean): Promise<void> {
    this.#closed.abort();
    this.#wake?.();
    if (!leave || this.#lease === 0n) return;
    // With the lease the record goes.
    await this.#cluster.call(leaseRevoke, { id: this.#lease }, REVOKE_MS).catch(() => undefined);
  }

  async run(): Promise<void> {
    let keptAt = 0;
    while (!this.#closed.signal.aborted) {
      try {
        if (this.#wanted !== null && this.#wanted !== this.#written) {
          await this.#write(this.#wanted);
          keptAt ||= performance.now();
        } else if (this.#lease !== 0n && performance.now() - keptAt >= KEEP_ALIVE_MS) {
          keptAt = performance.now();
          await this.#keepAlive();
        }
        this.#failures = 0;
        await this.#idle(keptAt === 0 ? KEEP_ALIVE_MS : keptAt + KEEP_ALIVE_MS - performance.now());
      } catch (error) {
        this.#failed(error);
        const longest = Math.min(MAX_BACKOFF_MS, 100 * 2 ** Math.min(this.#failures, 8));
        await this.#sleep(longest * (0.5 + Math.random() / 2));
      }
    }
  }

  async #write(text: string): Promise<void> {
    if (this.#lease === 0n) this.#lease = (await this.#cluster.call(leaseGrant, { ttl: LEASE_TTL }, CALL_MS)).id;
    const put = { key: this.#key, value: Buffer.from(text), lease: this.#lease };
    await this.#cluster.call(idempotentTxn, { success: [{ put }] }, CALL_MS);
    this.#written = text;
  }

  async #keepAlive(): Promise<void> {
    const { ttl } = await this.#cluster.call(leaseKeepAlive, { id: this.#lease }, CALL_MS);
    if (ttl <= 0) this.#forget();
  }

  /** etcd has lost the lease, and the record with it. */
  #forget(): void {
    this.#lease = 0n;
    this.#written = null;
  }

  #failed(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    if (error instanceof EtcdError && error.message.includes("lease not found")) this.#forget();
    // The source says that etcd is away; what only this record meets is said once.
    else if (this.#failures === 0 && error instanceof EtcdError) {
      this.#log.warn(`fleet: this node cannot tell the others of itself: ${reasonOf(error)}`);
    }
    this.#failures++;
  }

  /** Resolves when there is something to write, or after the time. */
  async #idle(limitMs: number): Promise<void> {
    if (this.#wanted === this.#written) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const timer = setTimeout(() => this.#wake?.(), Math.max(0, limitMs));
      await woken;
      clearTimeout(timer);
      this.#wake = null;
    }
    await this.#sleep(COALESCE_MS);
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closed.signal }).catch(() => undefined);
  }
}
