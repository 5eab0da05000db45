import type { ExplainTable } from "../compile/explain.ts";
import type { Settings, SourceSettings } from "../settings/settings.ts";
import type { UserPluginTable } from "../plugins/user/user-plugin-table.ts";
import type { ResourceCheck } from "../store/check-resource.ts";
import { buildLoadedView } from "../store/store-view.ts";
import type { Store } from "../store/store.ts";
import type { Configuration } from "./configuration.ts";
import { controlEndpoints } from "./control-api/endpoints.ts";
import type { Endpoint } from "./control-api/endpoint.ts";
import type { FaultActions } from "./control-api/faults.ts";
import { indexesOfPushes, indexesOfRepository, indexesOfRevision, type IndexLookup } from "./control-api/indexes.ts";
import type { Provider } from "./provider.ts";
import type { UpstreamWatch } from "./upstream-watch.ts";

/** How long what explains routes is kept after it was asked last. */
const EXPLAIN_IDLE_MS = 60_000;

/** What is being served, and where it comes from. */
export interface Served {
  readonly store: Store;
  readonly provider: Provider;
  readonly configuration: Configuration;
}

/** What the Control API of a node is put together from. */
export interface ControlParts {
  readonly settings: Settings;
  readonly check: ResourceCheck;
  readonly users: UserPluginTable;
  /** There once this thread has taken over what is being served. */
  readonly served: Promise<Served>;
  /** What is known of names and of the health of nodes. */
  readonly upstreams: Pick<UpstreamWatch, "health" | "nodeHealth" | "get" | "targets" | "clusters">;
  drain(on: boolean): void;
  /** `PUT /v1/plugins/reload`. */
  reloadPlugins(): Promise<void>;
  readonly faults: FaultActions | null;
}

/** The endpoints of a node's Control API. */
export function buildControlEndpoints({
  settings,
  check,
  users,
  served,
  upstreams,
  drain,
  reloadPlugins,
  faults,
}: ControlParts): readonly Endpoint[] {
  const loaded = served.then(({ store, configuration }) =>
    buildLoadedView(store, {
      plugins: check.plugins,
      settled: (revision, limitMs) => configuration.settled(revision, limitMs),
    }),
  );
  return controlEndpoints({
    loaded,
    indexes: lateIndexes(served.then(indexesOf)),
    prefix: prefixOf(settings.source),
    drain,
    reloadPlugins,
    faults,
    plugins: settings.plugins,
    users,
    streamPlugins: settings.streamPlugins,
    health: () => upstreams.health(prefixOf(settings.source)),
    nodeHealth: (key, address) => upstreams.nodeHealth(key, address),
    targets: upstreams,
    discovery: settings.discovery,
    discovered: upstreams,
    registry: check.plugins,
    settings,
    routes: lendRoutes(settings.router, served),
  });
}

/** What stands before the keys of resources in a source. */
export function prefixOf(source: SourceSettings): string {
  if (source.kind === "etcd") return source.etcd.prefix;
  return source.kind === "embedded" ? "/apisix" : "";
}

function indexesOf({ provider, store }: Served): IndexLookup {
  if (provider.repository !== null) return indexesOfRepository(provider.repository);
  return provider.pushed === null ? indexesOfRevision(() => store.revision) : indexesOfPushes(provider.pushed);
}

function lateIndexes(lookup: Promise<IndexLookup>): IndexLookup {
  return {
    of: async (kind, id) => await (await lookup).of(kind, id),
    all: async (kind) => await (await lookup).all(kind),
  };
}

/** The routes of what is loaded now; made when first asked for, and let go when nobody asks any more. */
function lendRoutes(router: Settings["router"], served: Promise<Served>): () => Promise<ExplainTable> {
  let table: ExplainTable | null = null;
  let timer: NodeJS.Timeout | undefined;
  return async () => {
    const { ExplainTable: Table } = await import("../compile/explain.ts");
    const { store } = await served;
    table ??= new Table(router);
    table.sync(store.held.values());
    clearTimeout(timer);
    timer = setTimeout(() => (table = null), EXPLAIN_IDLE_MS).unref();
    return table;
  };
}
