import type { Board } from "../board/board.ts";
import { untilApplied } from "../board/laggards.ts";
import { version } from "../lib/version.ts";
import type { Logger } from "../observe/logger.ts";
import type { AdminSettings, Settings } from "../settings/settings.ts";
import type { UserPluginTable } from "../plugins/user/user-plugin-table.ts";
import type { ResourceCheck } from "../store/check-resource.ts";
import { buildLoadedView } from "../store/store-view.ts";
import type { Store } from "../store/store.ts";
import { createAdminApi, type AdminApi } from "./admin/admin-api.ts";
import { buildConfigsHandler } from "./admin/configs.ts";
import type { ResourceCipher } from "./admin/deps.ts";
import type { AdminHandler } from "./admin/exchange.ts";
import { buildCatalogue } from "./admin/schema-catalogue.ts";
import type { Configuration } from "./configuration.ts";
import type { Provider } from "./provider.ts";

/** What the Admin API of a node is put together from. */
export interface AdminParts {
  readonly settings: Settings;
  readonly admin: AdminSettings;
  readonly log: Logger;
  readonly board: Board;
  readonly provider: Provider;
  readonly configuration: Configuration;
  readonly store: Store;
  readonly check: ResourceCheck;
  readonly users: UserPluginTable;
  readonly cipher: ResourceCipher;
  /** `PUT plugins/reload`. */
  reloadPlugins(): Promise<void>;
}

/** Whose API it is: ADC chooses by the version what it sends and how it reads answers. */
const SPOKEN = "APISIX/3.18.0";

/** The Admin API of a node; `null`: its source takes no writes. */
export function buildAdminApi(parts: AdminParts): AdminApi | null {
  const { settings, admin, log, provider, configuration, store, check, users, cipher, reloadPlugins } = parts;
  const serverName = settings.serverTokens ? `Turnpike/${version} ${SPOKEN}` : "Turnpike";
  if (provider.pushed !== null) {
    const configs = buildPushHandler(parts, provider.pushed);
    return createAdminApi({ settings: admin, log, serverName, content: { configs } });
  }
  if (provider.repository === null) return null;
  const loaded = buildLoadedView(store, {
    plugins: check.plugins,
    settled: (revision, limitMs) => configuration.settled(revision, limitMs),
  });
  const resources = {
    repository: provider.repository,
    loaded,
    cipher,
    prefix: settings.source.kind === "etcd" ? settings.source.etcd.prefix : "/apisix",
    stream: settings.proxyMode !== "http",
    now: Date.now,
  };
  const content = { resources, catalogue: buildCatalogue(settings, loaded, users), check, reloadPlugins };
  return createAdminApi({ settings: admin, log, serverName, content });
}

function buildPushHandler(parts: AdminParts, source: NonNullable<Provider["pushed"]>): AdminHandler {
  const { board, configuration, store, check } = parts;
  return buildConfigsHandler({
    source,
    check,
    idle: () => configuration.idle(),
    loaded: () => ({ revision: store.revision, rejected: store.rejected }),
    async waitApplied(revision, limitMs) {
      const laggards = await untilApplied(board, revision, limitMs);
      return { applied: laggards.length === 0, laggards };
    },
    now: Date.now,
  });
}
