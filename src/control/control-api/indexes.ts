import type { Kind } from "../../schema/kinds.ts";
import type { ApiSource } from "../../source/api-driven.ts";
import { keyOf } from "../../source/keyed-layout.ts";
import type { Repository, StoredValue } from "../../source/repository.ts";
import { identify } from "../../store/identify.ts";
import { modifiedIndexOf } from "../../store/merge-push.ts";

/** Where a resource stands in the history of its source, as far as that is known. */
export interface ResourceIndexes {
  readonly createdIndex?: number;
  readonly modifiedIndex?: number;
}

/** Tells the indexes of resources. */
export interface IndexLookup {
  /** Of one resource. */
  of(kind: Kind, id: string): Promise<ResourceIndexes>;
  /** Of all resources of a kind: a look-up by id. */
  all(kind: Kind): Promise<(id: string) => ResourceIndexes>;
}

const NONE: ResourceIndexes = {};

/** Of a store that keeps resources by key; nothing is known while it cannot be reached. */
export function indexesOfRepository(repository: Repository): IndexLookup {
  const indexes = ({ createRevision, modRevision }: StoredValue): ResourceIndexes => ({
    createdIndex: createRevision,
    modifiedIndex: modRevision,
  });
  return {
    async of(kind, id) {
      const value = await repository.get(keyOf(kind, id)).catch(() => null);
      return value === null ? NONE : indexes(value);
    },
    async all(kind) {
      const prefix = `${kind}/`;
      const list = await repository.list(prefix).catch(() => null);
      const byId = new Map((list?.values ?? []).map((value) => [value.key.slice(prefix.length), indexes(value)]));
      return (id) => byId.get(id) ?? NONE;
    },
  };
}

/** Of pushed configurations: a resource's own `modifiedIndex`, else the version of its kind. */
export function indexesOfPushes(source: ApiSource): IndexLookup {
  const all = (kind: Kind): ((id: string) => ResourceIndexes) => {
    const { current } = source;
    const found = new Map<string, ResourceIndexes>();
    for (const [index, value] of (current?.lists[kind] ?? []).entries()) {
      const modifiedIndex = modifiedIndexOf(value) ?? current?.versions[kind] ?? 0;
      found.set(identify(kind, value, index).id, { modifiedIndex });
    }
    return (id) => found.get(id) ?? NONE;
  };
  return {
    of: (kind, id) => Promise.resolve(all(kind)(id)),
    all: (kind) => Promise.resolve(all(kind)),
  };
}

/** Of files, which have one revision for everything. */
export function indexesOfRevision(revision: () => number): IndexLookup {
  return {
    of: () => Promise.resolve({ modifiedIndex: revision() }),
    all: () => Promise.resolve(() => ({ modifiedIndex: revision() })),
  };
}
