import { setTimeout as sleep } from "node:timers/promises";
import { reasonOf } from "../../lib/errors.ts";
import type { EtcdCluster, EtcdLog } from "./cluster.ts";
import { EtcdError } from "./etcd-error.ts";
import { rangeOf } from "./key-range.ts";
import { type Load, loadPrefix } from "./load-prefix.ts";
import { type KeyValue, range, SORT_BY_MOD_REVISION, SORT_DESCENDING } from "./rpc.ts";
import { watchPrefix, type WatchedChange } from "./watch.ts";

const BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 3_000;
/** Distinct failures that are remembered as said. */
const MAX_REPORTED = 16;
/** A state that has not been confirmed for so long, although the store moved on, is read anew. */
const UNCONFIRMED_MS = 30_000;
/** Keys that a look at the newest one may cost per second: etcd reads all of them for it. */
const KEYS_PER_SECOND = 5_000;

/** What a follower of a prefix is told; every call is synchronous and in order. */
export interface PrefixHandlers<T> {
  /** What is kept of a key; `null`: nothing. */
  read(kv: KeyValue): T | null;
  /** Everything at one revision. */
  snapshot(revision: number, entries: readonly T[]): void;
  /** What one revision changed, or that the revision has grown and nothing changed. */
  step(revision: number, changes: readonly WatchedChange[]): void;
  /** Once per distinct failure until it is over. */
  failed(reason: string): void;
  /** A failure is over and nothing had changed; otherwise a snapshot or step says so. */
  recovered(): void;
}

export interface FollowOptions {
  readonly prefix: string;
  readonly watchTimeoutMs: number;
  /** Attempts before the first load that may fail unsaid. */
  readonly quietAttempts: number;
  /** Whether `step` also tells of revisions that changed nothing below the prefix. */
  readonly everyRevision: boolean;
}

/** Follows a prefix until it is closed. */
export interface Follower {
  close(): void;
}

/**
 * Reads everything below a prefix and watches it from there. Whatever ends the watch leads
 * to a fresh read at a known revision, so that nothing is missed and nothing is dropped; it
 * tries for ever, with pauses that grow to three seconds.
 */
export function followPrefix<T>(
  cluster: EtcdCluster,
  options: FollowOptions,
  handlers: PrefixHandlers<T>,
  log: EtcdLog,
): Follower {
  const follow = new PrefixFollower(cluster, options, handlers, log);
  void follow.run();
  return follow;
}

class PrefixFollower<T> implements Follower {
  readonly #cluster: EtcdCluster;
  readonly #options: FollowOptions;
  readonly #handlers: PrefixHandlers<T>;
  readonly #log: EtcdLog;
  readonly #closed = new AbortController();
  readonly #reported = new Set<string>();
  /** Attempts in a row that came to nothing. */
  #attempts = 0;
  #clusterId = 0n;
  /** The revision whose state has been handed over; 0: none yet. */
  #revision = 0;
  /** Whether the last load was the same as before, so that no snapshot told of it. */
  #owesRecovery = false;
  /** Keys below the prefix at that revision. */
  #count = 0;

  constructor(cluster: EtcdCluster, options: FollowOptions, handlers: PrefixHandlers<T>, log: EtcdLog) {
    this.#cluster = cluster;
    this.#options = options;
    this.#handlers = handlers;
    this.#log = log;
  }

  close(): void {
    this.#closed.abort();
  }

