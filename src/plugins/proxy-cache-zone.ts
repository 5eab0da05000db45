import type { CachedAnswer, ReadHeader } from "./proxy-cache-store.ts";

/** Where answers are kept: in memory or on a disk, by all workers together. */
export interface CacheZone {
  /** The clock of `storedAt`, milliseconds. */
  now(): number;
  /** The answer for a request that presents these headers. Does not reject: what cannot be read is not there. */
  find(key: string, header: ReadHeader): CachedAnswer | undefined | Promise<CachedAnswer | undefined>;
  /** Begins to keep an answer whose body is to come; `vary`: the request headers that it depends on. */
  keep(key: string, vary: readonly string[], header: ReadHeader, answer: Omit<CachedAnswer, "body">): Collection;
  /** Gives up an answer with its variants; false: there was none. */
  purge(key: string): boolean | Promise<boolean>;
}

/** An answer on its way to the client, and into a cache. */
export interface Collection {
  /** False: it is too long, or there is no room; nothing is held any more. */
  add(piece: Buffer): boolean;
  /** The answer is complete. */
  finish(): void;
  /** It has broken off; nothing of it is kept. After `finish` it does nothing. */
  drop(): void;
}
