import { reasonOf } from "../lib/errors.ts";
import type { BatchCounts } from "./batch-counts.ts";
import { LossReport } from "./loss-report.ts";

/** How a processor gathers and sends; times in seconds, as plugins are configured. */
export interface BatchOptions {
  readonly plugin: string;
  readonly name: string;
  readonly owner: string;
  /** Entries of a batch at most. */
  readonly batchMaxSize: number;
  /** A batch is sent when nothing was added to it for so long. */
  readonly inactiveTimeout: number;
  /** A batch is sent when its first entry is so old. */
  readonly bufferDuration: number;
  /** Further attempts after one that failed. */
  readonly maxRetryCount: number;
  /** Between two attempts. */
  readonly retryDelay: number;
  /** Entries that wait or are being sent; what comes then is dropped. */
  readonly maxPendingEntries: number;
  /** Characters of these entries. */
  readonly maxPendingSize?: number;
  /** Tells an operator, with the plugin's name and resource. */
  warn(message: string): void;
}

/** Where batches go. Made for one processor, which closes it. */
export interface BatchSink<Entry> {
  /** How many batches may be on their way at the same time. */
  readonly concurrency: number;
  /** Resolves when the batch has arrived; rejects with the reason, and a `BatchError` where a part of it has. */
  send(entries: readonly Entry[]): Promise<void>;
  /** Opens files anew. */
  reopen?(): void;
  close(): void;
}

/** A batch of which a part arrived, or of which trying again is of no use. */
export class BatchError<Entry = unknown> extends Error {
  /** What is worth another attempt. */
  readonly remaining: readonly Entry[];
  /** Entries that the server will never take. */
  readonly refused: number;

  constructor(message: string, remaining: readonly Entry[], refused: number) {
    super(message);
    this.remaining = remaining;
    this.refused = refused;
  }
}

/** What all processors of a thread hold, in characters. */
export interface Ledger {
  size: number;
  readonly maxSize: number;
}

interface Batch<Entry> {
  entries: readonly Entry[];
  /** Characters of what is not settled. */
  size: number;
  attempts: number;
}

/** Characters that one processor may hold, unless told otherwise. */
const MAX_PENDING_SIZE = 16 * 1024 * 1024;

/**
 * Gathers entries and sends them in batches: when a batch is full, has been inactive or is old
 * enough. `push` only takes note: whatever happens to a batch happens in a later turn of the
 * event loop. What does not fit the bounds is dropped, counted, and reported once in a while.
 */
export class BatchProcessor<Entry> implements BatchCounts {
  readonly plugin: string;
  readonly name: string;
  readonly owner: string;
  serverAddr = "";
  pending = 0;
  sent = 0;
  overflowed = 0;
  failed = 0;
  readonly #options: BatchOptions;
  readonly #sink: BatchSink<Entry>;
  readonly #ledger: Ledger;
  readonly #gone: () => void;
  readonly #losses: LossReport;
  readonly #maxSize: number;
  #size = 0;
  #buffer: Entry[] = [];
  #bufferSize = 0;
  #firstAt = 0;
  #lastAt = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Full batches in the order in which they are sent. */
  readonly #queue: Batch<Entry>[] = [];
  #sending = 0;
  #scheduled = false;
  /** Batches that wait for their next attempt. */
  readonly #retries = new Set<NodeJS.Timeout>();
  #closing: PromiseWithResolvers<void> | null = null;
  #closed = false;

  constructor(options: BatchOptions, sink: BatchSink<Entry>, ledger: Ledger, gone: () => void) {
    const { plugin, name, owner } = options;
    this.plugin = plugin;
    this.name = name;
    this.owner = owner;
    this.#options = options;
    this.#sink = sink;
    this.#ledger = ledger;
    this.#gone = gone;
    this.#maxSize = options.maxPendingSize ?? MAX_PENDING_SIZE;
    this.#losses = new LossReport((message) => options.warn(`batch ${name}: ${message}`));
  }

  /** Whether an entry would be dropped whatever its size: making it is of no use. */
  get full(): boolean {
    return this.#closed || this.pending >= this.#options.maxPendingEntries || this.#size >= this.#maxSize;
  }

  /** Counts an entry that was not made because of `full`. */
  drop(): void {
    this.overflowed++;
    this.#losses.add(1, this.#fullReason(0));
  }

