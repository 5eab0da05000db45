import type { Repository, StoredValue, WriteOptions, WriteOutcome } from "./repository.ts";

/** A repository that keeps nothing beyond its process: for tests, and to compare others with. */
export interface MemoryRepository extends Repository {
  /** Revision of the last change; 1: none yet. */
  readonly revision: number;
  /** Called after each change, before whoever made it goes on. */
  onChange: (key: string, text: string | null) => void;
  /** From now on every call fails with this error; `null`: no more. */
  fail(error: Error | null): void;
  /** Ends the timers of lifetimes. */
  close(): void;
}

/** Creates an empty repository. */
export function createMemoryRepository(): MemoryRepository {
  const entries = new Map<string, StoredValue>();
  const timers = new Map<string, NodeJS.Timeout>();
  let revision = 1;
  let failure: Error | null = null;

  function remove(key: string): void {
    entries.delete(key);
    clearTimeout(timers.get(key));
    timers.delete(key);
    revision++;
    repository.onChange(key, null);
  }

  /** The condition of a write; what is there where it does not hold. */
  function unmet(key: string, ifRevision: number | undefined): WriteOutcome | null {
    if (failure !== null) throw failure;
    const current = entries.get(key) ?? null;
    if (ifRevision === undefined || (current?.modRevision ?? 0) === ifRevision) return null;
    return { written: false, current };
  }

  const repository: MemoryRepository = {
    onChange: () => undefined,
    get revision() {
      return revision;
    },
    fail(error) {
      failure = error;
    },
    async get(key) {
      if (failure !== null) throw failure;
      return entries.get(key) ?? null;
    },
    async list(prefix) {
      if (failure !== null) throw failure;
      const values = [...entries.values()].filter(({ key }) => key.startsWith(prefix));
      values.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
      return { revision, values };
    },
    async put(key, text, { ifRevision, ttl }: WriteOptions = {}) {
      const refused = unmet(key, ifRevision);
      if (refused !== null) return refused;
      const previous = entries.get(key) ?? null;
      revision++;
      entries.set(key, { key, text, createRevision: previous?.createRevision ?? revision, modRevision: revision });
      clearTimeout(timers.get(key));
      timers.delete(key);
      // Timers hold 31 bits of milliseconds; who waits longer is not testing.
      if (ttl !== undefined) timers.set(key, setTimeout(() => remove(key), Math.min(ttl * 1000, 2 ** 31 - 1)).unref());
      const outcome = { written: true, revision, previous } as const;
      repository.onChange(key, text);
      return outcome;
    },
    async delete(key, { ifRevision } = {}) {
      const refused = unmet(key, ifRevision);
      if (refused !== null) return refused;
      const previous = entries.get(key) ?? null;
      if (previous !== null) remove(key);
      return { written: true, revision, previous };
    },
    close() {
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
  return repository;
}
