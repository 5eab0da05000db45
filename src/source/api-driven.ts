import type { RawResource, Source, SourceDocument, SourceSink } from "./source.ts";

/** A whole configuration as clients have pushed it, in JSON's types, so that it can be kept. */
export interface PushedConfiguration {
  /** `X-Digest` of the push: a text of the client's that says which content this is. */
  readonly digest: string;
  /** Unix seconds of the push. */
  readonly lastModified: number;
  /** `<kind>_conf_version` by kind; what is not there is at 0. */
  readonly versions: Readonly<Record<string, number>>;
  /** Resources by kind, as written; lists without any are left out. */
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
}

/** What an API-driven source is made with. */
export interface ApiSourceOptions {
  /** What was pushed before this source was there, to go on from; `null`: nothing is known. */
  readonly restored: PushedConfiguration | null;
  /** Called with what is to be restored one day, once it was delivered: what ends this thread is not tried again. */
  readonly keep?: (configuration: PushedConfiguration) => void;
}

/** A source that is given whole configurations instead of looking for them. */
export interface ApiSource extends Source {
  /** What was pushed last; `null`: nothing yet. */
  readonly current: PushedConfiguration | null;
  /**
   * Makes `configuration` what `current` is and delivers it. `unknownKinds` are names in it
   * that are no kinds, for the store to refuse. False, and nothing has happened, where
   * control does not follow the source yet or no more.
   */
  push(configuration: PushedConfiguration, unknownKinds?: readonly string[]): boolean;
}

/**
 * Creates the source of `role: traditional` with `config_provider: yaml`. Until the first
 * push it delivers nothing, unless there is something to restore.
 */
export function createApiSource(options: ApiSourceOptions = { restored: null }): ApiSource {
  return new PushedSource(options);
}

class PushedSource implements ApiSource {
  readonly name = "api";
  readonly #keep: ((configuration: PushedConfiguration) => void) | undefined;
  #current: PushedConfiguration | null;
  #sink: SourceSink | null = null;

  constructor({ restored, keep }: ApiSourceOptions) {
    this.#current = restored;
    this.#keep = keep;
  }

  get current(): PushedConfiguration | null {
    return this.#current;
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    if (this.#current !== null) sink.document(documentOf(this.#current, []));
  }

  push(configuration: PushedConfiguration, unknownKinds: readonly string[] = []): boolean {
    const sink = this.#sink;
    if (sink === null) return false;
    this.#current = configuration;
    sink.document(documentOf(configuration, unknownKinds));
    this.#keep?.(configuration);
    return true;
  }

  close(): void {
    this.#sink = null;
  }
}

/** Lines mean nothing here. */
function documentOf({ lists }: PushedConfiguration, unknownKinds: readonly string[]): SourceDocument {
  const resources: Record<string, readonly RawResource[]> = {};
  for (const [kind, items] of Object.entries(lists)) resources[kind] = items.map((value) => ({ value, line: 0 }));
  for (const name of unknownKinds) resources[name] = [];
  return { resources };
}
