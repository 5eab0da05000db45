import { BroadcastChannel } from "node:worker_threads";
import { monotonicMs } from "../lib/clock.ts";
import { CacheStore, type CachedAnswer, type ReadHeader } from "./proxy-cache-store.ts";
import type { CacheZone, Collection } from "./proxy-cache-zone.ts";

/**
 * A zone in memory. Each worker has all of it: what one keeps or gives up it tells the others,
 * and who opens the zone asks them for what they have. Bodies are shared, not copied. The
 * workers agree within milliseconds, not at once.
 */

/** How long the first requests of a worker wait for what the others have; nobody may be there. */
const CATCH_UP_MS = 50;
/** Answers that one who opens the zone is told of by each of the others, those used last. */
const MAX_TOLD = 4_096;

/** An answer as it is told: `values` are those of the request's headers that it varies by. */
interface Told extends Omit<CachedAnswer, "body"> {
  readonly key: string;
  readonly vary: readonly string[];
  readonly values: readonly (string | undefined)[];
  readonly body: SharedArrayBuffer;
}

type Message =
  | { readonly about: "kept"; readonly told: Told }
  | { readonly about: "purged"; readonly key: string }
  | { readonly about: "opened" }
  | { readonly about: "all"; readonly told: readonly Told[] };

export class MemoryZone implements CacheZone {
  readonly #store: CacheStore;
  readonly #channel: BroadcastChannel | null;
  /** While this worker catches up: what the others gave up meanwhile. */
  #purged: Set<string> | null = null;
  #caughtUp: Promise<void> | null = null;

  /** @param channel what the zone is called among the threads; `null`: this thread has it for itself. */
  constructor(maxBytes: number, channel: string | null = null) {
    this.#store = new CacheStore(maxBytes);
    this.#channel = channel === null ? null : new BroadcastChannel(channel);
    if (this.#channel === null) return;
    // Node loads this class, 60 ms of the thread's time, with the first message: too late to answer in time.
    void globalThis.MessageEvent;
    this.#channel.addEventListener("message", (event) => this.#hear((event as MessageEvent).data as Message));
    this.#channel.unref();
    this.#caughtUp = this.#catchUp();
  }

  now(): number {
    return monotonicMs();
  }

  find(key: string, header: ReadHeader): CachedAnswer | undefined | Promise<CachedAnswer | undefined> {
    if (this.#caughtUp === null) return this.#store.find(key, header);
    return this.#caughtUp.then(() => this.#store.find(key, header));
  }

  keep(key: string, vary: readonly string[], header: ReadHeader, answer: Omit<CachedAnswer, "body">): Collection {
    // They are read now: later the request may be gone.
    const values = vary.map((name) => header(name));
    return new MemoryCollection(this.#store, (body) => {
      const told: Told = { ...answer, key, vary, values, body };
      this.#put(told);
      this.#tell({ about: "kept", told });
    });
  }

  purge(key: string): boolean {
    this.#tell({ about: "purged", key });
    return this.#store.delete(key);
  }

  /** Ends the connection with the other threads. */
  close(): void {
    this.#channel?.close();
  }

  #put({ key, vary, values, body, ...answer }: Told): void {
    const header: ReadHeader = (name) => values[vary.indexOf(name)];
    this.#store.put(key, vary, header, { ...answer, body: Buffer.from(body) });
  }

  #tell(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(message: Message): void {
    if (message.about === "kept") this.#put(message.told);
    else if (message.about === "purged") {
      this.#store.delete(message.key);
      this.#purged?.add(message.key);
    } else if (message.about === "opened") this.#tell({ about: "all", told: this.#all() });
    else this.#take(message.told);
  }

  /** What is here, those used last at the end. */
  #all(): readonly Told[] {
    return this.#store.answers(MAX_TOLD).map(({ key, vary, values, answer }) => {
      return { ...answer, key, vary, values, body: answer.body.buffer as unknown as SharedArrayBuffer };
    });
  }

  /** Takes what another worker has, unless it was answered anew or given up meanwhile. */
  #take(all: readonly Told[]): void {
    const purged = this.#purged;
    if (purged === null) return;
    for (const told of all) {
      const header: ReadHeader = (name) => told.values[told.vary.indexOf(name)];
      if (!purged.has(told.key) && this.#store.find(told.key, header) === undefined) this.#put(told);
    }
    this.#done();
  }

  async #catchUp(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#purged = new Set();
    this.#done = resolve;
    this.#tell({ about: "opened" });
    // A thread that was busy for so long has yet to hear what came meanwhile.
    const timer = setTimeout(() => setImmediate(resolve), CATCH_UP_MS);
    await promise;
    clearTimeout(timer);
    this.#purged = null;
    this.#caughtUp = null;
  }

  #done: () => void = () => undefined;
}

class MemoryCollection implements Collection {
  readonly #store: CacheStore;
  readonly #done: (body: SharedArrayBuffer) => void;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(store: CacheStore, done: (body: SharedArrayBuffer) => void) {
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
    const shared = new SharedArrayBuffer(this.#bytes);
    const body = Buffer.from(shared);
    let at = 0;
    for (const piece of this.#pieces) at += piece.copy(body, at);
    this.drop();
    this.#done(shared);
  }

  drop(): void {
    this.#store.release(this.#bytes);
    this.#bytes = 0;
    this.#pieces.length = 0;
  }
}
