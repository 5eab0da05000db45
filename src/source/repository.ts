/**
 * A store of resources by key that the Admin API reads and writes: the embedded one or
 * etcd. Keys are those of `KeyedEntry`; texts are JSON as stored. What is written comes
 * back to control through the store's `Source`, never directly.
 *
 * Every method rejects with `TurnpikeError` `SOURCE_UNAVAILABLE` where the store cannot
 * be reached in time; then nothing is known of the outcome of a write.
 */
export interface Repository {
  /** `null`: no such key. */
  get(key: string): Promise<StoredValue | null>;
  /** Everything whose key begins with `prefix`, by key; `revision` is the store's when it was read. */
  list(prefix: string): Promise<{ readonly revision: number; readonly values: readonly StoredValue[] }>;
  /** Writes where the condition holds; durable once it resolves. */
  put(key: string, text: string, options?: WriteOptions): Promise<WriteOutcome>;
  /** Deletes where the condition holds; a key that does not exist is no outcome of its own: `previous` is `null`. */
  delete(key: string, options?: Pick<WriteOptions, "ifRevision">): Promise<WriteOutcome>;
}

export interface StoredValue {
  readonly key: string;
  readonly text: string;
  /** Revision that created the key: `createdIndex`. */
  readonly createRevision: number;
  /** Revision of the last write of it: `modifiedIndex`, and what If-Match compares. */
  readonly modRevision: number;
}

export interface WriteOptions {
  /** Write only where the key's `modRevision` is this one; 0: where the key does not exist. */
  readonly ifRevision?: number;
  /** Seconds after which the key is deleted unless written again; from 1. */
  readonly ttl?: number;
}

export type WriteOutcome =
  | { readonly written: true; readonly revision: number; readonly previous: StoredValue | null }
  /** The condition did not hold; `current` is what is there. */
  | { readonly written: false; readonly current: StoredValue | null };
