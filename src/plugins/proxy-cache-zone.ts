import { monotonicMs } from "../lib/clock.ts";
import type { CacheNews } from "./proxy-cache-news.ts";
import { CacheStore, type CachedAnswer, type ReadHeader } from "./proxy-cache-store.ts";

/** Where answers are kept: in memory, or on a disk; either is shared by all workers. */
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

/** A zone in memory, which all workers share. */
export class MemoryZone implements CacheZone {
  readonly #store: CacheStore;
  readonly #tell: ((news: CacheNews) => void) | null;

  /** @param tell tells all others who share it; `null`: nobody does. */
  constructor(maxBytes: number, tell: ((news: CacheNews) => void) | null = null) {
    this.#store = new CacheStore(maxBytes);
    this.#tell = tell;
  }

  now(): number {
    return monotonicMs();
  }

  find(key: string, header: ReadHeader): CachedAnswer | undefined {
    return this.#store.find(key, header);
  }

  keep(key: string, vary: readonly string[], header: ReadHeader, head: Omit<CachedAnswer, "body">): Collection {
    return new MemoryCollection(this.#store, (body) => {
      const answer = { ...head, body };
      this.#store.put(key, vary, header, answer);
      this.#tell?.({ type: "kept", key, vary, values: vary.map((name) => header(name)), answer });
    });
  }

  purge(key: string): boolean {
    this.#tell?.({ type: "purged", key });
    return this.#store.delete(key);
  }

  /** Takes over what another one has told. */
  heard(news: CacheNews): void {
    if (news.type === "purged") {
      this.#store.delete(news.key);
      return;
    }
    const { key, vary, values, answer } = news;
    const header: ReadHeader = (name) => values[vary.indexOf(name)];
    const own = this.#store.find(key, header);
    // Of answers to requests that came at the same time all keep the same one.
    if (own !== undefined && own.storedAt > answer.storedAt) return;
    const { buffer, byteOffset, byteLength } = answer.body;
    this.#store.put(key, vary, header, { ...answer, body: Buffer.from(buffer, byteOffset, byteLength) });
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
    const body = Buffer.from(new SharedArrayBuffer(this.#bytes));
    let at = 0;
    for (const piece of this.#pieces) at += piece.copy(body, at);
    this.drop();
    this.#done(body);
  }

  drop(): void {
    this.#store.release(this.#bytes);
    this.#bytes = 0;
    this.#pieces.length = 0;
  }
}
