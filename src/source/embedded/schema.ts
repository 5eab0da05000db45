import type { DatabaseSync } from "node:sqlite";

/** Marks the file as one of ours: `TPKE`. */
export const APPLICATION_ID = 0x54_50_4b_45;

/** Counts the changes of the tables below; a file of a later version is refused. */
export const SCHEMA_VERSION = 1;

/** The revision of a store that nothing was written to, as in etcd. */
export const FIRST_REVISION = 1;

/** Makes the tables of a new, empty database. Times are Unix milliseconds. */
export function defineTables(db: DatabaseSync): void {
  db.exec(`
    BEGIN;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${SCHEMA_VERSION};
    CREATE TABLE state (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      revision INTEGER NOT NULL
    ) STRICT;
    INSERT INTO state (only, revision) VALUES (1, ${FIRST_REVISION});
    CREATE TABLE resources (
      key TEXT PRIMARY KEY,
      text TEXT NOT NULL,
      create_revision INTEGER NOT NULL,
      mod_revision INTEGER NOT NULL,
      expires_at INTEGER
    ) STRICT;
    CREATE INDEX resources_by_expiry ON resources (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE history (
      change INTEGER PRIMARY KEY,
      revision INTEGER NOT NULL,
      key TEXT NOT NULL,
      what TEXT NOT NULL,
      at INTEGER NOT NULL
    ) STRICT;
    COMMIT;
  `);
}
