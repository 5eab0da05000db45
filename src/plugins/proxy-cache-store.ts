/** Answers that are kept in the memory of one worker, the least used given up first. */

/** An answer as it is kept. */
export interface CachedAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** Monotonic milliseconds. */
  readonly storedAt: number;
  readonly ttlMs: number;
}

/** Names of request headers, in lower case, that tell the answers of one key apart. */
interface Variants {
  readonly vary: readonly string[];
}

type Entry = CachedAnswer | Variants;

/** Bytes that an entry takes besides its texts, roughly. */
const ENTRY_BYTES = 512;

/** Reads a request header by lower-case name. */
export type ReadHeader = (name: string) => string | undefined;

export class CacheStore {
  readonly #maxBytes: number;
  /** In the order of use. */
  readonly #entries = new Map<string, { readonly entry: Entry; readonly bytes: number }>();
  #bytes = 0;
  #reserved = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer for a request that presents these headers. */
  find(key: string, header: ReadHeader): CachedAnswer | undefined {
    const first = this.#use(key);
    if (first === undefined || "body" in first) return first;
    const variant = this.#use(variantKey(key, first.vary, header));
    return variant === undefined || !("body" in variant) ? undefined : variant;
  }

  /** Keeps an answer; `vary`: the request headers that it depends on. */
  put(key: string, vary: readonly string[], header: ReadHeader, answer: CachedAnswer): void {
    const before = this.#entries.get(key)?.entry;
    if (vary.length === 0) {
      this.delete(key);
      this.#set(key, answer);
      return;
    }
    const known = before !== undefined && !("body" in before) && before.vary.join() === vary.join();
    if (!known) this.delete(key);
    // Set again: it must not be given up before its variants.
    this.#set(key, { vary });
    this.#set(variantKey(key, vary, header), answer);
  }

  /** Gives up an answer and its variants; false: there was none. */
  delete(key: string): boolean {
    const entry = this.#entries.get(key)?.entry;
    if (entry === undefined) return false;
    this.#remove(key);
    if (!("body" in entry)) {
      const prefix = `${key}\n`;
      for (const other of this.#entries.keys()) if (other.startsWith(prefix)) this.#remove(other);
    }
    return true;
  }

  /** Bytes for an answer that is being collected; false: there is no room. They are to be released. */
  reserve(bytes: number): boolean {
    if (this.#reserved + bytes > this.#maxBytes) return false;
    this.#reserved += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#reserved -= bytes;
  }

  #use(key: string): Entry | undefined {
    const held = this.#entries.get(key);
    if (held === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, held);
    return held.entry;
  }

  #set(key: string, entry: Entry): void {
    this.#remove(key);
    const bytes = ENTRY_BYTES + 2 * key.length + ("body" in entry ? sizeOf(entry) : 0);
    if (bytes > this.#maxBytes) return;
    this.#bytes += bytes;
    this.#entries.set(key, { entry, bytes });
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const held = this.#entries.get(key);
    if (held === undefined) return;
    this.#bytes -= held.bytes;
    this.#entries.delete(key);
  }
}

function sizeOf({ headers, body }: CachedAnswer): number {
  return headers.reduce((sum, [name, value]) => sum + 2 * (name.length + value.length) + 64, body.length);
}

/** The variant of a request; the line break cannot stand in a header. */
function variantKey(key: string, vary: readonly string[], header: ReadHeader): string {
  return `${key}\n${vary.map((name) => header(name) ?? "\0").join("\n")}`;
}
