import type { BatchCounts } from "../batch/batch-counts.ts";
import type { Batches } from "../batch/batches.ts";
import type { PluginMetrics } from "../plugin/metrics.ts";

/** Heartbeats between two times. */
const EVERY = 5;

/** Tells the metrics what became of the entries of batches; costs nothing while there are none. */
export class BatchMetrics {
  readonly #batches: Pick<Batches, "counts">;
  readonly #metrics: Pick<PluginMetrics, "add" | "set">;
  /** Of each plugin, what was told of already. */
  readonly #dropped = new Map<string, number>();
  readonly #pending = new Map<string, number>();
  #beats = 0;

  constructor(batches: Pick<Batches, "counts">, metrics: Pick<PluginMetrics, "add" | "set">) {
    this.#batches = batches;
    this.#metrics = metrics;
  }

  /** Now and then is enough. */
  beat(): void {
    if (this.#beats++ % EVERY === 0) this.publish();
  }

  publish(): void {
    const dropped = new Map<string, number>();
    for (const counts of this.#batches.counts()) {
      const { plugin, overflowed, failed } = counts;
      dropped.set(plugin, (dropped.get(plugin) ?? 0) + overflowed + failed);
      this.#setPending(counts);
    }
    for (const [plugin, count] of dropped) {
      const more = count - (this.#dropped.get(plugin) ?? 0);
      if (more > 0) this.#metrics.add("log_entries_dropped_total", [plugin], more);
      this.#dropped.set(plugin, count);
    }
  }

  /** A gauge is set when it changes. */
  #setPending({ name, owner, serverAddr, pending }: BatchCounts): void {
    const key = `${owner}\n${name}`;
    if ((this.#pending.get(key) ?? 0) === pending) return;
    // What is 0 stays 0 until something is pushed again.
    if (pending === 0) this.#pending.delete(key);
    else this.#pending.set(key, pending);
    this.#metrics.set("batch_process_entries", [name, owner.replace(/^routes\//, ""), serverAddr], pending);
  }
}
