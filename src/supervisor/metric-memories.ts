import { MetricMemory, type MetricShape, sameShape } from "../board/metric-memory.ts";
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

  /** @param made is called with every new memory. */
  constructor(made: (memory: SharedArrayBuffer) => void) {
    this.#made = made;
  }

  /** Other settings may need tables of another size: then everything is counted anew. */
  configure({ prometheus }: Pick<Settings, "prometheus">): void {
    const shape = prometheus === null ? null : { maxSeries: prometheus.maxSeries, buckets: prometheus.buckets.length };
    const same = shape !== null && this.#shape !== null && sameShape(shape, this.#shape);
    this.#shape = shape;
    if (same) return;
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