  /**
   * Takes an entry of `size` characters over; false where there is no room for it. Never throws,
   * never waits. `serverAddr`: the gateway's address that the request came in on.
   */
  push(entry: Entry, size: number, serverAddr = ""): boolean {
    if (this.full || this.#size + size > this.#maxSize || this.#ledger.size + size > this.#ledger.maxSize) {
      this.overflowed++;
      this.#losses.add(1, this.#fullReason(size));
      return false;
    }
    if (this.serverAddr === "") this.serverAddr = serverAddr;
    this.pending++;
    this.#size += size;
    this.#ledger.size += size;
    const now = performance.now();
    if (this.#buffer.length === 0) this.#firstAt = now;
    this.#lastAt = now;
    this.#buffer.push(entry);
    this.#bufferSize += size;
    if (this.#buffer.length >= this.#options.batchMaxSize || this.#closing !== null) this.#seal();
    else this.#timer ??= this.#wait(this.#dueIn(now));
    return true;
  }

  /** Sends what was gathered without waiting for more. */
  flush(): void {
    if (this.#buffer.length > 0) this.#seal();
  }

  reopen(): void {
    this.#sink.reopen?.();
  }

  /** Sends what is there, attempts included, and lets go of the sink; resolves when that is done. */
  close(): Promise<void> {
    if (this.#closing === null) {
      this.#closing = Promise.withResolvers<void>();
      this.flush();
      this.#finishIfIdle();
    }
    return this.#closing.promise;
  }

  /** Drops what is there. */
  abandon(): void {
    if (this.#closed) return;
    this.#closing ??= Promise.withResolvers<void>();
    if (this.pending > 0) this.#losses.add(this.pending, "the gateway ends");
    this.failed += this.pending;
    this.pending = 0;
    for (const retry of this.#retries) clearTimeout(retry);
    this.#finish();
  }

  #fullReason(size: number): string {
    if (this.#closed) return "the gateway ends";
    if (this.pending >= this.#options.maxPendingEntries) return `${this.pending} entries are waiting`;
    const whose = this.#size + size >= this.#maxSize ? "" : " of all plugins";
    return `the entries${whose} that are waiting take all the memory that they may`;
  }

  /** Milliseconds until the buffer is to be sent. */
  #dueIn(now: number): number {
    const { inactiveTimeout, bufferDuration } = this.#options;
    const due = Math.min(this.#lastAt + inactiveTimeout * 1_000, this.#firstAt + bufferDuration * 1_000);
    return Math.max(0, due - now);
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = null;
      const rest = this.#dueIn(performance.now());
      // Timers are never early by more than their rounding.
      if (rest >= 1) this.#timer = this.#wait(rest);
      else this.flush();
    }, ms).unref();
  }

  /** The buffer becomes a batch. */
  #seal(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const entries = this.#buffer;
    this.#queue.push({ entries, size: this.#bufferSize, attempts: 0 });
    this.#buffer = [];
    this.#bufferSize = 0;
    this.#schedule();
  }

  /** Sending begins in a later turn: the request that filled the batch has its answer out first. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#sending < this.#sink.concurrency) {
        const batch = this.#queue.shift();
        if (batch === undefined) break;
        void this.#send(batch);
      }
    });
  }

  async #send(batch: Batch<Entry>): Promise<void> {
    this.#sending++;
    try {
      await this.#sink.send(batch.entries);
      this.#settle(batch, batch.entries.length, 0, "");
    } catch (error) {
      this.#failedAttempt(batch, error);
    }
    this.#sending--;
    if (this.#queue.length > 0) this.#schedule();
    else this.#finishIfIdle();
  }

  #failedAttempt(batch: Batch<Entry>, error: unknown): void {
    const reason = reasonOf(error);
    if (error instanceof BatchError) {
      const remaining = error.remaining as readonly Entry[];
      this.#settle(batch, batch.entries.length - remaining.length - error.refused, error.refused, reason);
      batch.entries = remaining;
      if (remaining.length === 0) return;
    }
    const { maxRetryCount, retryDelay } = this.#options;
    if (batch.attempts++ >= maxRetryCount || this.#closed) {
      this.#settle(batch, 0, batch.entries.length, reason);
      return;
    }
    // While it waits, others may go: a batch that a server dislikes must not hold them up.
    const retry = setTimeout(() => {
      this.#retries.delete(retry);
      this.#queue.push(batch);
      this.#schedule();
    }, retryDelay * 1_000);
    retry.unref();
    this.#retries.add(retry);
  }

  /** Counts entries that need no further attempt. */
  #settle(batch: Batch<Entry>, sent: number, failed: number, reason: string): void {
    if (this.#closed) return;
    this.sent += sent;
    this.failed += failed;
    this.pending -= sent + failed;
    const { length } = batch.entries;
    const share = sent + failed === length ? batch.size : Math.floor((batch.size * (sent + failed)) / length);
    batch.size -= share;
    this.#size -= share;
    this.#ledger.size -= share;
    if (failed > 0) this.#losses.add(failed, reason);
  }

  #finishIfIdle(): void {
    if (this.#closing === null || this.pending > 0) return;
    this.#finish();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ledger.size -= this.#size;
    this.#size = 0;
    this.#buffer = [];
    this.#queue.length = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#losses.close();
    this.#sink.close();
    this.#gone();
    this.#closing?.resolve();
  }
}
