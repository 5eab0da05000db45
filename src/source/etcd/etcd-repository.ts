import { reasonOf, TurnpikeError } from "../../lib/errors.ts";
import type { EtcdSettings } from "../../settings/settings.ts";
import type { Repository, StoredValue, WriteOptions, WriteOutcome } from "../repository.ts";
import type { EtcdCluster } from "./cluster.ts";
import { loadPrefix } from "./load-prefix.ts";
import { COMPARE_MOD_REVISION, type KeyValue, leaseGrant, range, type RequestOp, txn } from "./rpc.ts";

/** Resources below the prefix of the settings, read through a leader; a write is one transaction. */
export function createEtcdRepository(cluster: EtcdCluster, settings: EtcdSettings): Repository {
  const prefix = `${settings.prefix}/`;
  const fullKey = (key: string): Buffer => Buffer.from(prefix + key);
  const valueOf = (kv: KeyValue): StoredValue => ({
    key: kv.key.toString().slice(prefix.length),
    text: kv.value.toString(),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
  });
  const valueOrNull = (kv: KeyValue | null | undefined): StoredValue | null =>
    kv === null || kv === undefined ? null : valueOf(kv);

  async function write(key: Buffer, operation: Partial<RequestOp>, ifRevision?: number): Promise<WriteOutcome> {
    const compare = ifRevision === undefined ? [] : [{ target: COMPARE_MOD_REVISION, key, modRevision: ifRevision }];
    const answer = await cluster.call(txn, { compare, success: [operation], failure: [{ range: { key } }] });
    const [response] = answer.responses;
    if (!answer.succeeded) return { written: false, current: valueOrNull(response?.range?.kvs[0]) };
    const previous = valueOrNull(response?.put?.prevKv ?? response?.delete?.prevKvs[0]);
    return { written: true, revision: answer.header?.revision ?? 0, previous };
  }

  return {
    get: (key) =>
      reachable(async () => {
        const { kvs } = await cluster.call(range, { key: fullKey(key) });
        return valueOrNull(kvs[0]);
      }),
    list: (start) =>
      reachable(async () => {
        const values: StoredValue[] = [];
        const { revision } = await loadPrefix(cluster, prefix + start, (kv) => values.push(valueOf(kv)));
        return { revision, values };
      }),
    put: (key, text, { ifRevision, ttl }: WriteOptions = {}) =>
      reachable(async () => {
        const lease = ttl === undefined ? 0n : (await cluster.call(leaseGrant, { ttl })).id;
        const put = { key: fullKey(key), value: Buffer.from(text), lease, prevKv: true };
        return await write(put.key, { put }, ifRevision);
      }),
    delete: (key, { ifRevision } = {}) =>
      reachable(() => write(fullKey(key), { delete: { key: fullKey(key), prevKv: true } }, ifRevision)),
  };
}

async function reachable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TurnpikeError) throw error;
    throw new TurnpikeError("SOURCE_UNAVAILABLE", `etcd: ${reasonOf(error)}`, error);
  }
}
