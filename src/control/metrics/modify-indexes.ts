import type { KeyedEntry, SourceSink } from "../../source/source.ts";

/** Kinds whose index is exported, as APISIX names them. */
const kinds = [
  "consumers",
  "global_rules",
  "protos",
  "routes",
  "services",
  "ssls",
  "stream_routes",
  "upstreams",
] as const;

/**
 * The revision of the last change of each kind of resource, as a store of resources by key
 * has told it. What was there at the first load counts as of that load: the store is asked
 * nothing for a metric.
 */
export class ModifyIndexes {
  readonly #indexes = new Map<string, number>();
  #revision = 0;
  #previous = 0;

  /** Passes everything on, and notes the revisions. */
  observe(sink: SourceSink): SourceSink {
    return {
      document: (document) => sink.document(document),
      snapshot: (snapshot) => {
        if (this.#revision === 0) this.#note(snapshot.entries, snapshot.revision);
        this.#advance(snapshot.revision);
        sink.snapshot(snapshot);
      },
      step: (step) => {
        this.#note(step.changes, step.revision);
        this.#advance(step.revision);
        sink.step(step);
      },
      failed: (error) => sink.failed(error),
      recovered: () => sink.recovered(),
    };
  }

  /** By key of the metric; `null`: the source has no revisions of its own. */
  get values(): ReadonlyMap<string, number> | null {
    if (this.#revision === 0) return null;
    const values = new Map(kinds.map((kind): [string, number] => [kind, this.#indexes.get(kind) ?? 0]));
    values.set("max_modify_index", Math.max(...values.values()));
    values.set("prev_index", this.#previous);
    values.set("x_etcd_index", this.#revision);
    return values;
  }

  #note(entries: readonly KeyedEntry[], revision: number): void {
    for (const { key } of entries) this.#indexes.set(key.slice(0, key.indexOf("/")), revision);
  }

  #advance(revision: number): void {
    if (revision === this.#revision) return;
    this.#previous = this.#revision;
    this.#revision = revision;
  }
}
