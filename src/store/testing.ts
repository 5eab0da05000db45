import { definePlugin, type KnownPlugin } from "../plugin/plugin.ts";
import type { SourceDocument } from "../source/source.ts";
import { Store, type Applied, type StoreOptions } from "./store.ts";

/** Test support: a store with three small plugins. */

const keyAuth = definePlugin({
  name: "key-auth",
  priority: 2500,
  version: "0.1",
  type: "auth",
  schema: { type: "object", properties: { header: { type: "string", default: "apikey" } } },
  consumerSchema: {
    type: "object",
    properties: { key: { type: "string", pattern: "^[^!]*$" } },
    required: ["key"],
    encrypt_fields: ["key"],
  },
  consumerKey: "key",
  compile: () => ({}),
});

/** Fails to compile where `fail` is set, with everything it knows in the reason. */
const fragile = definePlugin({
  name: "fragile",
  priority: 1,
  version: "0.1",
  schema: {
    type: "object",
    properties: { fail: { type: "boolean", default: false }, sign: { type: "string" }, opts: { type: "object" } },
    encrypt_fields: ["sign", "opts.inner"],
  },
  metadataSchema: { type: "object", properties: { size: { type: "integer" } } },
  compile(conf) {
    if (conf.fail) throw new Error(`cannot work with ${JSON.stringify(conf)}`);
    return {};
  },
});

/** Known and not built. */
const cors: KnownPlugin = { name: "cors", priority: 4000, version: "0.1", schema: { type: "object" } };

/** The three plugins. */
export const plugins = new Map<string, KnownPlugin>([
  ["key-auth", keyAuth],
  ["fragile", fragile],
  ["cors", cors],
]);

/** Entries by kind. */
export type Lists = Readonly<Record<string, readonly unknown[]>>;

function documentOf(lists: Lists): SourceDocument {
  return {
    resources: Object.fromEntries(
      Object.entries(lists).map(([kind, items]) => [kind, items.map((value) => ({ value, line: 0 }))]),
    ),
  };
}

/** A store, and documents for it. */
export function createStore(options: Partial<StoreOptions> = {}): {
  readonly store: Store;
  apply(lists: Lists, now?: number): Applied;
} {
  const store = new Store({ plugins, revision: 0, inherited: [], ...options });
  return { store, apply: (lists, now = 1) => store.applyDocument(documentOf(lists), now) };
}

/** Something to send requests to. */
export const nodes = { "127.0.0.1:80": 1 };

/** A route by itself. */
export const route = (id: string, fields: object = { upstream: { nodes } }): object => ({
  id,
  uri: `/${id}`,
  ...fields,
});
