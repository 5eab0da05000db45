import { parseCredentialKey } from "../schema/credential.ts";
import type { Kind } from "../schema/kinds.ts";
import { secretManagers } from "../schema/secret.ts";

/** What an entry of a document is called. */
export interface Identity {
  readonly kind: Kind;
  readonly id: string;
  /** Why it cannot be told, `null` where it can. */
  readonly error: string | null;
}

/**
 * Kind and id of the entry `value` at `index` (from 0) of the list `kind`, as
 * APISIX finds them: `id`, else `username`, else `arr_` and the position. Credentials
 * stand among the consumers, with ids such as `jack/credentials/1`.
 */
export function identify(kind: Kind, value: unknown, index: number): Identity {
  const position = `arr_${index + 1}`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind, id: position, error: `wrong type: expected object, got ${typeName(value)}` };
  }
  const { id: rawId, username } = value as { readonly id?: unknown; readonly username?: unknown };
  const id = typeof rawId === "string" || typeof rawId === "number" ? String(rawId) : "";
  switch (kind) {
    case "consumers":
      if (id.includes("/credentials/")) return credential(id);
      if (typeof username === "string" && username !== "") return { kind, id: username, error: null };
      break;
    case "credentials":
      return credential(id === "" ? position : id);
    case "plugin_metadata":
      if (id === "") return { kind, id: position, error: "missing plugin name" };
      break;
    case "secrets":
      return secret(id === "" ? position : id);
    default:
      break;
  }
  return { kind, id: id === "" ? position : id, error: null };
}

function credential(id: string): Identity {
  const known = parseCredentialKey(id) !== null;
  const error = known ? null : `invalid credential id: ${id}, expected <username>/credentials/<id>`;
  return { kind: "credentials", id, error };
}

function secret(id: string): Identity {
  const [manager = "", name = ""] = id.split("/");
  if (name === "") return { kind: "secrets", id, error: `invalid secret id: ${id}` };
  const known = secretManagers.some((one) => one === manager);
  return { kind: "secrets", id, error: known ? null : `invalid secret manager: ${manager}` };
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? "table" : typeof value;
}
