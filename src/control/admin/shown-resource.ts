import type { StoredValue } from "../../source/repository.ts";
import type { ShownResource } from "./answer-form.ts";
import type { ResourceDeps } from "./deps.ts";
import { isFields } from "./merge-patch.ts";
import type { AdminKind } from "./resource-kinds.ts";

/** What lies in the store; text that is no JSON is its own value. */
export function parseStored({ text }: StoredValue): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/**
 * A stored resource as GET shows it: secrets of plugins in clear text, private keys of
 * `ssls` not at all, those of upstreams as they are stored.
 */
export function showResource(deps: ResourceDeps, kind: AdminKind, stored: StoredValue): ShownResource {
  return {
    key: `${deps.prefix}/${stored.key}`,
    value: showValue(deps, kind, parseStored(stored)),
    createdIndex: stored.createRevision,
    modifiedIndex: stored.modRevision,
  };
}

function showValue({ cipher }: ResourceDeps, kind: AdminKind, value: unknown): unknown {
  if (!isFields(value)) return value;
  switch (kind) {
    case "ssls": {
      const { key: _key, keys: _keys, ...rest } = value;
      return rest;
    }
    case "upstreams":
      return value;
    default: {
      const clear = cipher.decrypt(kind, value);
      return value.upstream === undefined ? clear : { ...clear, upstream: value.upstream };
    }
  }
}
