/** Time between two lines about the losses of one processor, in milliseconds. */
const REPORT_EVERY_MS = 10_000;

/**
 * Says that entries are lost: at once, and while it goes on every ten seconds, with how many and
 * the latest reason. A server that is away must not fill the error log.
 */
export class LossReport {
  readonly #say: (message: string) => void;
  readonly #everyMs: number;
  #lost = 0;
  #reason = "";
  #timer: NodeJS.Timeout | null = null;

  constructor(say: (message: string) => void, everyMs: number = REPORT_EVERY_MS) {
    this.#say = say;
    this.#everyMs = everyMs;
  }

  add(entries: number, reason: string): void {
    this.#lost += entries;
    this.#reason = reason;
    if (this.#timer === null) this.#report();
  }

  /** Says what was not said yet. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#lost > 0) this.#tell();
  }

  #report(): void {
    if (this.#lost === 0) return;
    this.#tell();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#report();
    }, this.#everyMs).unref();
  }

  #tell(): void {
    this.#say(`${this.#lost} ${this.#lost === 1 ? "entry" : "entries"} dropped: ${this.#reason}`);
    this.#lost = 0;
  }
}
