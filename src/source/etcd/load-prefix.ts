import type { EtcdCluster } from "./cluster.ts";
import { Code, EtcdError } from "./etcd-error.ts";
import { after, rangeOf } from "./key-range.ts";
import { type KeyValue, range } from "./rpc.ts";

/** Keys per request: a page of ordinary resources is about a megabyte. */
const PAGE = 1_000;

/** What a prefix holds at one revision. */
export interface Load {
  readonly revision: number;
  /** Of the cluster; another one means other data, whatever the revision. */
  readonly clusterId: bigint;
  /** How many keys there are, those that `visit` made nothing of included. */
  readonly count: number;
}

/**
 * Reads everything below `prefix`, in pages at one revision, and hands each key to `visit`.
 * The first page is read through a leader, so that the revision is the newest. Rejects as
 * `EtcdCluster.call` does; a compaction in between is an EtcdError and means: read anew.
 */
export async function loadPrefix(cluster: EtcdCluster, prefix: string, visit: (kv: KeyValue) => void): Promise<Load> {
  const { key: first, rangeEnd } = rangeOf(prefix);
  let key = first;
  let limit = PAGE;
  let revision = 0;
  let clusterId = 0n;
  let count = 0;
  for (;;) {
    const page = await cluster.call(range, { key, rangeEnd, limit, revision }).catch((error: unknown) => {
      if (error instanceof EtcdError && error.code === Code.outOfSize && limit > 1) return null;
      throw error;
    });
    if (page === null) {
      limit = Math.max(1, Math.floor(limit / 8));
      continue;
    }
    revision ||= page.header?.revision ?? 0;
    clusterId ||= page.header?.clusterId ?? 0n;
    for (const kv of page.kvs) visit(kv);
    count += page.kvs.length;
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { revision, clusterId, count };
    key = after(last.key);
  }
}
