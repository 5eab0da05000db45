import { addHash, subtractHash } from "../lib/content-hash.ts";
import { nearestName } from "../lib/nearest-name.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import { kinds, type Change, type Kind, type Rejection } from "../schema/kinds.ts";
import { formatPath } from "../source/document.ts";
import { parseKey } from "../source/keyed-layout.ts";
import type { KeyedEntry, KeyedSnapshot, KeyedStep, RawResource, SourceDocument } from "../source/source.ts";
import { affectedBy } from "./affected.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { checkResource, type ResourceCheck } from "./check-resource.ts";
import { identify } from "./identify.ts";
import { checkKeyed } from "./keyed-resource.ts";
import { Links } from "./links.ts";
import { buildResource, type Resource } from "./resource.ts";
import { resolve, type Entry, type Reason, type Resolution } from "./resolve.ts";

/** What a store is made with. */
export interface StoreOptions extends ResourceCheck {
  /** Revision of what the workers hold already; 0: nothing. */
  readonly revision: number;
  /** What the workers hold already, for a control thread that takes over. */
  readonly inherited: readonly Change[];
}

/** What one load did. */
export interface Applied {
  /** What was held before it. */
  readonly fromRevision: number;
  readonly revision: number;
  readonly hash: bigint;
  /** From what was held before; deletions have `text: null`. */
  readonly changes: readonly Change[];
  /** Everything that is rejected now. */
  readonly rejected: readonly Rejection[];
}

/** An entry as the source has it, so that an unchanged one is not checked again. */
interface Wanted extends Entry {
  /** JSON text as written. */
  readonly raw: string;
}

interface NewRejection {
  readonly kind: string;
  readonly id: string;
  readonly field: string;
  readonly error: string;
  readonly serving: Rejection["serving"];
}

/** The key of a list of plugins. */
const PLUGINS = "plugins/plugins";

/**
 * The resources that are accepted, by revision. One control thread owns it; it does
 * no I/O. Documents, or snapshots and steps of a keyed source, go in; changes for the
 * workers come out, and whatever is refused stays listed with its reason until it is
 * repaired or gone. A step costs what it can affect, not what is held.
 */
export class Store {
  readonly #plugins: PluginRegistry;
  /** `plugins` with the limits of the document's own list. */
  #check: ResourceCheck;
  #revision: number;
  #hash = 0n;
  #held = new Map<string, Resource>();
  #wanted = new Map<string, Wanted>();
  #reasons = new Map<string, Reason>();
  /** Entries of a document that cannot be filed under a key of their own. */
  #strays: readonly NewRejection[] = [];
  #rejected: readonly Rejection[] = [];
  /** Made when first needed: files are compared whole. */
  #links: Links | null = null;
  /** Until the first document: it may be what the workers hold already. */
  #takingOver: boolean;

  constructor(options: StoreOptions) {
    this.#check = options;
    this.#plugins = options.plugins;
    this.#revision = options.revision;
    this.#takingOver = options.revision > 0;
    for (const { kind, id, text } of options.inherited) {
      if (text === null) continue;
      const resource = buildResource(kind, id, JSON.parse(text), text, options.plugins);
      this.#held.set(resource.key, resource);
      this.#hash = addHash(this.#hash, resource.fingerprint);
    }
  }

  /** Of a keyed source: its revision; of documents: accepted loads, also those that changed nothing. */
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

  /** Everything accepted, by `<kind>/<id>`. */
  get held(): ReadonlyMap<string, Resource> {
    return this.#held;
  }

