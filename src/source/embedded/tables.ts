import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StoredValue } from "../repository.ts";

/** Changes that the table `history` keeps, and how many more may be there until the oldest are deleted. */
const HISTORY = 1_000;
const TRIM_EVERY = 64;

/** Rows of SQLite have no prototype. */
function toValue(row: Record<string, unknown>): StoredValue {
  const { key, text, createRevision, modRevision } = row as unknown as StoredValue;
  return { key, text, createRevision, modRevision };
}

/** What happened to a key, in the table `history`. */
export type What = "create" | "update" | "delete" | "expire";

/** Something to write at a key. */
export interface Row {
  readonly key: string;
  readonly text: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Unix milliseconds; `null`: it stays. */
  readonly expiresAt: number | null;
}

/** Greater than every key that begins with what stands before it. */
const LAST = "\u{10ffff}";

const VALUE = `key, text, create_revision AS "createRevision", mod_revision AS "modRevision"`;
/** What has expired is gone, also before it is deleted. */
const LIVE = "(expires_at IS NULL OR expires_at > ?)";

/** The statements on the tables of a store; transactions are the caller's. Throws what SQLite does. */
export class Tables {
  readonly #revision: StatementSync;
  readonly #setRevision: StatementSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #write: StatementSync;
  readonly #remove: StatementSync;
  readonly #expired: StatementSync;
  readonly #record: StatementSync;
  readonly #trim: StatementSync;

  constructor(db: DatabaseSync) {
    this.#revision = db.prepare("SELECT revision FROM state");
    this.#setRevision = db.prepare("UPDATE state SET revision = ?");
    this.#get = db.prepare(`SELECT ${VALUE} FROM resources WHERE key = ? AND ${LIVE}`);
    this.#list = db.prepare(`SELECT ${VALUE} FROM resources WHERE key >= ? AND key < ? AND ${LIVE} ORDER BY key`);
    this.#write = db.prepare(
      `INSERT INTO resources (key, text, create_revision, mod_revision, expires_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET text = excluded.text, create_revision = excluded.create_revision,
       mod_revision = excluded.mod_revision, expires_at = excluded.expires_at`,
    );
    this.#remove = db.prepare("DELETE FROM resources WHERE key = ?");
    this.#expired = db.prepare("SELECT key FROM resources WHERE expires_at <= ? ORDER BY expires_at, key");
    this.#record = db.prepare("INSERT INTO history (revision, key, what, at) VALUES (?, ?, ?, ?)");
    this.#trim = db.prepare("DELETE FROM history WHERE change <= ?");
  }

  revision(): number {
    return (this.#revision.get() as { readonly revision: number }).revision;
  }

  setRevision(revision: number): void {
    this.#setRevision.run(revision);
  }

  get(key: string, now: number): StoredValue | null {
    const row = this.#get.get(key, now);
    return row === undefined ? null : toValue(row);
  }

  list(prefix: string, now: number): readonly StoredValue[] {
    return this.#list.all(prefix, prefix + LAST, now).map(toValue);
  }

  write(row: Row): void {
    this.#write.run(row.key, row.text, row.createRevision, row.modRevision, row.expiresAt);
  }

  remove(key: string): void {
    this.#remove.run(key);
  }

  /** Keys whose time has come. */
  expired(now: number): readonly string[] {
    return this.#expired.all(now).map((row) => (row as { readonly key: string }).key);
  }

  /** Notes a change and forgets the oldest ones. */
  record(revision: number, key: string, what: What, now: number): void {
    const { lastInsertRowid } = this.#record.run(revision, key, what, now);
    const change = Number(lastInsertRowid);
    if (change % TRIM_EVERY === 0) this.#trim.run(change - HISTORY);
  }
}
