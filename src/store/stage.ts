import { nearestName } from "../lib/nearest-name.ts";
import { nestingFault } from "../lib/nesting.ts";
import { kinds, type Kind, type Rejection } from "../schema/kinds.ts";
import { parseKey } from "../source/keyed-layout.ts";
import type { KeyedEntry, RawResource, SourceDocument } from "../source/source.ts";
import { identify } from "./identify.ts";
import { collectReferences, mayRefer } from "./secret-references.ts";

/**
 * What a source delivered, read but not checked: which resources it names, what is new
 * about them, and which secrets have to be known before they can be checked.
 */
export interface Staged {
  readonly mode: "document" | "snapshot" | "step";
  /** Of keyed sources. */
  readonly revision: number;
  /** JSON text of a document's own list of plugins. */
  readonly pluginsList: string | null;
  readonly entries: readonly StagedEntry[];
  /** What cannot be filed under a key of its own. */
  readonly strays: readonly NewRejection[];
}

/** A resource as it was read. */
export interface StagedEntry {
  /** `<kind>/<id>`. */
  readonly key: string;
  readonly kind: Kind;
  readonly id: string;
  readonly content: Content;
}

type Content =
  /** As it was before. */
  | { readonly state: "same" }
  | { readonly state: "gone" }
  | { readonly state: "unreadable"; readonly raw: string; readonly error: string }
  | {
      readonly state: "read";
      readonly raw: string;
      /** The value, decrypted, for whoever checks it and may change it. */
      readonly read: () => unknown;
      readonly references: ReadonlySet<string>;
    };

/** A rejection without its time. */
export type NewRejection = Omit<Rejection, "since" | "revision">;

/** What staging is done with. */
export interface StageParts {
  /** JSON text as written of what is wanted already, by key. */
  raw(key: string): string | undefined;
  /** Puts the clear text in place of encrypted fields. */
  decrypt(kind: Kind, value: unknown): unknown;
}

/** Reads a document. */
export function stageDocument(document: SourceDocument, parts: StageParts): Staged {
  const strays: NewRejection[] = [];
  const entries = new Map<string, StagedEntry>();
  for (const [kind, items] of Object.entries(document.resources)) {
    if (!isKind(kind)) strays.push({ kind, id: "", field: "", error: unknownKind(kind), serving: "nothing" });
    else if (kind !== "plugins") stageList(kind, items, parts, { entries, strays });
  }
  return { mode: "document", revision: 0, pluginsList: listOf(document), entries: [...entries.values()], strays };
}

/** JSON text of the document's list of plugins; `null` where it has none. */
export function listOf({ resources: { plugins } }: SourceDocument): string | null {
  return plugins === undefined ? null : JSON.stringify(plugins.map(({ value }) => value));
}

function stageList(
  list: Kind,
  items: readonly RawResource[],
  parts: StageParts,
  into: { readonly entries: Map<string, StagedEntry>; readonly strays: NewRejection[] },
): void {
  for (const [index, { value }] of items.entries()) {
    const { kind, id, error } = identify(list, value, index);
    const key = `${kind}/${id}`;
    if (into.entries.has(key)) {
      const name = kind === "consumers" ? "username" : "id";
      const duplicate = `found duplicate ${name} ${id} in ${list}: entry ${index + 1} is left out`;
      into.strays.push({ kind, id, field: name, error: duplicate, serving: "nothing" });
      continue;
    }
    const raw = JSON.stringify(value);
    // What has been identified is an object.
    const fields = value as Readonly<Record<string, unknown>>;
    const content = error === null ? documentContent({ key, kind }, fields, raw, parts) : unreadable(raw, error);
    into.entries.set(key, { key, kind, id, content });
  }
}

/**
 * Reads entries of a keyed source; of several for one key the last one counts. What is no
 * resource is passed over, and so is the list of plugins that APISIX keeps there: it is
 * that of one of its nodes, and none of ours.
 */
export function stageKeyed(
  mode: "snapshot" | "step",
  revision: number,
  changes: readonly KeyedEntry[],
  parts: StageParts,
): Staged {
  const entries = new Map<string, StagedEntry>();
  for (const { key: path, text } of changes) {
    const place = parseKey(path);
    if (place === null || place.kind === "plugins") continue;
    const { kind, id } = place;
    const key = `${kind}/${id}`;
    entries.set(key, { key, kind, id, content: keyedContent({ key, kind, id }, text, parts) });
  }
  return { mode, revision, pluginsList: null, entries: [...entries.values()], strays: [] };
}

function keyedContent(place: Omit<StagedEntry, "content">, text: string | null, parts: StageParts): Content {
  if (text === null) return { state: "gone" };
  try {
    const content = contentOf(place, text, parts, parseStored);
    if (content.state !== "read") return content;
    const value = content.read();
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return unreadable(text, "the stored value is no JSON object");
    }
    // The key says who it is, whatever stands inside; the others get their id when they are checked.
    if (place.kind !== "consumers" && place.kind !== "credentials") Object.assign(value, { id: place.id });
    return content;
  } catch (error) {
    // The engine's own message quotes the text, which may hold secrets.
    return unreadable(text, error instanceof RangeError ? error.message : "the stored value is no JSON");
  }
}

/** Who writes into a store by key has not been judged by anybody. */
function parseStored(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const deep = nestingFault(value);
  if (deep !== null) throw new RangeError(`the stored value is ${deep}`);
  return value;
}

/** Reads the text of something wanted again, of a keyed source or of a document. */
export function restage(
  place: Omit<StagedEntry, "content">,
  raw: string,
  keyed: boolean,
  parts: StageParts,
): StagedEntry {
  return { ...place, content: keyed ? keyedContent(place, raw, parts) : contentOf(place, raw, parts) };
}

const unreadable = (raw: string, error: string): Content => ({ state: "unreadable", raw, error });

const NONE: ReadonlySet<string> = new Set();

/**
 * Of a document, which `value` still belongs to. What cannot refer to secrets is read
 * when its turn comes: tens of thousands of copies at once would be moved about by the
 * garbage collector.
 */
function documentContent(
  place: { readonly key: string; readonly kind: Kind },
  value: Readonly<Record<string, unknown>>,
  raw: string,
  parts: StageParts,
): Content {
  if (parts.raw(place.key) === raw || mayRefer(place.kind, value)) return contentOf(place, raw, parts);
  return { state: "read", raw, read: () => parts.decrypt(place.kind, JSON.parse(raw)), references: NONE };
}

function contentOf(
  { key, kind }: { readonly key: string; readonly kind: Kind },
  raw: string,
  parts: StageParts,
  parse: (text: string) => unknown = JSON.parse,
): Content {
  if (parts.raw(key) === raw) return { state: "same" };
  const value = parts.decrypt(kind, parse(raw));
  const references = collectReferences(kind, value);
  return { state: "read", raw, read: () => value, references: references.size === 0 ? NONE : references };
}

/** Whether a document's key names a kind of resources. */
export const isKind = (name: string): name is Kind => (kinds as readonly string[]).includes(name);

/** The reason for a key of a document that is no kind. */
export function unknownKind(name: string): string {
  const near = nearestName(name, kinds);
  return `unknown kind ${name}${near === null ? "" : `; did you mean ${near}?`}`;
}
