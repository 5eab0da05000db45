import type { KeyedEntry, KeyedStep } from "../source.ts";
import type { StoredValue, WriteOptions, WriteOutcome } from "../repository.ts";
import type { Tables, What } from "./tables.ts";

/**
 * What happens within one transaction of the database: writes, each with a revision of
 * its own, and the steps that they make. Throws what SQLite does.
 */
export class Transaction {
  readonly #tables: Tables;
  readonly #now: number;
  readonly #steps: KeyedStep[] = [];
  #revision: number;

  /** `now` is Unix milliseconds. */
  constructor(tables: Tables, now: number) {
    this.#tables = tables;
    this.#now = now;
    this.#revision = tables.revision();
  }

  get revision(): number {
    return this.#revision;
  }

  /** One for each revision that was made, in order. */
  get steps(): readonly KeyedStep[] {
    return this.#steps;
  }

  list(prefix: string): readonly StoredValue[] {
    return this.#tables.list(prefix, this.#now);
  }

  put(key: string, text: string, { ifRevision, ttl }: WriteOptions): WriteOutcome {
    const previous = this.#tables.get(key, this.#now);
    if (!holds(previous, ifRevision)) return { written: false, current: previous };
    const revision = this.#next();
    this.#write({ key, text }, previous, ttl === undefined ? null : this.#now + ttl * 1_000);
    return this.#end(revision, [{ key, text }], previous);
  }

  delete(key: string, { ifRevision }: WriteOptions): WriteOutcome {
    const previous = this.#tables.get(key, this.#now);
    if (!holds(previous, ifRevision)) return { written: false, current: previous };
    if (previous === null) return { written: true, revision: this.#revision, previous };
    const revision = this.#next();
    this.#remove(key, "delete");
    return this.#end(revision, [{ key, text: null }], previous);
  }

  /** All of these as one revision; none where they are none. */
  apply(changes: readonly KeyedEntry[]): void {
    if (changes.length === 0) return;
    const revision = this.#next();
    for (const { key, text } of changes) {
      if (text === null) this.#remove(key, "delete");
      else this.#write({ key, text }, this.#tables.get(key, this.#now), null);
    }
    this.#end(revision, changes, null);
  }

  /** Deletes what has expired, as one revision. */
  expire(): void {
    const keys = this.#tables.expired(this.#now);
    if (keys.length === 0) return;
    const revision = this.#next();
    for (const key of keys) this.#remove(key, "expire");
    const changes = keys.map((key) => ({ key, text: null }));
    this.#end(revision, changes, null);
  }

  #next(): number {
    this.#revision++;
    return this.#revision;
  }

  #write(
    entry: { readonly key: string; readonly text: string },
    previous: StoredValue | null,
    expiresAt: number | null,
  ): void {
    const createRevision = previous?.createRevision ?? this.#revision;
    this.#tables.write({ ...entry, createRevision, modRevision: this.#revision, expiresAt });
    this.#tables.record(this.#revision, entry.key, previous === null ? "create" : "update", this.#now);
  }

  #remove(key: string, what: What): void {
    this.#tables.remove(key);
    this.#tables.record(this.#revision, key, what, this.#now);
  }

  #end(revision: number, changes: readonly KeyedEntry[], previous: StoredValue | null): WriteOutcome {
    this.#tables.setRevision(revision);
    this.#steps.push({ revision, changes });
    return { written: true, revision, previous };
  }
}

function holds(current: StoredValue | null, ifRevision: number | undefined): boolean {
  return ifRevision === undefined || (current?.modRevision ?? 0) === ifRevision;
}
