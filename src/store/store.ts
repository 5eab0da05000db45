import { addHash, subtractHash } from "../lib/content-hash.ts";
import { giveWay } from "../lib/give-way.ts";
import type { PluginRegistry } from "../plugin/plugin.ts";
import { type Change, type Kind, type Rejection } from "../schema/kinds.ts";
import { formatPath } from "../source/document.ts";
import { keyOf } from "../source/keyed-layout.ts";
import type { KeyedEntry, KeyedSnapshot, KeyedStep, SourceDocument } from "../source/source.ts";
import { affectedBy } from "./affected.ts";
import { checkPluginsList } from "./check-plugins-list.ts";
import { checkResource, type ResourceCheck } from "./check-resource.ts";
import { Links } from "./links.ts";
import { buildResource, fits, type Resource } from "./resource.ts";
import {
  listOf,
  restage,
  stageDocument,
  stageKeyed,
  type NewRejection,
  type Staged,
  type StagedEntry,
  type StageParts,
} from "./stage.ts";
import { resolve, type Entry, type Reason, type Resolution } from "./resolve.ts";

/** What a store is made with. */
export interface StoreOptions extends ResourceCheck {
  /** Revision of what the workers hold already; 0: nothing. */
  readonly revision: number;
  /** The last revision that was accepted, if that is a later one: what came with it is lost. */
  readonly accepted?: number;
  /** What the workers hold already, for a control thread that takes over. */
  readonly inherited: readonly Change[];
  /** Puts the clear text in place of encrypted fields; absent: nothing is encrypted. */
  readonly decrypt?: StageParts["decrypt"];
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
  /** The secrets that it refers to. */
  readonly references: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** What is in force of the plugins that users have written. */
export interface PluginState {
  /** Text of each for the workers, by its id below the kind `plugins`. */
  readonly loaded: ReadonlyMap<string, string>;
  readonly refused: readonly NewRejection[];
  /** Names of plugins that mean something else now: what has them is checked again. */
  readonly changed: ReadonlySet<string>;
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
  readonly #decrypt: StageParts["decrypt"];
  /** Whether what is wanted came by key. */
  #keyed = false;
  #revision: number;
  /** Documents are counted on from here. */
  readonly #accepted: number;
  #hash = 0n;
  #held = new Map<string, Resource>();
  #wanted = new Map<string, Wanted>();
  #reasons = new Map<string, Reason>();
  /** Plugins of users that could not be put in force. */
  #refusedPlugins: readonly NewRejection[] = [];
  /** Entries of a document that cannot be filed under a key of their own. */
  #strays: readonly NewRejection[] = [];
  /** The same list until one of them comes, goes or changes: there may be thousands, and many who look. */
  #rejected: readonly Rejection[] = [];
  #rejectedIsOld = false;
  /** Made when first needed: files are compared whole. */
  #links: Links | null = null;
  /** Until the first document: it may be what the workers hold already. */
  #takingOver: boolean;

