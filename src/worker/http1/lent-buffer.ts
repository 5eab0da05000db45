import { borrowBuffer, returnBuffer } from "../../upstream/read-buffers.ts";

/** Pieces of at least so many bytes are copied into a buffer that is used again. */
const LEND_FROM = 16_384;

/**
 * The copy of a long piece of a body on its way upstream. Copies that are left to the
 * collector pile up faster than it runs: an upload took 50 MB of them.
 */
export class LentBuffer {
  #buffer: Buffer | null = null;

  /**
   * Copies the first `count` bytes of a buffer. `lend`: they go to `handedOver` at once. While
   * one copy is lent others are the collector's.
   */
  copyOf(buffer: Buffer, count: number, lend: boolean): Buffer {
    if (!lend || count < LEND_FROM || this.#buffer !== null) return Buffer.from(buffer.subarray(0, count));
    this.#buffer = borrowBuffer();
    buffer.copy(this.#buffer, 0, 0, count);
    return this.#buffer.subarray(0, count);
  }

  /** The copy has been handed over. `kept`: for good; `paused`: it comes back when the body is resumed. */
  handedOver(kept: boolean, paused: boolean): void {
    if (kept) this.leave();
    else if (!paused) this.takeBack();
  }

  /** Nothing refers to the copy any more. */
  takeBack(): void {
    if (this.#buffer !== null) returnBuffer(this.#buffer);
    this.#buffer = null;
  }

  /** Somebody may refer to the copy for who knows how long. */
  leave(): void {
    this.#buffer = null;
  }
}
