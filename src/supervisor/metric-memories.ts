import { MetricMemory, type MetricShape } from "../board/metric-memory.ts";
import type { Settings } from "../settings/settings.ts";

/**
 * The memory that workers count metrics in. A thread takes one and the next goes on in it
 * once the thread has ended, so that no count is lost and none goes back; there are as many
 * as there were threads at the same time.
 */
export class MetricMemories {
  readonly #made: (memory: SharedArrayBuffer) => void;
  readonly #all = new Set<MetricMemory>();
  readonly #free: MetricMemory[] = [];
  #shape: MetricShape | null = null;
  /** What the settings say of buckets, labels and sizes, as text. */
  #meaning = "";

  /** @param made is called with every new memory. */
  constructor(made: (memory: SharedArrayBuffer) => void) {
    this.#made = made;
  }

  /** Where other settings give what is counted another size or meaning, everything is counted anew. */
  configure({ prometheus }: Pick<Settings, "prometheus">): void {
    const { maxSeries = 0, buckets = [], metrics } = prometheus ?? {};
    const labels = Object.values(metrics ?? {}).map(({ extraLabels }) => extraLabels);
    const meaning = JSON.stringify([maxSeries, buckets, labels]);
    this.#shape = prometheus === null ? null : { maxSeries, buckets: buckets.length };
    if (meaning === this.#meaning) return;
    this.#meaning = meaning;
    this.#all.clear();
    this.#free.length = 0;
  }

  /** All that are counted in or were. */
  get all(): readonly SharedArrayBuffer[] {
    return Array.from(this.#all, ({ memory }) => memory);
  }

  /** For a new thread; `null`: nothing is counted. */
  take(): MetricMemory | null {
    if (this.#shape === null) return null;
    const known = this.#free.pop();
    if (known !== undefined) return known;
    const made = new MetricMemory(this.#shape);
    this.#all.add(made);
    this.#made(made.memory);
    return made;
  }

  /** When the thread that took it is gone for sure. */
  giveBack(memory: MetricMemory): void {
    if (this.#all.has(memory)) this.#free.push(memory);
  }
}