  constructor(options: StoreOptions) {
    this.#check = options;
    this.#plugins = options.plugins;
    this.#decrypt = options.decrypt ?? ((_kind, value) => value);
    this.#revision = options.revision;
    this.#accepted = options.accepted ?? 0;
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

  /** `apply` of a document in one go. */
  applyDocument(document: SourceDocument, now: number): Applied {
    return this.apply(this.stageDocument(document), now);
  }

  /** `apply` of a keyed source's snapshot in one go. */
  applySnapshot(snapshot: KeyedSnapshot, now: number): Applied {
    return this.apply(this.stageSnapshot(snapshot), now);
  }

  /** `apply` of a keyed source's step in one go. */
  applyStep(step: KeyedStep, now: number): Applied {
    return this.apply(this.stageStep(step), now);
  }

  /** Reads what is to be applied next; nothing may be applied in between. */
  stageDocument(document: SourceDocument): Staged {
    // With another list of plugins, what was found out about the others may no longer hold.
    const same = this.#wanted.get(PLUGINS)?.raw === (listOf(document) ?? undefined);
    return stageDocument(document, this.#stageParts(same ? this.#wanted : new Map()));
  }

  stageSnapshot({ revision, entries }: KeyedSnapshot): Staged {
    return stageKeyed("snapshot", revision, entries, this.#stageParts(this.#wanted));
  }

  stageStep({ revision, changes }: KeyedStep): Staged {
    return stageKeyed("step", revision, changes, this.#stageParts(this.#wanted));
  }

  /**
   * Makes it the configuration; `now` is Unix milliseconds. Of a document or snapshot
   * `accepted` is told each resource that is valid by itself, as soon as that is known; not
   * where there are plugins of users, which have to come before everything else.
   */
  apply(staged: Staged, now: number, accepted?: (resource: Resource) => void): Applied {
    const fromRevision = this.#revision;
    this.#rejectedIsOld ||= this.#strays.length > 0 || staged.strays.length > 0;
    this.#strays = staged.strays;
    this.#keyed = staged.mode !== "document";
    switch (staged.mode) {
      case "document": {
        this.#wanted = this.#readAll(staged, accepted);
        const changes = this.#resolveAll();
        if (this.#revision < this.#accepted) this.#revision = this.#accepted;
        else if (!this.#takingOver || changes.length > 0) this.#revision++;
        return this.#finish(fromRevision, changes, now);
      }
      case "snapshot":
        this.#revision = staged.revision;
        // By key, as in a step: which of two new rivals wins must not depend on who came first.
        this.#wanted = new Map([...this.#readAll(staged, accepted)].sort(([a], [b]) => (a < b ? -1 : 1)));
        return this.#finish(fromRevision, this.#resolveAll(), now);
      case "step": {
        this.#revision = staged.revision;
        const changed = new Set(staged.entries.map(({ key }) => key));
        const added = new Set([...changed].filter((key) => !this.#wanted.has(key)));
        for (const entry of staged.entries) this.#want(entry, this.#wanted);
        return this.#finish(fromRevision, this.#resolveChanged(changed, added), now);
      }
    }
  }

  /** Checks again what refers to these secrets: they have changed. */
  recheck(references: ReadonlySet<string>, now: number): Applied {
    const parts = this.#stageParts(new Map());
    const changed = new Set<string>();
    for (const [key, { raw, references: own }] of this.#wanted) {
      if (own.isDisjointFrom(references)) continue;
      const [kind, id] = splitKey(key);
      this.#want(restage({ key, kind: kind as Kind, id }, raw, this.#keyed, parts), this.#wanted);
      changed.add(key);
    }
    return this.#finish(this.#revision, this.#resolveChanged(changed, new Set()), now);
  }

  /**
   * Takes over which plugins of users are in force; `null` where nothing was loaded yet, for
   * which it counts all the same. A keyed source's revision stays, as with secrets.
   */
  applyPlugins({ loaded, refused, changed }: PluginState, now: number): Applied | null {
    const fromRevision = this.#revision;
    this.#rejectedIsOld = true;
    this.#refusedPlugins = refused;
    const before = new Set(this.#wanted.keys());
    const keys = this.#wantPlugins(loaded);
    if (this.#revision === 0) return null;
    const parts = this.#stageParts(new Map());
    for (const [key, { raw }] of this.#mentioning(this.#wanted, changed)) {
      const [kind, id] = splitKey(key);
      if (key === PLUGINS) this.#setPluginsList(raw, this.#wanted, true);
      else this.#want(restage({ key, kind: kind as Kind, id }, raw, this.#keyed, parts), this.#wanted);
      keys.add(key);
    }
    const takingOver = this.#takingOver;
    const changes = this.#resolveChanged(keys, keys.difference(before));
    if (!takingOver && !this.#keyed && changes.length > 0) this.#revision++;
    const applied = this.#finish(fromRevision, changes, now);
    this.#takingOver = takingOver;
    return applied;
  }

  /** What of that which serves would not be valid with these plugins as they are now, and why; `null`: nothing. */
  brokenBy(names: ReadonlySet<string>): string | null {
    const parts = this.#stageParts(new Map());
    for (const [key, { kind, id, text }] of this.#mentioning(this.#held, names)) {
      const wanted = this.#wanted.get(key);
      const served = wanted === undefined || "error" in wanted.checked || key === PLUGINS ? null : wanted.raw;
      const content = served === null ? null : restage({ key, kind, id }, served, this.#keyed, parts).content;
      // What serves although the source has something else holds its secrets already.
      const check = content === null ? { ...this.#check, lookupSecret: undefined } : this.#check;
      const value: unknown = content?.state === "read" ? content.read() : JSON.parse(text);
      const checked = key === PLUGINS ? null : checkResource(kind, id, value, check);
      if (checked !== null && "error" in checked) return `${key}: ${checked.error}`;
    }
    return null;
  }

  /** Wants these plugins of users and no others; the keys of all of them, also of those that are gone. */
  #wantPlugins(loaded: ReadonlyMap<string, string>): Set<string> {
    const keys = new Set([...this.#wanted.keys(), ...this.#held.keys()].filter(isUserPlugin));
    for (const key of keys) this.#wanted.delete(key);
    for (const [id, text] of loaded) {
      const checked = buildResource("plugins", id, {}, text, this.#plugins);
      this.#wanted.set(checked.key, { key: checked.key, raw: text, references: NONE, checked });
      keys.add(checked.key);
    }
    return keys;
  }

  /** Resources in whose text one of the names stands. */
  #mentioning<Held extends { readonly raw: string } | { readonly text: string }>(
    all: ReadonlyMap<string, Held>,
    names: ReadonlySet<string>,
  ): readonly (readonly [key: string, held: Held])[] {
    const quoted = Array.from(names, (name) => JSON.stringify(name));
    return [...all].filter(([key, held]) => {
      const text = "raw" in held ? held.raw : held.text;
      const metadata = key.startsWith(METADATA) && names.has(key.slice(METADATA.length));
      return !isUserPlugin(key) && (metadata || quoted.some((name) => text.includes(name)));
    });
  }

  /** Everything that a keyed source holds, as stored. */
  entries(): readonly KeyedEntry[] {
    return [...this.#wanted].flatMap(([key, { raw }]) => {
      const [kind, id] = splitKey(key);
      return isUserPlugin(key) ? [] : [{ key: keyOf(kind as Kind, id), text: raw }];
    });
  }

  /** Every reference to a secret that something wanted makes. */
  references(): ReadonlySet<string> {
    const all = new Set<string>();
    for (const { references } of this.#wanted.values()) for (const reference of references) all.add(reference);
    return all;
  }

  #finish(fromRevision: number, changes: readonly Change[], now: number): Applied {
    this.#takingOver = false;
    if (this.#rejectedIsOld) this.#rejected = this.#date(this.#rejections(), now);
    this.#rejectedIsOld = false;
    return { fromRevision, revision: this.#revision, hash: this.#hash, changes, rejected: this.#rejected };
  }

  #stageParts(wanted: ReadonlyMap<string, Wanted>): StageParts {
    return { raw: (key) => wanted.get(key)?.raw, decrypt: this.#decrypt };
  }

  /** What is wanted once these are everything. */
  #readAll({ mode, pluginsList, entries }: Staged, accepted?: (resource: Resource) => void): Map<string, Wanted> {
    const wanted = new Map([...this.#wanted].filter(([key]) => isUserPlugin(key)));
    const alone = wanted.size === 0;
    if (mode === "document") this.#setPluginsList(pluginsList, wanted);
    for (const entry of entries) {
      giveWay();
      this.#want(entry, wanted);
      const checked = alone ? wanted.get(entry.key)?.checked : undefined;
      if (checked !== undefined && !("error" in checked)) accepted?.(checked);
    }
    return wanted;
  }

  #want({ key, kind, id, content }: StagedEntry, wanted: Map<string, Wanted>): void {
    switch (content.state) {
      case "same": {
        const before = this.#wanted.get(key);
        if (before !== undefined) wanted.set(key, before);
        break;
      }
      case "gone":
        wanted.delete(key);
        break;
      case "unreadable":
        wanted.set(key, { key, raw: content.raw, references: NONE, checked: { error: content.error, field: "" } });
        break;
      case "read": {
        const checked = checkResource(kind, id, content.read(), this.#check);
        wanted.set(key, { key, raw: content.raw, references: content.references, checked });
      }
    }
  }

  /** The document's own list of plugins (JSON text) limits which ones the other resources may name. */
  #setPluginsList(raw: string | null, wanted: Map<string, Wanted>, again = false): void {
    const before = this.#wanted.get(PLUGINS);
    if (!again && before?.raw === (raw ?? undefined)) {
      if (before !== undefined) wanted.set(PLUGINS, before);
      return;
    }
    const list = raw === null ? null : checkPluginsList(JSON.parse(raw), this.#plugins);
    if (raw !== null && list !== null) {
      const error = list.faults.map(({ message }) => message).join("; ");
      const field = formatPath(list.faults[0]?.path ?? []);
      const checked = error === "" ? list.resource : { error, field };
      wanted.set(PLUGINS, { key: PLUGINS, raw, references: NONE, checked });
      if (error !== "") return;
    }
    this.#check = { ...this.#check, plugins: list === null ? this.#plugins : list.enabled };
  }

  /** Decides everything anew; the changes that lead there. */
  #resolveAll(): readonly Change[] {
    this.#links = null;
    const { serving, reasons } = resolve([...this.#wanted.values()], this.#held);
    this.#reasons = new Map(reasons);
    this.#rejectedIsOld = true;
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
      this.#rejectedIsOld ||= reason !== undefined || this.#reasons.has(key);
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
    if (held.type !== checked.type || held.claims.length > 0 || checked.claims.length > 0) return false;
    return checked.references.every((reference) => {
      const target = this.#held.get(reference.key);
      if (target === undefined || !fits(reference, target)) return false;
      return this.#wanted.has(reference.key) && !changed.has(reference.key);
    });
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
    return [...this.#refusedPlugins, ...filed, ...this.#strays];
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

const METADATA = "plugin_metadata/";

/** Whether a key is that of a user's plugin. */
function isUserPlugin(key: string): boolean {
  return key.startsWith("plugins/") && key !== PLUGINS;
}

/** Kind and id of a key here; ids may hold slashes. */
function splitKey(key: string): readonly [kind: string, id: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}
