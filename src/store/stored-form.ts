import { parseCredentialKey } from "../schema/credential.ts";
import type { Kind } from "../schema/kinds.ts";

/** A resource of a standalone document or of a store by key, before it is checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** Secrets at rest; neither changes `value`. */
export interface Cipher {
  /** As the store keeps it. */
  encrypt<T>(kind: Kind, value: T): T;
  /** In clear text. */
  decrypt<T>(kind: Kind, value: T): T;
}

/** Kinds whose resources say when they were written. */
export const isTimed = (kind: Kind): boolean => kind !== "plugin_metadata" && kind !== "plugins";

/**
 * What a store by key holds of an entry of a standalone document: a consumer has no `id`,
 * a credential the last part of its own, the others theirs as a string; the times are those
 * of the entry. The opposite of `toListed`.
 */
export function toStored(kind: Kind, id: string, entry: Fields): Fields {
  const { createdIndex: _created, modifiedIndex: _modified, id: _id, ...fields } = entry;
  if (kind === "consumers") return fields;
  return { id: kind === "credentials" ? (parseCredentialKey(id)?.id ?? id) : id, ...fields };
}

/** The list of a standalone document that has such resources: credentials stand among the consumers. */
export const listOfKind = (kind: Kind): Kind => (kind === "credentials" ? "consumers" : kind);

/** What a standalone document says of a stored resource. */
export function toListed(kind: Kind, id: string, stored: Fields): Fields {
  const { id: _id, ...fields } = stored;
  if (kind === "consumers") return { username: id, ...fields };
  return { id, ...fields };
}

/** Without when it was written, which says nothing of what it is. */
export function withoutTimes({ create_time: _created, update_time: _updated, ...content }: Fields): Fields {
  return content;
}

/** A stored text as an object; `null` where it is none. */
export function parseFields(text: string): Fields | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}
