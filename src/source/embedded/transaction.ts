import type { KeyedEntry, KeyedStep } from "../source.ts";
import type { StoredValue, WriteOptions, WriteOutcome } from "../repository.ts";
import type { Tables, What } from "./tables.ts";

/** A change of one key among many. */
export interface ConditionalChange extends KeyedEntry {
  /** Only where the key's `modRevision` is this one; 0: where it does not exist. */
  readonly ifRevision?: number;
}

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

  /** All of these as one revision, or none where a condition does not hold: the key of the first of those. */
  apply(changes: readonly ConditionalChange[]): string | null {
    const failed = changes.find(({ key, ifRevision }) => !holds(this.#tables.get(key, this.#now), ifRevision));
    if (failed !== undefined) return failed.key;
    if (changes.length === 0) return null;
    const revision = this.#next();
    for (const { key, text } of changes) {
      if (text === null) this.#remove(key, "delete");
      else this.#write({ key, text }, this.#tables.get(key, this.#now), null);
    }
    const made = changes.map(({ key, text }) => ({ key, text }));
    this.#end(revision, made, null);
    return null;
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