  async run(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await this.#load();
        await this.#watch();
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        this.#fail(error);
      }
      await this.#pause();
    }
  }

  async #load(): Promise<void> {
    const entries: T[] = [];
    const load = await loadPrefix(this.#cluster, this.#options.prefix, (kv) => {
      const entry = this.#handlers.read(kv);
      if (entry !== null) entries.push(entry);
    });
    if (this.#closed.signal.aborted) return;
    this.#noteJump(load);
    const same = load.revision === this.#revision && load.clusterId === this.#clusterId;
    this.#revision = load.revision;
    this.#clusterId = load.clusterId;
    this.#count = load.count;
    this.#owesRecovery = same;
    if (!same) this.#handlers.snapshot(load.revision, entries);
  }

  /** The watch stands: whatever was wrong is over. */
  #started(): void {
    this.#attempts = 0;
    if (this.#reported.size === 0) return;
    this.#reported.clear();
    if (this.#owesRecovery) this.#handlers.recovered();
  }

  /** An etcd that was restored from a backup, or replaced, is the truth all the same. */
  #noteJump({ revision, clusterId }: Load): void {
    if (this.#revision === 0) return;
    if (clusterId !== this.#clusterId) {
      this.#log.warn(`etcd: another cluster answers; its content at revision ${revision} is taken`);
    } else if (revision < this.#revision) {
      this.#log.warn(`etcd: the revision went back from ${this.#revision} to ${revision}; its content is taken`);
    }
  }

  async #watch(): Promise<void> {
    const { prefix, watchTimeoutMs, everyRevision } = this.#options;
    const confirm = everyRevision ? this.#createConfirmer() : null;
    const stuck = new AbortController();
    await watchPrefix(
      this.#cluster,
      prefix,
      this.#revision + 1,
      watchTimeoutMs,
      {
        started: () => this.#started(),
        changed: (revision, changes) => this.#step(revision, changes),
        advanced: (revision) =>
          void confirm?.(revision).then((delivers) => {
            if (!delivers) stuck.abort();
          }),
      },
      AbortSignal.any([this.#closed.signal, stuck.signal]),
    );
    if (stuck.signal.aborted) throw new Error("the watch does not deliver what etcd holds");
  }

  #step(revision: number, changes: readonly WatchedChange[]): void {
    // A look at the newest key has shown that all of this together changes nothing.
    if (revision <= this.#revision) return;
    for (const { kv, deleted } of changes) {
      if (deleted) this.#count--;
      else if (kv.version === 1) this.#count++;
    }
    this.#revision = revision;
    this.#handlers.step(revision, changes);
  }

  /**
   * Finds out whether the state that was handed over is still that of a later revision.
   * A watch alone cannot tell: before etcd 3.4.25 and 3.5.8 its answer may overtake
   * changes. No key is newer and there are as many as before: then nothing has changed.
   * Resolves with false where the watch has owed changes for too long.
   */
  #createConfirmer(): (revision: number) => Promise<boolean> {
    let busy = false;
    let nextAt = 0;
    let unconfirmedSince = Infinity;
    return async (revision) => {
      const now = performance.now();
      if (revision <= this.#revision) unconfirmedSince = Infinity;
      if (busy || revision <= this.#revision || now < nextAt) return true;
      unconfirmedSince = Math.min(unconfirmedSince, now);
      busy = true;
      try {
        const { key, rangeEnd } = rangeOf(this.#options.prefix);
        const newest = await this.#cluster.call(range, {
          key,
          rangeEnd,
          limit: 1,
          keysOnly: true,
          sortOrder: SORT_DESCENDING,
          sortTarget: SORT_BY_MOD_REVISION,
        });
        const at = newest.header?.revision ?? 0;
        if (this.#closed.signal.aborted || at <= this.#revision) return true;
        if (newest.count === this.#count && (newest.kvs[0]?.modRevision ?? 0) <= this.#revision) {
          this.#revision = at;
          this.#handlers.step(at, []);
          unconfirmedSince = Infinity;
          return true;
        }
        return now - unconfirmedSince <= UNCONFIRMED_MS;
      } catch {
        // The watch itself finds out whether the member is gone.
        return true;
      } finally {
        busy = false;
        nextAt = performance.now() + (this.#count / KEYS_PER_SECOND) * 1_000;
      }
    };
  }

  #fail(error: unknown): void {
    this.#attempts++;
    if (error instanceof EtcdError && error.compacted) {
      this.#log.info(`etcd: ${error.message}; everything is read anew`);
      return;
    }
    const reason = describe(error);
    const quiet = this.#revision === 0 ? this.#options.quietAttempts : 1;
    if (this.#attempts <= quiet || this.#reported.has(reason) || this.#reported.size >= MAX_REPORTED) return;
    this.#reported.add(reason);
    this.#handlers.failed(reason);
  }

  async #pause(): Promise<void> {
    const longest = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(this.#attempts, 10));
    const signal = this.#closed.signal;
    await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
  }
}

function describe(error: unknown): string {
  const reason = reasonOf(error);
  return reason.startsWith("etcd: ") ? reason : `etcd: ${reason}`;
}
