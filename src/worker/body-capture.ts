/** The beginning of a body, copied as it passes. */
export class BodyCapture {
  #limit = 0;
  #length = 0;
  readonly #pieces: Buffer[] = [];

  /** Several may ask: the greatest limit counts. */
  upTo(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
  }

  add(buffer: Buffer, from: number, to: number): void {
    const length = Math.min(to - from, this.#limit - this.#length);
    if (length <= 0) return;
    // The buffer is used again for what comes next.
    this.#pieces.push(Buffer.from(buffer.subarray(from, from + length)));
    this.#length += length;
  }

  /** What was kept, in one piece; `null`: nothing passed. */
  get bytes(): Buffer | null {
    return this.#length === 0 ? null : Buffer.concat(this.#pieces, this.#length);
  }
}
