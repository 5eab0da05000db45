/** How long control may take for an answer. */
const LIMIT_MS = 5_000;
/** Scrapes that wait at the same time. */
const MAX_WAITING = 8;

/** Asks control for the metrics of the node, on behalf of clients that may read them here. */
export class Scrapes {
  readonly #send: (id: number) => void;
  readonly #waiting = new Map<number, (text: string | null) => void>();
  #lastId = 0;

  constructor(send: (id: number) => void) {
    this.#send = send;
  }

  /** `null`: control did not answer in time, or there are too many who ask. */
  async ask(): Promise<string | null> {
    if (this.#waiting.size >= MAX_WAITING) return null;
    const id = ++this.#lastId;
    return await new Promise((resolve) => {
      const timer = setTimeout(() => this.answered(id, null), LIMIT_MS);
      this.#waiting.set(id, (text) => {
        clearTimeout(timer);
        resolve(text);
      });
      this.#send(id);
    });
  }

  answered(id: number, text: string | null): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(text);
  }
}
