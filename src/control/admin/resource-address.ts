import { keyOf } from "../../source/keyed-layout.ts";
import { resourceKinds, type ResourceKind } from "./resource-kinds.ts";

/** Which resource, or which collection, a path names. */
export interface ResourceAddress {
  readonly kind: ResourceKind;
  /**
   * What stands before the id in the id of the kind, slash included: `vault/` for a
   * secret, `jack/credentials/` for a credential; else `""`.
   */
  readonly scope: string;
  /** What the path has as id; `null`: none. */
  readonly id: string | null;
  /** Segments behind the id. */
  readonly subPath: readonly string[];
}

/** Reads the segments below `/apisix/admin`, whose first names `kind`. */
export function addressOf(kind: ResourceKind, path: readonly string[]): ResourceAddress {
  const [, first, second, third] = path;
  if (kind.kind === "consumers" && first !== undefined && second === "credentials") {
    return {
      kind: resourceKinds.credentials,
      scope: `${first}/credentials/`,
      id: third ?? null,
      subPath: path.slice(4),
    };
  }
  if (kind.kind === "secrets") {
    return { kind, scope: first === undefined ? "" : `${first}/`, id: second ?? null, subPath: path.slice(3) };
  }
  return { kind, scope: "", id: first ?? null, subPath: path.slice(2) };
}

/** The key in the store of the resource `id` at this address. */
export const storeKey = (address: ResourceAddress, id: string): string => keyOf(address.kind.kind, fullId(address, id));

/** The key of the collection at this address, without a slash at its end. */
export const collectionKey = ({ kind, scope }: ResourceAddress): string => keyOf(kind.kind, scope).replace(/\/$/, "");

/** The id of the kind (`vault/1`, `jack/credentials/one`), as everything behind the Admin API calls it. */
export const fullId = ({ scope }: ResourceAddress, id: string): string => `${scope}${id}`;
