/**
 * Messages that are handled in the order in which they came, although some have to be
 * prepared, which takes time. Where nothing has to be, each is handled at once.
 */
export class OrderedInbox<Message> {
  readonly #prepare: (message: Message) => Promise<void> | null;
  readonly #handle: (message: Message) => void;
  readonly #waiting: Message[] = [];
  #busy = false;

  /** `prepare` must not reject; `null`: there is nothing to do. */
  constructor(prepare: (message: Message) => Promise<void> | null, handle: (message: Message) => void) {
    this.#prepare = prepare;
    this.#handle = handle;
  }

  push(message: Message): void {
    this.#waiting.push(message);
    if (!this.#busy) this.#work();
  }

  #work(): void {
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      const next = message;
      const prepared = this.#prepare(next);
      if (prepared !== null) {
        this.#busy = true;
        void prepared.then(() => {
          this.#busy = false;
          this.#handle(next);
          this.#work();
        });
        return;
      }
      this.#handle(next);
    }
  }
}
