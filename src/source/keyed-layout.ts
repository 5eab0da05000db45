import { parseCredentialKey } from "../schema/credential.ts";
import { kinds, type Kind } from "../schema/kinds.ts";

/** Which resource a key holds; the two parts of a `Change`. */
export interface KeyedName {
  readonly kind: Kind;
  readonly id: string;
}

const known: ReadonlySet<string> = new Set(kinds);

/**
 * The key of a resource in APISIX's etcd layout, without the prefix: `routes/1`,
 * `consumers/jack/credentials/one` for the credential `jack/credentials/one`,
 * `secrets/vault/1`, and `plugins` alone for the list of plugins.
 */
export function keyOf(kind: Kind, id: string): string {
  if (kind === "plugins") return "plugins";
  return kind === "credentials" ? `consumers/${id}` : `${kind}/${id}`;
}

/** The resource of a key; `null` where no resource lies at such a key. The inverse of `keyOf`. */
export function parseKey(key: string): KeyedName | null {
  if (key === "plugins") return { kind: "plugins", id: "plugins" };
  const slash = key.indexOf("/");
  const kind = key.slice(0, slash);
  const id = key.slice(slash + 1);
  if (slash <= 0 || id === "" || !isListed(kind)) return null;
  if (kind === "consumers" && parseCredentialKey(id) !== null) return { kind: "credentials", id };
  const parts = id.split("/");
  const expected = kind === "secrets" ? 2 : 1;
  return parts.length === expected && parts.every((part) => part !== "") ? { kind, id } : null;
}

/** Credentials lie below their consumer and the list of plugins has a key of its own. */
function isListed(kind: string): kind is Exclude<Kind, "credentials" | "plugins"> {
  return known.has(kind) && kind !== "credentials" && kind !== "plugins";
}
