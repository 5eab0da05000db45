import type { Logger } from "../observe/logger.ts";
import type { KeyedSnapshot, KeyedStep, SourceDocument, SourceSink } from "../source/source.ts";
import type { Applied, Store } from "../store/store.ts";
import type { ConfigReporter } from "./config-reporter.ts";
import type { Publisher } from "./publisher.ts";

/** What the flow of configuration is made of. */
export interface ConfigurationParts {
  readonly store: Store;
  readonly publisher: Publisher;
  readonly reporter: ConfigReporter;
  readonly log: Logger;
}

/** Waits for a revision to be loaded. */
interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
}

/**
 * The middle of the flow: what the source says goes through the store, what the store
 * accepts goes to the workers, what it did goes into the report.
 */
export class Configuration implements SourceSink {
  readonly #store: Store;
  readonly #publisher: Publisher;
  readonly #reporter: ConfigReporter;
  readonly #log: Logger;
  readonly #waiters = new Set<Waiter>();
  /** Reasons that were logged already, so that a rejection is said once. */
  #said: ReadonlySet<string> = new Set();

  constructor({ store, publisher, reporter, log }: ConfigurationParts) {
    this.#store = store;
    this.#publisher = publisher;
    this.#reporter = reporter;
    this.#log = log;
  }

  /** From now on workers that introduce themselves are given what is held. */
  serve(): void {
    const store = this.#store;
    this.#publisher.serve(() => ({ revision: store.revision, hash: store.hash, resources: store.snapshot() }));
  }

  document(document: SourceDocument): void {
    this.#finish(this.#store.applyDocument(document, Date.now()));
  }

  snapshot(snapshot: KeyedSnapshot): void {
    this.#finish(this.#store.applySnapshot(snapshot, Date.now()));
  }

  step(step: KeyedStep): void {
    this.#finish(this.#store.applyStep(step, Date.now()));
  }

  failed(error: string): void {
    this.#log.error(error);
    this.#reporter.failed(error, Date.now());
  }

  recovered(): void {
    this.#log.info("the configuration source can be read again");
    this.#reporter.recovered();
  }

  /** Resolves once the revision is loaded here: true; false when `limitMs` has passed before. */
  async settled(revision: number, limitMs: number): Promise<boolean> {
    if (this.#store.revision >= revision) return true;
    return await new Promise((resolve) => {
      const waiter: Waiter = {
        revision,
        resolve: (reached) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(reached);
        },
      };
      const timer = setTimeout(() => waiter.resolve(false), limitMs);
      this.#waiters.add(waiter);
    });
  }

  #finish({ fromRevision, revision, hash, changes, rejected }: Applied): void {
    const said = new Set(rejected.map(({ kind, id, error }) => `${kind}/${id} rejected: ${error}`));
    for (const text of said) if (!this.#said.has(text)) this.#log.warn(text);
    this.#said = said;
    this.#reporter.loaded(revision, hash, changes.length, rejected, Date.now());
    this.#publisher.publish({ fromRevision, revision, hash, changes });
    this.serve();
    const first = fromRevision === 0 ? ", first load" : "";
    this.#log.info(`revision ${revision}: ${changes.length} changes${first}`);
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve(true);
  }
}
