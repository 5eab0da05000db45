/** A configuration source as control uses it; one implementation per provider. */
export interface Source {
  /** Name shown in `/status/config`: `yaml`, `json`, … */
  readonly name: string;
  /** Starts watching; the first document or failure is delivered without waiting for a change. */
  start(sink: SourceSink): void;
  close(): void;
}

export interface SourceSink {
  /** A whole document was read and parsed; called for every new content, in order. */
  document(document: SourceDocument): void;
  /** The source cannot be read or parsed now; called once per distinct failure. */
  failed(error: string): void;
}

/** A full configuration: raw resources by kind, as written. */
export interface SourceDocument {
  readonly resources: Readonly<Record<string, readonly RawResource[]>>;
}

export interface RawResource {
  readonly value: unknown;
  /** 1-based line in the source where it is known, for messages. */
  readonly line: number;
}
