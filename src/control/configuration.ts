import { areOthersBusy, giveWay } from "../lib/give-way.ts";
import type { Logger } from "../observe/logger.ts";
import type { Rejection } from "../schema/kinds.ts";
import type { LastGoodFile } from "../source/last-good.ts";
import type { KeyedSnapshot, KeyedStep, SourceDocument, SourceSink } from "../source/source.ts";
import type { Staged } from "../store/stage.ts";
import type { Applied, PluginState, Store } from "../store/store.ts";
import { CertificateExpiries } from "./certificate-expiry.ts";
import type { ConfigReporter } from "./config-reporter.ts";
import { Delivery, type Parcel } from "./delivery.ts";
import type { Publisher } from "./publisher.ts";
import type { SecretFlow } from "./secrets/secret-flow.ts";

/** What the flow of configuration is made of. */
export interface ConfigurationParts {
  readonly store: Store;
  readonly publisher: Publisher;
  readonly reporter: ConfigReporter;
  readonly log: Logger;
  readonly secrets: SecretFlow;
  /** Looks up what is to be known before a load is applied; `null`: nothing. Never rejects. */
  readonly prepare: (staged: Staged) => Promise<void> | null;
  /** Where the last good configuration is kept for a start without the source; `null`: nowhere. */
  readonly lastGood: LastGoodFile | null;
  /** Plugins of users that fit now that a load was applied; `null`: none. */
  readonly retryPlugins: () => PluginState | null;
}

