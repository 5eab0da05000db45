import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** Held until it is released or the process ends, however that happens. */
export interface ProcessLock {
  release(): void;
}

/**
 * Takes the lock that lies beside `file`, or returns `null` where another process (or
 * another store of this one) has it.
 *
 * The lock is an exclusive transaction on an empty database: the operating system drops
 * it with the process, so that a killed gateway leaves nothing to clean up, and Node has
 * no other file lock.
 */
export function takeProcessLock(file: string): ProcessLock | null {
  const name = `${file}.lock`;
  closeSync(openSync(name, "a", 0o600));
  const lock = new DatabaseSync(name, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (isBusy(error)) return null;
    throw error;
  }
  return { release: () => lock.close() };
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return ((error as { readonly errcode?: number }).errcode ?? 0) % 256 === SQLITE_BUSY;
}
