import { addHash, subtractHash } from "../lib/content-hash.ts";
import { nearestName } from "../lib/nearest-name.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import { kinds, type Change, type Kind, type Rejection } from "../schema/kinds.ts";
import type { RawResource, SourceDocument } from "../source/source.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { checkResource, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";
import { buildResource, type Resource } from "./resource.ts";
import { resolve, type Entry } from "./resolve.ts";

/** What a store is made with. */
export interface StoreOptions extends ResourceCheck {
  /** Accepted loads so far; 0: none. */
  readonly revision: number;
  /** What the workers hold already, for a control thread that takes over. */
  readonly inherited: readonly Change[];
}

/** What one document did. */
export interface Applied {
  readonly revision: number;
  readonly hash: bigint;
  /** From what was held before; deletions have `text: null`. */
  readonly changes: readonly Change[];
  /** Everything that is rejected now. */
  readonly rejected: readonly Rejection[];
}

/** An entry as it was last seen, so that an unchanged one is not checked again. */
interface Seen {
  /** JSON text of the entry as written. */
  readonly raw: string;
  readonly entry: Entry;
}

interface NewRejection {
  readonly kind: string;
  readonly id: string;
  readonly error: string;
  readonly serving: Rejection["serving"];
}

/**
 * The resources that are accepted, by revision. One control thread owns it; it does
 * no I/O. Documents go in, changes for the workers come out, and whatever is refused
 * stays listed with its reason until it is repaired or gone.
 */
export class Store {
  readonly #plugins: PluginRegistry;
  /** `plugins` with the limits of the document's own list. */
  #check: ResourceCheck;
  #revision: number;
  #hash = 0n;
  #held: ReadonlyMap<string, Resource>;
  #seen = new Map<string, Seen>();
  #rejected: readonly Rejection[] = [];
  /** Until the first document: it may be what the workers hold already. */
  #takingOver: boolean;

  constructor(options: StoreOptions) {
    this.#check = options;
    this.#plugins = options.plugins;
    this.#revision = options.revision;
    this.#takingOver = options.revision > 0;
    const held = options.inherited.flatMap(({ kind, id, text }) =>
      text === null ? [] : [buildResource(kind, id, JSON.parse(text), text, options.plugins)],
    );
    this.#held = new Map(held.map((resource) => [resource.key, resource]));
    for (const { fingerprint } of held) this.#hash = addHash(this.#hash, fingerprint);
  }

  /** Accepted loads: every applied document is one more, also when it changed nothing. */
  get revision(): number {
    return this.#revision;
  }

  /** Over everything accepted; see `lib/content-hash.ts`. */
  get hash(): bigint {
    return this.#hash;
  }

  get rejected(): readonly Rejection[] {
    return this.#rejected;
  }

