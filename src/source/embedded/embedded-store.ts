import { reasonOf, TurnpikeError } from "../../lib/errors.ts";
import { giveWay } from "../../lib/give-way.ts";
import type { Repository, StoredValue, WriteOptions, WriteOutcome } from "../repository.ts";
import type { KeyedEntry, KeyedSnapshot, KeyedStep, Source, SourceSink } from "../source.ts";
import { openDatabase, toSourceError, type Access, type OpenDatabase } from "./database.ts";
import { Tables } from "./tables.ts";
import { Transaction, type ConditionalChange } from "./transaction.ts";

/** How often expiry and the writes of other processes are looked for. */
const LOOK_MS = 250;
/** A file that cannot be opened is tried again after this, then after twice as long, up to the limit. */
const RETRY_MS = 500;
const RETRY_LIMIT_MS = 8_000;

/** The store in a file of this node: SQLite, durable before a write is answered. */
export interface EmbeddedStore extends Source, Repository {
  /** Opens the file, which `start` does as well; throws `SOURCE_UNREADABLE` or `SOURCE_UNAVAILABLE` with a reason. */
  open(): void;
  /** One transaction and one revision for all of these, or nothing where one of the conditions does not hold. */
  transact(changes: readonly ConditionalChange[]): Promise<TransactOutcome>;
  /** Commits what is asked for and closes the file. */
  close(): void;
}

export type TransactOutcome =
  /** The store's revision afterwards; where there was nothing to change, the one it had. */
  | { readonly written: true; readonly revision: number }
  /** The key whose condition did not hold. */
  | { readonly written: false; readonly key: string };

/**
 * The store in `file`, which is created with its directory where it is not there.
 * `access` is `exclusive` for the gateway; see `Access`. The caller closes it.
 *
 * Writes of the same turn of the loop share one transaction of SQLite and one fsync, each
 * with a revision of its own. After the commit the sink gets their steps, then the
 * promises resolve. Writes of other processes are found within a quarter of a second and
 * delivered as a snapshot.
 */
export function createEmbeddedStore(file: string, access: Access = "exclusive"): EmbeddedStore {
  return new FileStore(file, access);
}

