import type { Logger } from "../observe/logger.ts";
import type { SourceSettings } from "../settings/settings.ts";
import type { ApiSource, PushedConfiguration } from "../source/api-driven.ts";
import type { EtcdStore } from "../source/etcd/etcd-store.ts";
import { createJsonFileSource } from "../source/json-file.ts";
import type { Repository } from "../source/repository.ts";
import type { Source } from "../source/source.ts";
import { createYamlFileSource } from "../source/yaml-file.ts";

/** Where a node's configuration comes from, and where its Admin API writes. */
export interface Provider {
  /** Closing it closes the repository too. */
  readonly source: Source;
  /** Resources by key; `null`: the Admin API, if there is one, takes whole configurations. */
  readonly repository: Repository | null;
  /** Role traditional without a store; otherwise `null`. */
  readonly pushed: ApiSource | null;
  /** For what is kept beside the resources; `null`: this node is alone. */
  readonly etcd: EtcdStore | null;
}

/** What one control thread leaves for the next. */
export interface Legacy {
  /** From the thread before; `null`: there was none, or it had nothing to leave. */
  readonly kept: string | null;
  keep(text: string): void;
}

/** Opens what the settings name; only what is named is loaded. Throws with a reason where it cannot be opened. */
export async function openProvider(settings: SourceSettings, log: Logger, { kept, keep }: Legacy): Promise<Provider> {
  switch (settings.kind) {
    case "yaml":
      return { source: createYamlFileSource(settings.file), repository: null, pushed: null, etcd: null };
    case "json":
      return { source: createJsonFileSource(settings.file), repository: null, pushed: null, etcd: null };
    case "api": {
      const { createApiSource } = await import("../source/api-driven.ts");
      const left = kept === null ? null : (JSON.parse(kept) as PushedConfiguration | string);
      const pushed = createApiSource({
        restored: typeof left === "string" ? null : left,
        keep: (configuration) => keep(JSON.stringify(configuration)),
      });
      return { source: pushed, repository: null, pushed, etcd: null };
    }
    case "embedded": {
      const { createEmbeddedStore } = await import("../source/embedded/embedded-store.ts");
      const mark = JSON.stringify(settings.file);
      const store = createEmbeddedStore(settings.file, kept === mark ? "again" : "exclusive");
      store.open();
      keep(mark);
      return { source: store, repository: store, pushed: null, etcd: null };
    }
    case "etcd": {
      const { createEtcdStore } = await import("../source/etcd/etcd-store.ts");
      const store = createEtcdStore(settings.etcd, log);
      return { source: store, repository: store, pushed: null, etcd: store };
    }
  }
}
