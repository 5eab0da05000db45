import type { TestContext } from "node:test";
import type { Logger } from "../../observe/logger.ts";
import { encryptFieldsOf } from "../../plugin/plugin.ts";
import { streamPlugins } from "../../plugins/catalogue/index.ts";
import { defaultPlugins } from "../../settings/keys/default-plugins.ts";
import type { AdminSettings } from "../../settings/settings.ts";
import { parseKey } from "../../source/keyed-layout.ts";
import { createMemoryRepository, type MemoryRepository } from "../../source/memory-repository.ts";
import { buildLoadedView } from "../../store/store-view.ts";
import type { EncryptedFields } from "../../store/encryption.ts";
import { Store } from "../../store/store.ts";
import { resourceCheckFor } from "../resource-check.ts";
import { createAdminApi } from "./admin-api.ts";
import { buildCipher } from "./cipher.ts";
import { buildCatalogue } from "./schema-catalogue.ts";

/** Test support: an Admin API over a repository in memory, behind a real server. */

/** The keys of the test server. */
export const adminKey = "edd1c9f034335f136f87ad84b625c8f1";
export const viewerKey = "4054f7cf07e344346cd3f287985e76a2";

/** What the test server is made with. */
export interface TestAdminOptions {
  readonly settings?: Partial<AdminSettings>;
  readonly stream?: boolean;
  /** `data_encryption.enable_encrypt_fields`. */
  readonly encrypt?: boolean;
  readonly port?: number;
}

/** An answer with its body parsed. */
export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; the text where it is none. */
  readonly body: Record<string, unknown>;
}

/** A running Admin API. */
export interface TestAdmin {
  readonly url: string;
  readonly port: number;
  readonly repository: MemoryRepository;
  readonly store: Store;
  /** What was logged. */
  readonly lines: readonly string[];
  /** A request below /apisix/admin with the admin's key; an object as body becomes JSON. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>;
  close(): Promise<void>;
}

/** Starts one that ends with the test. */
export async function startAdmin(t: TestContext, options: TestAdminOptions = {}): Promise<TestAdmin> {
  const admin = await createTestAdmin(options);
  t.after(() => admin.close());
  return admin;
}

/** Starts one that the caller closes. */
export async function createTestAdmin(options: TestAdminOptions = {}): Promise<TestAdmin> {
  const repository = createMemoryRepository();
  const check = resourceCheckFor({ plugins: defaultPlugins, streamPlugins, pluginAttr: {} });
  const store = new Store({ ...check, revision: 0, inherited: [] });
  const encryptedFields: EncryptedFields = (name, place) => {
    const plugin = check.plugins.get(name);
    return plugin === undefined ? [] : encryptFieldsOf(plugin, place);
  };
  const cipher = buildCipher({ enabled: options.encrypt ?? true, keyring: ["qeddd145sfvddff3"] }, encryptedFields);
  store.applySnapshot({ revision: 1, entries: [] }, Date.now());
  repository.onChange = (key, text) => {
    const kind = parseKey(key)?.kind;
    const clear = text === null || kind === undefined ? text : JSON.stringify(cipher.decrypt(kind, JSON.parse(text)));
    store.applyStep({ revision: repository.revision, changes: [{ key, text: clear }] }, Date.now());
  };
  const loaded = buildLoadedView(store, { plugins: check.plugins, settled: async () => true });
  const lines: string[] = [];
  const settings: AdminSettings = {
    listen: { ip: "127.0.0.1", port: options.port ?? 0 },
    keys: [
      { name: "admin", key: adminKey, role: "admin" },
      { name: "viewer", key: viewerKey, role: "viewer" },
    ],
    keyRequired: true,
    generatedKeyFile: null,
    allow: ["127.0.0.0/8"],
    cors: true,
    version: "v3",
    tls: null,
    ...options.settings,
  };
  const api = createAdminApi({
    settings,
    log: logTo(lines),
    serverName: "Turnpike/test APISIX/3.18.0",
    content: {
      resources: {
        repository,
        loaded,
        cipher,
        prefix: "/apisix",
        stream: options.stream ?? true,
        now: Date.now,
      },
      catalogue: buildCatalogue({ plugins: defaultPlugins, streamPlugins, pluginAttr: {} }, loaded),
      check,
      reloadPlugins: () => Promise.resolve(),
    },
  });
  const { port } = await api.listen();
  const url = `${settings.tls === null ? "http" : "https"}://127.0.0.1:${port}`;
  return {
    url,
    port,
    repository,
    store,
    lines,
    send: (method, path, body, headers) => send(`${url}/apisix/admin${path}`, method, body, headers),
    async close() {
      await api.close();
      repository.close();
    },
  };
}

function logTo(lines: string[]): Logger {
  const write = (message: string): void => void lines.push(message);
  return {
    debug: write,
    info: write,
    notice: write,
    warn: write,
    error: write,
    enabled: () => true,
    reopen: () => undefined,
    close: () => undefined,
  };
}

async function send(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<TestAnswer> {
  const response = await fetch(url, {
    method,
    headers: { "X-API-KEY": adminKey, ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // It stays text.
  }
  return { status: response.status, headers: response.headers, text, body: parsed as TestAnswer["body"] };
}