interface Pending {
  readonly work: (transaction: Transaction) => unknown;
  readonly resolve: (outcome: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What the sink has not seen: everything, where another process wrote, then the steps up to the revision. */
interface News {
  readonly snapshot: KeyedSnapshot | null;
  readonly steps: readonly KeyedStep[];
  readonly revision: number;
}

const NO_NEWS = { snapshot: null, steps: [] } as const;

interface Committed<T> {
  readonly outcome: T;
  readonly news: News;
}

/** The file, open, and what can be asked of it. */
interface Opened {
  readonly database: OpenDatabase;
  readonly tables: Tables;
}

class FileStore implements EmbeddedStore {
  readonly name = "embedded";
  readonly #file: string;
  readonly #access: Access;
  #open: Opened | null = null;
  #sink: SourceSink | null = null;
  /** Revision that the sink has; 0: it has had no snapshot yet. */
  #delivered = 0;
  /** SQLite's count of the changes that others made. */
  #othersVersion = -1;
  /** What the sink was told last; `null`: all is well. */
  #failure: string | null = null;
  #pending: Pending[] = [];
  /** The commit at the end of this turn of the loop; `null`: nothing waits for one. */
  #commit: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;
  #retryMs = RETRY_MS;

  constructor(file: string, access: Access) {
    this.#file = file;
    this.#access = access;
  }

  open(): void {
    if (this.#open !== null) return;
    const database = openDatabase(this.#file, this.#access);
    try {
      this.#open = { database, tables: new Tables(database.db) };
    } catch (error) {
      database.close();
      throw toSourceError(this.#file, error);
    }
  }

  start(sink: SourceSink): void {
    this.#sink = sink;
    this.#tryToOpen();
  }

  close(): void {
    this.#flush();
    this.#sink = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#open?.database.close();
    this.#open = null;
  }

  async get(key: string): Promise<StoredValue | null> {
    return this.#read(({ tables }) => tables.get(key, Date.now()));
  }

  async list(prefix: string): Promise<{ readonly revision: number; readonly values: readonly StoredValue[] }> {
    return this.#read(({ tables, database }) =>
      inTransaction(database, "BEGIN", () => ({
        revision: tables.revision(),
        values: tables.list(prefix, Date.now()),
      })),
    );
  }

  async put(key: string, text: string, options: WriteOptions = {}): Promise<WriteOutcome> {
    return await this.#write((transaction) => transaction.put(key, text, options));
  }

  async delete(key: string, options: Pick<WriteOptions, "ifRevision"> = {}): Promise<WriteOutcome> {
    return await this.#write((transaction) => transaction.delete(key, options));
  }

  async transact(changes: readonly ConditionalChange[]): Promise<TransactOutcome> {
    return await this.#write((transaction): TransactOutcome => {
      const key = transaction.apply(changes);
      return key === null ? { written: true, revision: transaction.revision } : { written: false, key };
    });
  }

  #tryToOpen(): void {
    const opened = this.#attempt(() => {
      this.open();
      this.#commitNow(() => undefined);
      return this.#readAll();
    });
    if (opened === null) {
      this.#timer = setTimeout(() => this.#tryToOpen(), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LIMIT_MS);
      return;
    }
    this.#failure = null;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#deliver({ snapshot: opened, steps: [], revision: opened.revision });
  }

  /** Finds what has expired and what other processes wrote. */
  #look(): void {
    const found = this.#attempt((): News => {
      const { tables, database } = this.#opened();
      database.assertInPlace();
      if (tables.expired(Date.now()).length > 0) return this.#commitNow(() => undefined).news;
      const version = versionOf(database);
      const snapshot = version !== this.#othersVersion ? this.#readAll() : null;
      this.#othersVersion = version;
      if (snapshot === null || snapshot.revision === this.#delivered) return { ...NO_NEWS, revision: this.#delivered };
      return { snapshot, steps: [], revision: snapshot.revision };
    });
    if (found === null) return;
    this.#deliver(found);
    if (this.#failure === null) return;
    this.#failure = null;
    this.#sink?.recovered();
  }

  /** The sink hears of a failure once. */
  #attempt<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      const reason = reasonOf(toSourceError(this.#file, error));
      if (reason !== this.#failure) this.#sink?.failed(reason);
      this.#failure = reason;
      return null;
    }
  }

  #opened(): Opened {
    if (this.#open !== null) return this.#open;
    throw new TurnpikeError("SOURCE_UNAVAILABLE", this.#failure ?? `${this.#file}: not open`);
  }

  /** One statement sees one state of the database by itself, several need a transaction. */
  #read<T>(question: (opened: Opened) => T): T {
    try {
      return question(this.#opened());
    } catch (error) {
      throw toUnavailable(this.#file, error);
    }
  }

  /** Puts the work into the transaction at the end of this turn of the loop. */
  async #write<T>(work: (transaction: Transaction) => T): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      this.#pending.push({ work, resolve: resolve as (outcome: unknown) => void, reject });
      this.#commit ??= setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    if (this.#commit !== null) clearImmediate(this.#commit);
    this.#commit = null;
    const group = this.#pending;
    if (group.length === 0) return;
    this.#pending = [];
    giveWay();
    let done: Committed<readonly unknown[]>;
    try {
      done = this.#commitNow((transaction) =>
        group.map(({ work }) => {
          giveWay();
          return work(transaction);
        }),
      );
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    this.#deliver(done.news);
    for (const [index, { resolve }] of group.entries()) resolve(done.outcome[index]);
  }

  /** One transaction of SQLite; the caller delivers its news. */
  #commitNow<T>(work: (transaction: Transaction) => T): Committed<T> {
    try {
      const { tables, database } = this.#opened();
      database.assertInPlace();
      return inTransaction(database, "BEGIN IMMEDIATE", () => {
        const transaction = new Transaction(tables, Date.now());
        // Another process has written since: that comes first.
        const behind = this.#delivered > 0 && transaction.revision !== this.#delivered;
        const snapshot = behind ? snapshotOf(tables) : null;
        transaction.expire();
        const outcome = work(transaction);
        return { outcome, news: { snapshot, steps: transaction.steps, revision: transaction.revision } };
      });
    } catch (error) {
      throw toUnavailable(this.#file, error);
    }
  }

  #deliver({ snapshot, steps, revision }: News): void {
    if (this.#sink === null || (this.#delivered === 0 && snapshot === null)) return;
    this.#delivered = revision;
    if (snapshot !== null) this.#sink.snapshot(snapshot);
    for (const step of steps) this.#sink?.step(step);
  }

  #readAll(): KeyedSnapshot {
    const { tables, database } = this.#opened();
    this.#othersVersion = versionOf(database);
    return inTransaction(database, "BEGIN", () => snapshotOf(tables));
  }
}

/** Reads or writes at one state of the database; what `work` throws undoes it. */
function inTransaction<T>({ db }: OpenDatabase, begin: "BEGIN" | "BEGIN IMMEDIATE", work: () => T): T {
  db.exec(begin);
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // Some errors have undone it already.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function snapshotOf(tables: Tables): KeyedSnapshot {
  const entries = tables.list("", Date.now()).map(({ key, text }): KeyedEntry => ({ key, text }));
  return { revision: tables.revision(), entries };
}

/** Changes whenever another connection has committed something. */
function versionOf({ db }: OpenDatabase): number {
  return Number(Object.values(db.prepare("PRAGMA data_version").get() ?? {})[0]);
}

/** Readers and writers get one code, whatever is wrong with the file; errors that are not SQLite's stay. */
function toUnavailable(file: string, error: unknown): unknown {
  const known = error instanceof TurnpikeError || "errcode" in (error as object);
  if (!known) return error;
  const wrapped = toSourceError(file, error);
  return wrapped.code === "SOURCE_UNAVAILABLE"
    ? wrapped
    : new TurnpikeError("SOURCE_UNAVAILABLE", wrapped.detail, error);
}
