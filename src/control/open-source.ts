import { TurnpikeError } from "../lib/errors.ts";
import type { Logger } from "../observe/logger.ts";
import type { SourceSettings } from "../settings/settings.ts";
import type { EtcdStore } from "../source/etcd/etcd-store.ts";
import { createJsonFileSource } from "../source/json-file.ts";
import type { Repository } from "../source/repository.ts";
import type { Source } from "../source/source.ts";
import { createYamlFileSource } from "../source/yaml-file.ts";

/** Where the configuration comes from, and what else comes with it; closing `source` closes all of it. */
export interface OpenSource {
  readonly source: Source;
  /** What the Admin API writes to; `null`: this source is not written to. */
  readonly repository: Repository | null;
  /** `null`: the source is not etcd, so this node is alone. */
  readonly etcd: EtcdStore | null;
}

/** Opens the source that the settings name; what only some need is loaded for those only. */
export async function openSource(settings: SourceSettings, log: Logger): Promise<OpenSource> {
  switch (settings.kind) {
    case "yaml":
      return { source: createYamlFileSource(settings.file), repository: null, etcd: null };
    case "json":
      return { source: createJsonFileSource(settings.file), repository: null, etcd: null };
    case "etcd": {
      const { createEtcdStore } = await import("../source/etcd/etcd-store.ts");
      const etcd = createEtcdStore(settings.etcd, log);
      return { source: etcd, repository: etcd, etcd };
    }
    default:
      throw new TurnpikeError("SETTINGS_INVALID", `source ${settings.kind} is not available in this version`);
  }
}
