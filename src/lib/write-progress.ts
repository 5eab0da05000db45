import type { Socket } from "node:net";

/** A socket with the handle that node:net keeps in it. */
interface HandleOwner {
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/**
 * Tells a peer that reads slowly from one that stands still. `drain` comes only at the end
 * of a write, and a long one may take longer than the time a peer has to take some of it.
 */
export class WriteProgress {
  readonly #socket: Socket;
  #unsent = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Remembers how much is left to send. */
  mark(): void {
    this.#unsent = this.#left();
  }

  /** Whether there is less now; the mark moves on. */
  made(): boolean {
    const left = this.#left();
    const made = left < this.#unsent;
    this.#unsent = left;
    return made;
  }

  /** While nothing more is written it falls whenever the kernel takes some, also within a write. */
  #left(): number {
    return this.#socket.writableLength + ((this.#socket as unknown as HandleOwner)._handle?.writeQueueSize ?? 0);
  }
}
