import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { reasonOf, TurnpikeError } from "../../lib/errors.ts";
import { takeProcessLock, type ProcessLock } from "./process-lock.ts";
import { APPLICATION_ID, defineTables, SCHEMA_VERSION } from "./schema.ts";

/**
 * How a store is opened.
 * - `exclusive`: by the one process that owns it, the gateway; the file is created.
 * - `again`: by that process, which had it open before; the file must still be there, since an
 *   empty one in its place would take away what is being served.
 * - `shared`: as the owner where there is none, beside it where there is one; the file is created.
 * - `read`: beside whoever uses it; the file must be there.
 */
export type Access = "exclusive" | "again" | "shared" | "read";

/** How long a transaction waits for that of another process. */
const BUSY_MS = 5_000;
/** What the write-ahead log is cut to after a long transaction, in bytes. */
const LOG_LIMIT = 4 * 1024 * 1024;

/** An open database; whoever opened it closes it. */
export interface OpenDatabase {
  readonly db: DatabaseSync;
  /** Throws `SOURCE_UNAVAILABLE` where the path no longer leads to the file that is open. */
  assertInPlace(): void;
  close(): void;
}

/**
 * Opens the database after it was checked; a file that cannot be used is left as it is.
 * Throws `SOURCE_UNREADABLE` (damaged, of another program, of a later version) or
 * `SOURCE_UNAVAILABLE` (in use, not there, no permission) with a reason that says what to do.
 */
export function openDatabase(path: string, access: Access): OpenDatabase {
  let lock: ProcessLock | null = null;
  try {
    const file = placeOf(path, access);
    if (access !== "read") {
      lock = takeProcessLock(file);
      if (lock === null && access !== "shared") throw unavailable(path, IN_USE);
    }
    if (!existsSync(file)) {
      if (access === "again") throw unavailable(path, GONE);
      // Without the lock another process is about to create it.
      if (lock === null) throw unavailable(path, NOT_THERE);
      create(path, file);
    }
    inspect(path, file);
    return connect(path, file, access, lock);
  } catch (error) {
    lock?.release();
    throw toSourceError(path, error);
  }
}

const IN_USE =
  "in use by another process: one gateway at a time may have it (is it running already, in another container?)";

/** The real path; its directory is made where the store may be created. */
function placeOf(path: string, access: Access): string {
  if (existsSync(path)) {
    if (!statSync(path).isFile()) throw unavailable(path, "it is no file");
    return realpathSync(path);
  }
  const directory = dirname(path);
  if (access === "exclusive" || access === "shared") mkdirSync(directory, { recursive: true, mode: 0o700 });
  else if (!existsSync(directory)) throw unavailable(path, access === "again" ? GONE : NOT_THERE);
  return join(realpathSync(directory), basename(path));
}

const GONE =
  "it was there and is gone; what was loaded is served until it is put back, or the gateway is stopped and started";

const NOT_THERE = "no such file; the gateway creates it at its first start";

/** Made whole under another name, so that what has the store's name is a store. */
function create(path: string, file: string): void {
  if (existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) {
    throw unreadable(path, `the file is gone, but ${path}-wal, which belongs to it, is there; ${WHAT_TO_DO}`);
  }
  const draft = `${file}.new`;
  for (const name of [draft, `${draft}-wal`, `${draft}-shm`, `${draft}-journal`]) rmSync(name, { force: true });
  closeSync(openSync(draft, "wx", 0o600));
  const db = new DatabaseSync(draft);
  try {
    defineTables(db);
    db.exec("PRAGMA journal_mode = WAL");
  } finally {
    db.close();
  }
  synchronise(draft);
  renameSync(draft, file);
  synchronise(dirname(file));
}

