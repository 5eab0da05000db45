/** A configuration source as control uses it; one implementation per provider. */
export interface Source {
  /** Name shown in `/status/config`: `yaml`, `json`, `api`, `embedded`, `etcd`. */
  readonly name: string;
  /** Starts watching; the first configuration or failure is delivered without waiting for a change. */
  start(sink: SourceSink): void;
  close(): void | Promise<void>;
}

/** What a source tells control; every call is synchronous and in order. */
export interface SourceSink {
  /** A whole document was read and parsed; called for every new content, in order. */
  document(document: SourceDocument): void;
  /** Everything that a keyed source holds: at start, and after a watch that may have missed something. */
  snapshot(snapshot: KeyedSnapshot): void;
  /** What changed in a keyed source since the snapshot or step before it. */
  step(step: KeyedStep): void;
  /** The source cannot be read or parsed now; called once per distinct failure. */
  failed(error: string): void;
  /** The source can be read again, and nothing had changed. */
  recovered(): void;
}

/** A full configuration: raw resources by kind, as written in a file; ids stand inside. */
export interface SourceDocument {
  readonly resources: Readonly<Record<string, readonly RawResource[]>>;
}

export interface RawResource {
  readonly value: unknown;
  /** 1-based line in the source where it is known, for messages. */
  readonly line: number;
}

/**
 * One key of a source that keeps resources by key (embedded store, etcd), in APISIX's
 * layout: what follows the prefix, as in `routes/1`, `consumers/jack`,
 * `consumers/jack/credentials/one`, `secrets/vault/1`, `plugins`.
 */
export interface KeyedEntry {
  readonly key: string;
  /** JSON text as stored, encrypted fields and all; `null`: the key was deleted. */
  readonly text: string | null;
}

export interface KeyedSnapshot {
  /** The source's revision that the entries are read at; from 1. */
  readonly revision: number;
  readonly entries: readonly KeyedEntry[];
}

export interface KeyedStep {
  /** The source's revision after these changes; higher than that of the step before. */
  readonly revision: number;
  /** In the order in which they happened; may be empty where only the revision grew. */
  readonly changes: readonly KeyedEntry[];
}
