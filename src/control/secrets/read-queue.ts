/** Reads under way at once, for each manager. */
const MOST = 16;

/** Lets a bounded number of reads of each manager go at once, so that a slow one delays no other. */
export class ReadQueue {
  readonly #lines = new Map<string, { active: number; readonly waiting: (() => void)[] }>();

  /** Runs `read` when it is its turn; the promise settles as that of `read` does. */
  async run<T>(manager: string, read: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(manager) ?? { active: 0, waiting: [] };
    this.#lines.set(manager, line);
    if (line.active < MOST) line.active++;
    // Who ends hands its place on.
    else await new Promise<void>((resolve) => line.waiting.push(resolve));
    try {
      return await read();
    } finally {
      const next = line.waiting.shift();
      if (next !== undefined) next();
      else if (--line.active === 0) this.#lines.delete(manager);
    }
  }
}
