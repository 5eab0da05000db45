import { monotonicMs } from "../lib/clock.ts";
import { CacheStore, type CachedAnswer, type ReadHeader } from "./proxy-cache-store.ts";

/** Where answers are kept: in the memory of one worker, or on a disk that all of them share. */
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

/** A zone in the memory of this thread. */
export class MemoryZone implements CacheZone {
  readonly #store: CacheStore;

  constructor(maxBytes: number) {
    this.#store = new CacheStore(maxBytes);
  }

  now(): number {
    return monotonicMs();
  }

  find(key: string, header: ReadHeader): CachedAnswer | undefined {
    return this.#store.find(key, header);
  }

  keep(key: string, vary: readonly string[], header: ReadHeader, answer: Omit<CachedAnswer, "body">): Collection {
    return new MemoryCollection(this.#store, (body) => this.#store.put(key, vary, header, { ...answer, body }));
  }

  purge(key: string): boolean {
    return this.#store.delete(key);
  }
}

class MemoryCollection implements Collection {
  readonly #store: CacheStore;
  readonly #done: (body: Buffer) => void;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(store: CacheStore, done: (body: Buffer) => void) {
    this.#store = store;
    this.#done = done;
  }

  add(piece: Buffer): boolean {
    if (!this.#store.reserve(piece.length)) {
      this.drop();
      return false;
    }
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return true;
  }

  finish(): void {
    const body = Buffer.concat(this.#pieces);
    this.drop();
    this.#done(body);
  }

  drop(): void {
    this.#store.release(this.#bytes);
    this.#bytes = 0;
    this.#pieces.length = 0;
  }
}