function synchronise(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Looks through the file read-only: even closing a connection that may write would change a damaged one. */
function inspect(path: string, file: string): void {
  if (statSync(file).size === 0) throw unreadable(path, `the file is empty, which no store is; ${WHAT_TO_DO}`);
  const db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
  try {
    if (numberOf(db, "application_id") !== APPLICATION_ID) {
      throw unreadable(path, "a database of another program; move it away, then the gateway creates its own");
    }
    const version = numberOf(db, "user_version");
    if (version > SCHEMA_VERSION) {
      throw unreadable(
        path,
        `written by a later version of Turnpike (format ${version}, this one knows ${SCHEMA_VERSION}); start that version, or export with it and import here`,
      );
    }
    const [first] = db.prepare("PRAGMA quick_check(1)").all() as { readonly quick_check: string }[];
    if (first?.quick_check !== "ok") throw damaged(path, first?.quick_check ?? "no answer");
  } finally {
    db.close();
  }
}

function connect(path: string, file: string, access: Access, lock: ProcessLock | null): OpenDatabase {
  const { ino, dev, mode } = statSync(file);
  if (access !== "read" && (mode & 0o077) !== 0) chmodSync(file, 0o600);
  const db = new DatabaseSync(file, { readOnly: access === "read", timeout: BUSY_MS });
  try {
    if (access !== "read") configure(path, db);
  } catch (error) {
    db.close();
    throw error;
  }
  return {
    db,
    assertInPlace() {
      const now = statSync(file, { throwIfNoEntry: false });
      if (now?.ino === ino && now.dev === dev) return;
      throw unavailable(path, "moved, replaced or deleted while it is open; put it back, or start the gateway anew");
    },
    close() {
      db.close();
      lock?.release();
    },
  };
}

/** Every commit is on the disk before it returns. */
function configure(path: string, db: DatabaseSync): void {
  const [row] = db.prepare("PRAGMA journal_mode = WAL").all() as { readonly journal_mode: string }[];
  if (row?.journal_mode !== "wal") {
    throw unavailable(
      path,
      "its file system cannot share memory between processes (a network drive?); use a local one",
    );
  }
  db.exec(`PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${LOG_LIMIT}`);
}

function numberOf(db: DatabaseSync, pragma: "application_id" | "user_version"): number {
  return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

const WHAT_TO_DO =
  "nothing was changed; put a backup in its place, or move it away together with its -wal and -shm files and import an export (docs/embedded-store.md)";

const unavailable = (path: string, reason: string): TurnpikeError =>
  new TurnpikeError("SOURCE_UNAVAILABLE", `${path}: ${reason}`);

const unreadable = (path: string, reason: string): TurnpikeError =>
  new TurnpikeError("SOURCE_UNREADABLE", `${path}: ${reason}`);

const damaged = (path: string, detail: string): TurnpikeError =>
  unreadable(path, `damaged (${detail.replaceAll(/\s+/g, " ").trim()}); ${WHAT_TO_DO}`);

/** SQLite's primary result codes that have a reason of their own. */
const reasons = new Map([
  [3, "no permission"],
  [5, "another process has been writing for too long"],
  [8, "it may not be written"],
  [10, "the disk fails"],
  [13, "the disk is full"],
  [14, "it cannot be opened (permission?)"],
]);
/** What the system says of a path, by its code. */
const systemReasons: ReadonlyMap<string, string> = new Map([
  ["EACCES", "no permission (EACCES)"],
  ["EEXIST", "something else has the name of its directory (EEXIST)"],
  ["ENOTDIR", "something else has the name of its directory (ENOTDIR)"],
  ["ENOSPC", "the disk is full (ENOSPC)"],
  ["EROFS", "the file system takes no changes (EROFS)"],
]);
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** What was thrown as an error of the registry, with the file's name. */
export function toSourceError(path: string, error: unknown): TurnpikeError {
  if (error instanceof TurnpikeError) return error;
  const { errcode, code } = error as { readonly errcode?: number; readonly code?: string };
  const detail = reasonOf(error);
  if (errcode === undefined)
    return new TurnpikeError(
      "SOURCE_UNAVAILABLE",
      `${path}: ${systemReasons.get(code ?? "") ?? code ?? detail}`,
      error,
    );
  const primary = errcode % 256;
  if (primary === CORRUPT || primary === NOT_A_DATABASE) return damaged(path, detail);
  const reason = reasons.get(primary);
  const text = reason === undefined ? detail : `${reason} (${detail})`;
  return new TurnpikeError("SOURCE_UNAVAILABLE", `${path}: ${text}`, error);
}