  /** Everything accepted. */
  snapshot(): readonly Change[] {
    return Array.from(this.#held.values(), ({ kind, id, text }) => ({ kind, id, text }));
  }

  /** Makes the document the configuration; `now` is Unix milliseconds. */
  applyDocument(document: SourceDocument, now: number): Applied {
    const { entries, strays } = this.#read(document);
    const { serving, reasons } = resolve(entries, this.#held);
    const changes = this.#replace(serving);
    if (!this.#takingOver || changes.length > 0) this.#revision++;
    this.#takingOver = false;
    const rejections = Array.from(reasons, ([key, error]): NewRejection => {
      const slash = key.indexOf("/");
      const previous = serving.has(key) ? "previous" : "nothing";
      return { kind: key.slice(0, slash), id: key.slice(slash + 1), error, serving: previous };
    });
    this.#rejected = this.#date([...rejections, ...strays], now);
    return { revision: this.#revision, hash: this.#hash, changes, rejected: this.#rejected };
  }

  /** Checks every entry that has changed; `strays` are those that cannot be filed under a key of their own. */
  #read(document: SourceDocument): { entries: readonly Entry[]; strays: readonly NewRejection[] } {
    const strays: NewRejection[] = [];
    const seen = new Map<string, Seen>();
    this.#readPluginsList(document.resources.plugins, seen);
    for (const [kind, list] of Object.entries(document.resources)) {
      if (!isKind(kind)) strays.push({ kind, id: "", error: unknownKind(kind), serving: "nothing" });
      else if (kind !== "plugins") this.#readList(kind, list, seen, strays);
    }
    this.#seen = seen;
    return { entries: Array.from(seen.values(), ({ entry }) => entry), strays };
  }

  #readList(list: Kind, items: readonly RawResource[], seen: Map<string, Seen>, strays: NewRejection[]): void {
    for (const [index, { value }] of items.entries()) {
      const { kind, id, error } = identify(list, value, index);
      const key = `${kind}/${id}`;
      if (seen.has(key)) {
        const name = kind === "consumers" ? "username" : "id";
        const duplicate = `found duplicate ${name} ${id} in ${list}: entry ${index + 1} is left out`;
        strays.push({ kind, id, error: duplicate, serving: "nothing" });
        continue;
      }
      const raw = JSON.stringify(value);
      const before = this.#seen.get(key);
      if (before?.raw === raw) seen.set(key, before);
      else seen.set(key, { raw, entry: { key, checked: this.#checkEntry(kind, id, raw, error) } });
    }
  }

  #checkEntry(kind: Kind, id: string, raw: string, error: string | null): Entry["checked"] {
    return error === null ? checkResource(kind, id, JSON.parse(raw), this.#check) : { error };
  }

  /** The document's own list of plugins limits which ones the other resources may name. */
  #readPluginsList(items: readonly RawResource[] | undefined, seen: Map<string, Seen>): void {
    const key = "plugins/plugins";
    const raw = items === undefined ? "" : JSON.stringify(items.map(({ value }) => value));
    const before = this.#seen.get(key);
    if (before === undefined ? raw === "" : before.raw === raw) {
      if (before !== undefined) seen.set(key, before);
      return;
    }
    const list = raw === "" ? null : checkPluginsList(JSON.parse(raw), this.#plugins);
    if (list !== null) {
      const error = list.faults.map(({ message }) => message).join("; ");
      seen.set(key, { raw, entry: { key, checked: error === "" ? list.resource : { error } } });
      if (error !== "") return;
    }
    this.#check = { ...this.#check, plugins: list === null ? this.#plugins : list.enabled };
    // What was found out about the others may no longer hold.
    this.#seen.clear();
  }

  /** Makes `serving` what is held; the changes that lead there. */
  #replace(serving: ReadonlyMap<string, Resource>): readonly Change[] {
    const changes: Change[] = [];
    for (const [key, { kind, id, text, fingerprint }] of serving) {
      const before = this.#held.get(key);
      if (before?.text === text) continue;
      if (before !== undefined) this.#hash = subtractHash(this.#hash, before.fingerprint);
      this.#hash = addHash(this.#hash, fingerprint);
      changes.push({ kind, id, text });
    }
    for (const [key, { kind, id, fingerprint }] of this.#held) {
      if (serving.has(key)) continue;
      this.#hash = subtractHash(this.#hash, fingerprint);
      changes.push({ kind, id, text: null });
    }
    this.#held = serving;
    return changes;
  }

  /** A rejection that was there before with the same reason keeps its time and revision. */
  #date(rejections: readonly NewRejection[], now: number): readonly Rejection[] {
    const name = ({ kind, id, error }: Pick<Rejection, "kind" | "id" | "error">): string => `${kind}/${id}\n${error}`;
    const before = new Map(this.#rejected.map((rejection) => [name(rejection), rejection]));
    return rejections.map((rejection) => {
      const earlier = before.get(name(rejection));
      return { ...rejection, since: earlier?.since ?? now, revision: earlier?.revision ?? this.#revision };
    });
  }
}

/** Whether a document's key names a kind of resources. */
export const isKind = (name: string): name is Kind => (kinds as readonly string[]).includes(name);

/** The reason for a key of a document that is no kind. */
export function unknownKind(name: string): string {
  const near = nearestName(name, kinds);
  return `unknown kind ${name}${near === null ? "" : `; did you mean ${near}?`}`;
}
