import type { EtcdSettings } from "../../settings/settings.ts";
import type { Repository } from "../repository.ts";
import type { KeyedEntry, Source, SourceSink } from "../source.ts";
import { createEtcdCluster, type EtcdCluster, type EtcdLog } from "./cluster.ts";
import { type Follower, followPrefix } from "./follow-prefix.ts";
import { createEtcdRepository } from "./etcd-repository.ts";
import type { KeyValue } from "./rpc.ts";

/** etcd as source and as repository over one set of connections. */
export interface EtcdStore extends Source, Repository {
  /** The same cluster for what is kept beside the resources; `close` closes it. */
  readonly cluster: EtcdCluster;
}

/** Creates the store; nothing is connected before it is used. It must be closed. */
export function createEtcdStore(settings: EtcdSettings, log: EtcdLog): EtcdStore {
  const cluster = createEtcdCluster(settings);
  let follower: Follower | null = null;
  return {
    name: "etcd",
    cluster,
    ...createEtcdRepository(cluster, settings),
    start(sink) {
      follower = followSource(cluster, settings, sink, log);
    },
    close() {
      follower?.close();
      cluster.close();
    },
  };
}

function followSource(cluster: EtcdCluster, settings: EtcdSettings, sink: SourceSink, log: EtcdLog): Follower {
  const prefix = `${settings.prefix}/`;
  const entryOf = ({ key, value }: KeyValue, deleted = false): KeyedEntry | null => {
    const name = key.toString().slice(prefix.length);
    return isResource(name) ? { key: name, text: deleted ? null : value.toString() } : null;
  };
  const options = {
    prefix,
    watchTimeoutMs: settings.watchTimeoutMs,
    quietAttempts: settings.startupRetry,
    everyRevision: true,
  };
  return followPrefix(
    cluster,
    options,
    {
      read: entryOf,
      snapshot: (revision, entries) => sink.snapshot({ revision, entries }),
      step(revision, changes) {
        const entries = changes.flatMap(({ kv, deleted }) => entryOf(kv, deleted) ?? []);
        sink.step({ revision, changes: entries });
      },
      failed: (reason) => sink.failed(reason),
      recovered: () => sink.recovered(),
    },
    log,
  );
}

/**
 * APISIX marks each kind with a key that ends in a slash (`routes/`, value `init_dir`), and its
 * nodes tell of themselves below `data_plane/`.
 */
function isResource(key: string): boolean {
  return key !== "" && !key.endsWith("/") && !key.startsWith("data_plane/");
}