  /** Who refers to whom among what is wanted and what serves. */
  get links(): Links {
    if (this.#links === null) {
      this.#links = new Links();
      for (const key of new Set([...this.#wanted.keys(), ...this.#held.keys()])) this.#relink(this.#links, key);
    }
    return this.#links;
  }

  /** Everything accepted. */
  snapshot(): readonly Change[] {
    return Array.from(this.#held.values(), ({ kind, id, text }) => ({ kind, id, text }));
  }

  /** Makes the document the configuration; `now` is Unix milliseconds. */
  applyDocument(document: SourceDocument, now: number): Applied {
    this.#strays = this.#readDocument(document);
    const fromRevision = this.#revision;
    const changes = this.#resolveAll();
    if (!this.#takingOver || changes.length > 0) this.#revision++;
    return this.#finish(fromRevision, changes, now);
  }

  /** Makes what a keyed source holds the configuration. */
  applySnapshot({ revision, entries }: KeyedSnapshot, now: number): Applied {
    const wanted = new Map<string, Wanted>();
    for (const entry of entries.flatMap(placeOf)) this.#want(entry, wanted);
    this.#strays = [];
    // By key, as in a step: which of two new rivals wins must not depend on who came first.
    this.#wanted = new Map([...wanted].sort(([a], [b]) => (a < b ? -1 : 1)));
    const fromRevision = this.#revision;
    this.#revision = revision;
    return this.#finish(fromRevision, this.#resolveAll(), now);
  }

  /** Applies what changed in a keyed source. */
  applyStep({ revision, changes: entries }: KeyedStep, now: number): Applied {
    const fromRevision = this.#revision;
    this.#revision = revision;
    const placed = entries.flatMap(placeOf);
    const changed = new Set(placed.map(({ key }) => key));
    const added = new Set([...changed].filter((key) => !this.#wanted.has(key)));
    for (const entry of placed) this.#want(entry, this.#wanted);
    return this.#finish(fromRevision, this.#resolveChanged(changed, added), now);
  }

  #finish(fromRevision: number, changes: readonly Change[], now: number): Applied {
    this.#takingOver = false;
    this.#rejected = this.#date(this.#rejections(), now);
    return { fromRevision, revision: this.#revision, hash: this.#hash, changes, rejected: this.#rejected };
  }

  /** Checks every entry that has changed; the result is what cannot be filed. */
  #readDocument(document: SourceDocument): readonly NewRejection[] {
    const strays: NewRejection[] = [];
    const wanted = new Map<string, Wanted>();
    const list = document.resources.plugins;
    this.#setPluginsList(list === undefined ? null : JSON.stringify(list.map(({ value }) => value)), wanted);
    for (const [kind, items] of Object.entries(document.resources)) {
      if (!isKind(kind)) strays.push({ kind, id: "", field: "", error: unknownKind(kind), serving: "nothing" });
      else if (kind !== "plugins") this.#readList(kind, items, wanted, strays);
    }
    this.#wanted = wanted;
    return strays;
  }

  #readList(list: Kind, items: readonly RawResource[], wanted: Map<string, Wanted>, strays: NewRejection[]): void {
    for (const [index, { value }] of items.entries()) {
      const { kind, id, error } = identify(list, value, index);
      const key = `${kind}/${id}`;
      if (wanted.has(key)) {
        const name = kind === "consumers" ? "username" : "id";
        const duplicate = `found duplicate ${name} ${id} in ${list}: entry ${index + 1} is left out`;
        strays.push({ kind, id, field: name, error: duplicate, serving: "nothing" });
        continue;
      }
      const raw = JSON.stringify(value);
      const before = this.#wanted.get(key);
      if (before?.raw === raw) wanted.set(key, before);
      else {
        const checked = error === null ? checkResource(kind, id, JSON.parse(raw), this.#check) : { error, field: "" };
        wanted.set(key, { key, raw, checked });
      }
    }
  }

  /** Files an entry of a keyed source. */
  #want({ key, kind, id, text }: Placed, wanted: Map<string, Wanted>): void {
    const before = this.#wanted.get(key);
    if (text === null) wanted.delete(key);
    else if (before?.raw === text) wanted.set(key, before);
    else wanted.set(key, { key, raw: text, checked: checkKeyed(kind, id, text, this.#check) });
  }

  /** The document's own list of plugins (JSON text) limits which ones the other resources may name. */
  #setPluginsList(raw: string | null, wanted: Map<string, Wanted>): void {
    const before = this.#wanted.get(PLUGINS);
    if (before?.raw === (raw ?? undefined)) {
      if (before !== undefined) wanted.set(PLUGINS, before);
      return;
    }
    const list = raw === null ? null : checkPluginsList(JSON.parse(raw), this.#plugins);
    if (raw !== null && list !== null) {
      const error = list.faults.map(({ message }) => message).join("; ");
      wanted.set(PLUGINS, {
        key: PLUGINS,
        raw,
        checked: error === "" ? list.resource : { error, field: formatPath(list.faults[0]?.path ?? []) },
      });
      if (error !== "") return;
    }
    this.#check = { ...this.#check, plugins: list === null ? this.#plugins : list.enabled };
    // What was found out about the others may no longer hold.
    this.#wanted = new Map();
  }

  /** Decides everything anew; the changes that lead there. */
  #resolveAll(): readonly Change[] {
    this.#links = null;
    const { serving, reasons } = resolve([...this.#wanted.values()], this.#held);
    this.#reasons = new Map(reasons);
    return this.#serve(serving, this.#held.keys());
  }

  /** Decides what the changed keys, some of them added, can affect. */
  #resolveChanged(changed: ReadonlySet<string>, added: ReadonlySet<string>): readonly Change[] {
    const { links } = this;
    // Whom the versions that were wanted so far kept from what they claim.
    const freed = [...changed].flatMap((key) => [...links.rivals(key)]);
    for (const key of changed) this.#relink(links, key);
    const felt = [...changed].filter((key) => added.has(key) || !this.#isSmooth(key, changed));
    const isWanted = (key: string): boolean => this.#wanted.has(key);
    const scope = affectedBy([...felt, ...freed], { links, isWanted, held: this.#held });
    for (const key of changed) scope.add(key);
    const entries = [...scope].sort().flatMap((key) => this.#wanted.get(key) ?? []);
    const resolution: Resolution = resolve(entries, this.#held, { keys: scope, reasons: this.#reasons, isWanted });
    for (const key of scope) {
      const reason = resolution.reasons.get(key);
      if (reason === undefined) this.#reasons.delete(key);
      else this.#reasons.set(key, reason);
    }
    const changes = this.#serve(resolution.serving, scope);
    for (const { kind, id } of changes) this.#relink(links, `${kind}/${id}`);
    return changes;
  }

  /**
   * Whether nobody else can tell the key's new version from the one that serves: it
   * served, it will, and it claims nothing. By far the most changes are of this kind.
   */
  #isSmooth(key: string, changed: ReadonlySet<string>): boolean {
    const held = this.#held.get(key);
    const checked = this.#wanted.get(key)?.checked;
    if (held === undefined || checked === undefined || "error" in checked || this.#reasons.has(key)) return false;
    if (held.claims.length > 0 || checked.claims.length > 0) return false;
    return checked.references.every(
      (target) => this.#held.has(target.key) && this.#wanted.has(target.key) && !changed.has(target.key),
    );
  }

  #relink(links: Links, key: string): void {
    const checked = this.#wanted.get(key)?.checked;
    const wanted = checked === undefined || "error" in checked ? undefined : checked;
    links.update(key, { wanted, held: this.#held.get(key) });
  }

  /** Makes `serving` what is held under `keys` and its own; the changes that lead there. */
  #serve(serving: ReadonlyMap<string, Resource>, keys: Iterable<string>): readonly Change[] {
    const changes: Change[] = [];
    const gone = [...keys].filter((key) => !serving.has(key));
    for (const [key, resource] of serving) {
      const { kind, id, text, fingerprint } = resource;
      const before = this.#held.get(key);
      if (before?.text === text) continue;
      if (before !== undefined) this.#hash = subtractHash(this.#hash, before.fingerprint);
      this.#hash = addHash(this.#hash, fingerprint);
      this.#held.set(key, resource);
      changes.push({ kind, id, text });
    }
    for (const key of gone) {
      const before = this.#held.get(key);
      if (before === undefined) continue;
      this.#hash = subtractHash(this.#hash, before.fingerprint);
      this.#held.delete(key);
      changes.push({ kind: before.kind, id: before.id, text: null });
    }
    return changes;
  }

  #rejections(): readonly NewRejection[] {
    const filed = Array.from(this.#reasons, ([key, { error, field }]): NewRejection => {
      const [kind, id] = splitKey(key);
      return { kind, id, field, error, serving: this.#held.has(key) ? "previous" : "nothing" };
    });
    return [...filed, ...this.#strays];
  }

  /** A rejection that was there before with the same reason keeps its time and revision. */
  #date(rejections: readonly NewRejection[], now: number): readonly Rejection[] {
    if (rejections.length === 0) return [];
    const name = ({ kind, id, error }: Pick<Rejection, "kind" | "id" | "error">): string => `${kind}/${id}\n${error}`;
    const before = new Map(this.#rejected.map((rejection) => [name(rejection), rejection]));
    return rejections.map((rejection) => {
      const earlier = before.get(name(rejection));
      return { ...rejection, since: earlier?.since ?? now, revision: earlier?.revision ?? this.#revision };
    });
  }
}

/** An entry of a keyed source that is a resource. */
interface Placed {
  /** `<kind>/<id>`. */
  readonly key: string;
  readonly kind: Kind;
  readonly id: string;
  readonly text: string | null;
}

/** The list of plugins that APISIX keeps is that of one of its nodes, and none of ours. */
function placeOf({ key, text }: KeyedEntry): readonly Placed[] {
  const place = parseKey(key);
  if (place === null || place.kind === "plugins") return [];
  const { kind, id } = place;
  return [{ key: `${kind}/${id}`, kind, id, text }];
}

/** Kind and id of a key here; ids may hold slashes. */
function splitKey(key: string): readonly [kind: string, id: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** Whether a document's key names a kind of resources. */
export const isKind = (name: string): name is Kind => (kinds as readonly string[]).includes(name);

/** The reason for a key of a document that is no kind. */
export function unknownKind(name: string): string {
  const near = nearestName(name, kinds);
  return `unknown kind ${name}${near === null ? "" : `; did you mean ${near}?`}`;
}