/** Reads what is next once it is its turn: a load, references whose secrets have changed, or plugins of users. */
type Work = () =>
  { readonly staged: Staged } | { readonly changed: ReadonlySet<string> } | { readonly plugins: PluginState };

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
  readonly #secrets: SecretFlow;
  readonly #prepare: ConfigurationParts["prepare"];
  readonly #lastGood: LastGoodFile | null;
  readonly #retryPlugins: ConfigurationParts["retryPlugins"];
  readonly #queue: Work[] = [];
  readonly #delivery = new Delivery((parcel) => this.#deliver(parcel), areOthersBusy);
  /** Secrets are being fetched, or services looked up, for what comes next. */
  #waiting = false;
  readonly #idle: (() => void)[] = [];
  /** Of what is served. */
  readonly certificates = new CertificateExpiries();
  /** Resolves with the first revision that is held, at once where one was taken over. */
  readonly loaded: Promise<void>;
  readonly #hold: () => void;
  /** Reasons that were logged already, so that a rejection is said once. */
  #said: ReadonlySet<string> = new Set();
  #rejected: readonly Rejection[] = [];

  constructor({ store, publisher, reporter, log, secrets, prepare, lastGood, retryPlugins }: ConfigurationParts) {
    const { promise: loaded, resolve: hold } = Promise.withResolvers<void>();
    this.loaded = loaded;
    this.#hold = hold;
    if (store.revision > 0) hold();
    this.#retryPlugins = retryPlugins;
    this.#store = store;
    this.#lastGood = lastGood;
    this.#secrets = secrets;
    this.#prepare = prepare;
    this.#publisher = publisher;
    this.#reporter = reporter;
    this.#log = log;
    if (this.certificates.apply(store.snapshot())) reporter.certificates(this.certificates.report());
  }

  /** From now on workers that introduce themselves are given what is held. */
  serve(): void {
    const store = this.#store;
    this.#publisher.serve(() => {
      // Who is told everything must not be told again what is still on its way.
      this.#delivery.flush();
      return { revision: store.revision, hash: store.hash, resources: store.snapshot() };
    });
  }

  document(document: SourceDocument): void {
    this.#enqueue(() => ({ staged: this.#store.stageDocument(document) }));
  }

  snapshot(snapshot: KeyedSnapshot): void {
    this.#enqueue(() => ({ staged: this.#store.stageSnapshot(snapshot) }));
  }

  step(step: KeyedStep): void {
    this.#enqueue(() => ({ staged: this.#store.stageStep(step) }));
  }

  /** These secrets have other values now. */
  secretsChanged(references: readonly string[]): void {
    this.#enqueue(() => ({ changed: new Set(references) }));
  }

  /** Puts plugins of users in force; `adopt` is called when it is their turn. */
  changePlugins(adopt: () => PluginState): void {
    this.#enqueue(() => ({ plugins: adopt() }));
  }

  failed(error: string): void {
    this.#log.error(error);
    if (this.#store.revision === 0) this.#resume();
    this.#reporter.failed(error, Date.now());
  }

  /** Serves what the source held when it could last be read. */
  #resume(): void {
    const last = this.#lastGood?.load() ?? null;
    if (last === null || !("entries" in last.content)) return;
    const { entries } = last.content;
    const from = new Date(last.at).toISOString();
    this.#log.warn(`the source cannot be read: starting with the last good configuration of ${from}`);
    this.#enqueue(() => ({ staged: this.#store.stageSnapshot({ revision: last.revision, entries }) }));
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

  /** Resolves when everything that was delivered so far has been applied here. */
  async idle(): Promise<void> {
    if (!this.#waiting && this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #enqueue(work: Work): void {
    this.#queue.push(work);
    this.#run();
  }

  /** Works the queue off, at once as long as nothing has to be known before. */
  #run(): void {
    while (!this.#waiting) {
      const work = this.#queue.shift();
      if (work === undefined) break;
      giveWay();
      const next = work();
      if ("plugins" in next) {
        this.#applyPlugins(next.plugins);
        continue;
      }
      if ("changed" in next) {
        this.#finish(this.#store.recheck(next.changed, Date.now()));
        continue;
      }
      const fetched = this.#secrets.prepare(next.staged, this.#store);
      const found = this.#prepare(next.staged);
      if (fetched === null && found === null) this.#apply(next.staged);
      else this.#applyAfter([fetched, found], next.staged);
    }
    if (!this.#waiting) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #applyPlugins(plugins: PluginState): void {
    const applied = this.#store.applyPlugins(plugins, Date.now());
    if (applied !== null) this.#finish(applied);
  }

  #applyAfter(prepared: readonly (Promise<void> | null)[], staged: Staged): void {
    this.#waiting = true;
    void Promise.all(prepared).then(() => {
      this.#apply(staged);
      this.#waiting = false;
      this.#run();
    });
  }

  #apply(staged: Staged): void {
    giveWay();
    const ahead = this.#store.revision === 0 ? this.#publisher.ahead() : null;
    const applied = this.#store.apply(staged, Date.now(), (resource) => ahead?.add(resource));
    // Others write into the same etcd all the time: that is nothing to tell of.
    if (staged.mode === "step" && staged.entries.length === 0) return this.#pass(applied, false);
    this.#finish(this.#withSecrets(applied));
    if (staged.mode !== "document") {
      const { revision } = staged;
      this.#lastGood?.save(() => ({ revision, at: Date.now(), content: { entries: this.#store.entries() } }));
    }
    const plugins = this.#retryPlugins();
    if (plugins !== null) this.#applyPlugins(plugins);
  }

  /** With what a changed secret manager makes of the rest: nobody may take a revision for done without it. */
  #withSecrets(applied: Applied): Applied {
    const again = this.#secrets.applied(this.#store);
    if (again.size === 0) return applied;
    const { fromRevision, changes } = applied;
    const rechecked = this.#store.recheck(again, Date.now());
    return { ...rechecked, fromRevision, changes: [...changes, ...rechecked.changes] };
  }

  #finish(applied: Applied): void {
    const { fromRevision, revision, changes, rejected } = applied;
    this.#complain(rejected);
    if (this.certificates.apply(changes)) this.#reporter.certificates(this.certificates.report());
    giveWay();
    const first = fromRevision === 0 ? ", first load" : "";
    this.#log.info(`revision ${revision}: ${changes.length} changes${first}`);
    this.#pass(applied, true);
  }

  /** Says once of each resource that it is rejected. */
  #complain(rejected: readonly Rejection[]): void {
    if (rejected === this.#rejected) return;
    this.#rejected = rejected;
    const said = new Set(rejected.map(({ kind, id, error }) => `${kind}/${id} rejected: ${error}`));
    for (const text of said) if (!this.#said.has(text)) this.#log.warn(text);
    this.#said = said;
  }

  /** From here on the revision counts: a worker that has not applied it yet is behind. */
  #pass(applied: Applied, loaded: boolean): void {
    this.#publisher.accept(applied.revision, applied.hash);
    this.#delivery.add(applied, loaded, Date.now());
    if (loaded) this.serve();
    this.#wake(applied.revision);
  }

  #deliver(parcel: Parcel): void {
    if (parcel.loaded) this.#reporter.loaded(parcel);
    else this.#reporter.advanced(parcel.revision);
    giveWay();
    this.#publisher.publish(parcel);
  }

  #wake(revision: number): void {
    this.#hold();
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve(true);
  }
}
