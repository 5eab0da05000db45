import type { BatchCounts } from "./batch-counts.ts";
import { BatchProcessor, type BatchOptions, type BatchSink, type Ledger } from "./batch-processor.ts";

/**
 * The batch processors of one thread. Plugins open one for each of their configurations; what
 * all of them hold in memory is bounded together, and is sent before the thread ends.
 */
export interface Batches {
  /** Opens a processor; whoever does closes it. */
  open<Entry>(options: BatchOptions, sink: BatchSink<Entry>): BatchProcessor<Entry>;
  /** How many entries wait, were sent and were dropped so far, for each open processor and summed up for the closed. */
  counts(): readonly BatchCounts[];
  /** Calls every `reopen` of the sinks, after files were rotated. */
  reopen(): void;
  /** Sends what is there, closed processors included; what is left after `timeoutMs` is dropped and counted. */
  drain(timeoutMs: number): Promise<void>;
}

/** Characters that all processors of a thread may hold. */
const MAX_SIZE = 64 * 1024 * 1024;

/** Makes the batches of a thread. `maxSize` bounds what they hold together, in characters. */
export function createBatches(maxSize: number = MAX_SIZE): Batches {
  return new ThreadBatches(maxSize);
}

type MutableCounts = { -readonly [Key in keyof BatchCounts]: BatchCounts[Key] };

class ThreadBatches implements Batches, Ledger {
  readonly maxSize: number;
  size = 0;
  readonly #open = new Set<BatchProcessor<unknown>>();
  /** Of processors that are gone, by plugin, name and owner: a counter must not fall. */
  readonly #past = new Map<string, MutableCounts>();

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  open<Entry>(options: BatchOptions, sink: BatchSink<Entry>): BatchProcessor<Entry> {
    const processor = new BatchProcessor<Entry>(options, sink, this, () => this.#gone(processor as never));
    this.#open.add(processor as never);
    return processor;
  }

  counts(): readonly BatchCounts[] {
    const sums = new Map(Array.from(this.#past, ([key, past]) => [key, { ...past }]));
    for (const processor of this.#open) add(sums, processor);
    return [...sums.values()];
  }

  reopen(): void {
    for (const processor of this.#open) processor.reopen();
  }

  async drain(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const open = [...this.#open];
    await Promise.race([Promise.all(open.map((processor) => processor.close())), late]);
    clearTimeout(timer);
    for (const processor of open) processor.abandon();
  }

  #gone(processor: BatchProcessor<unknown>): void {
    this.#open.delete(processor);
    add(this.#past, processor);
    // Names and owners come from the configuration, which may change for ever.
    if (this.#past.size > MAX_PAST) this.#forgetOldest();
  }

  /** The counts of the longest gone go on under the plugin's name alone. */
  #forgetOldest(): void {
    const [oldest] = this.#past;
    if (oldest === undefined) return;
    const [key, counts] = oldest;
    this.#past.delete(key);
    add(this.#past, { ...counts, name: "", owner: "" });
  }
}

/** Processors that are gone and counted by themselves. */
const MAX_PAST = 1_000;

function add(sums: Map<string, MutableCounts>, counts: BatchCounts): void {
  const { plugin, name, owner, serverAddr, pending, sent, overflowed, failed } = counts;
  const key = `${plugin}\n${name}\n${owner}`;
  const sum = sums.get(key);
  if (sum === undefined) {
    sums.set(key, { plugin, name, owner, serverAddr, pending, sent, overflowed, failed });
    return;
  }
  if (sum.serverAddr === "") sum.serverAddr = serverAddr;
  sum.pending += pending;
  sum.sent += sent;
  sum.overflowed += overflowed;
  sum.failed += failed;
}
