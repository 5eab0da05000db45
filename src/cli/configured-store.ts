import { buildCipher } from "../control/admin/cipher.ts";
import { TurnpikeError } from "../lib/errors.ts";
import { knownPlugins } from "../plugins/catalogue/index.ts";
import type { UserPluginTable } from "../plugins/user/user-plugin-table.ts";
import { encryptedFieldsOf } from "../store/encryption.ts";
import type { Settings } from "../settings/settings.ts";
import { createEmbeddedStore, type EmbeddedStore } from "../source/embedded/embedded-store.ts";
import { createEtcdStore } from "../source/etcd/etcd-store.ts";
import type { Repository } from "../source/repository.ts";
import type { Cipher } from "../store/stored-form.ts";

/** The store that config.yaml names; the caller closes it. */
export interface ConfiguredStore {
  /** For messages: its file, or its addresses. */
  readonly name: string;
  readonly repository: Repository;
  /** The same with transactions; `null` where the store has none over many keys. */
  readonly embedded: EmbeddedStore | null;
  close(): void | Promise<void>;
}

/**
 * Opens the store: the embedded one beside a gateway that may be running. Throws
 * `SETTINGS_INVALID` where config.yaml names no store, else what the store throws.
 */
export function openConfiguredStore({ source }: Settings, access: "read" | "shared"): ConfiguredStore {
  switch (source.kind) {
    case "embedded": {
      const embedded = createEmbeddedStore(source.file, access);
      embedded.open();
      return { name: source.file, repository: embedded, embedded, close: () => embedded.close() };
    }
    case "etcd": {
      const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
      const etcd = createEtcdStore(source.etcd, silent);
      const name = `etcd ${source.etcd.hosts.join(", ")} ${source.etcd.prefix}`;
      return { name, repository: etcd, embedded: null, close: () => etcd.close() };
    }
    case "api":
      throw new TurnpikeError(
        "SETTINGS_INVALID",
        "this node has no store: GET and PUT /apisix/admin/configs are its export and import",
      );
    default:
      throw new TurnpikeError(
        "SETTINGS_INVALID",
        `this node has no store: its configuration is the file ${source.file}, which can be copied`,
      );
  }
}

/** Secrets at rest as the settings want them, for every plugin there is: also for one that is not enabled. */
export function buildStoreCipher(settings: Settings, users: UserPluginTable): Cipher {
  return buildCipher(settings.dataEncryption, encryptedFieldsOf(users.over(knownPlugins)));
}
