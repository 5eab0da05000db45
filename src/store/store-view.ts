import type { PluginRegistry } from "../plugin/plugin.ts";
import type { Kind, Rejection } from "../schema/kinds.ts";
import type { LoadedView } from "./loaded-view.ts";
import { claimsOf, describeClash } from "./resource.ts";
import type { Store } from "./store.ts";

/** What the view needs beside the store. */
export interface ViewParts {
  readonly plugins: PluginRegistry;
  /** As `LoadedView.settled`. */
  settled(revision: number, limitMs: number): Promise<boolean>;
}

/** The view of a store for the Admin and Control APIs. */
export function buildLoadedView(store: Store, { plugins, settled }: ViewParts): LoadedView {
  return {
    get revision() {
      return store.revision;
    },
    get(kind, id) {
      const resource = store.held.get(`${kind}/${id}`);
      return resource === undefined ? undefined : (JSON.parse(resource.shown) as Record<string, unknown>);
    },
    ids(kind) {
      return [...store.held.values()].flatMap((resource) => (resource.kind === kind ? [resource.id] : [])).sort();
    },
    dependents(kind, id) {
      return [...store.links.dependents(`${kind}/${id}`)].filter((key) => store.held.has(key)).sort();
    },
    clash(kind, id, value) {
      return findClash(store, plugins, { kind, id, value });
    },
    rejection(kind, id): Rejection | null {
      return store.rejected.find((one) => one.kind === kind && one.id === id) ?? null;
    },
    settled,
  };
}

interface Claimant {
  readonly kind: Kind;
  readonly id: string;
  readonly value: unknown;
}

function findClash(store: Store, plugins: PluginRegistry, { kind, id, value }: Claimant): string | null {
  const own = `${kind}/${id}`;
  for (const claim of claimsOf(kind, value, plugins)) {
    for (const key of store.links.claimants(claim.key)) {
      const owner = key === own ? undefined : store.held.get(key);
      if (owner !== undefined) return describeClash(claim, owner);
    }
  }
  return null;
}
