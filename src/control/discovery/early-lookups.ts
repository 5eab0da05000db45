import { monotonicMs } from "../../lib/clock.ts";

/** How long a change waits at most for the services that it names. */
const PREPARE_MS = 500;
/** After one that waited so long in vain no other one waits for so long. */
const NO_WAIT_MS = 10_000;
/** For how long what was looked up for a change is kept until that has come: it may be refused. */
const EARLY_MS = 10_000;

/** What early lookups need of their owner. */
export interface EarlyLookupParts {
  /** Begins to look up a key. */
  readonly add: (key: string) => void;
  /** Gives up a key. */
  readonly forget: (key: string) => void;
  /** Whether an upstream names the key. */
  readonly isUsed: (key: string) => boolean;
}

/** Looks up what a change names for the first time before the change counts, so that it has its nodes by then. */
export class EarlyLookups {
  readonly #parts: EarlyLookupParts;
  /** What the present change waits for, and what goes on when all of that is there. */
  #waiting: { readonly missing: Set<string>; readonly done: () => void } | null = null;
  #mayWaitAt = -Infinity;
  /** Keys that were looked up before an upstream named them, with the time. */
  readonly #early = new Map<string, number>();

  constructor(parts: EarlyLookupParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when these keys were looked up, or have been waited for long enough; `null`: there
   * is nothing to wait for. Never rejects; one change at a time.
   */
  prepare(keys: Iterable<string>): Promise<void> | null {
    this.#giveUp();
    const missing = new Set(keys);
    if (missing.size === 0 || monotonicMs() < this.#mayWaitAt) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#mayWaitAt = monotonicMs() + NO_WAIT_MS;
      resolve();
    }, PREPARE_MS);
    this.#waiting = { missing, done: resolve };
    for (const key of missing) {
      this.#early.set(key, monotonicMs());
      this.#parts.add(key);
    }
    return promise.then(() => {
      clearTimeout(timer);
      this.#waiting = null;
    });
  }

  /** A key was looked up. */
  looked(key: string): void {
    const { missing, done } = this.#waiting ?? {};
    if (missing?.delete(key) === true && missing.size === 0) done?.();
  }

  /** Gives up what no upstream has come to name. */
  #giveUp(): void {
    const now = monotonicMs();
    for (const [key, at] of this.#early) {
      const isUsed = this.#parts.isUsed(key);
      if (!isUsed && now < at + EARLY_MS) continue;
      this.#early.delete(key);
      if (!isUsed) this.#parts.forget(key);
    }
  }
}
