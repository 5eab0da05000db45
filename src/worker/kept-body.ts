const NOTHING = Buffer.alloc(0);

/** So much is set aside at least when pieces are put together. */
const FIRST_CAPACITY = 1_024;

/**
 * The body of a request so far, kept to be sent again. Pieces are put together: a client that
 * sends single bytes must not cost an object for each.
 */
export class KeptBody {
  length = 0;
  #buffer: Buffer = NOTHING;

  /** Adds a piece; true: its buffer is kept, false: it was copied. */
  add(piece: Buffer): boolean {
    if (piece.length === 0) return false;
    const before = this.length;
    this.length += piece.length;
    // Nearly all bodies this short come in one piece.
    if (before === 0) {
      this.#buffer = piece;
      return true;
    }
    if (this.length > this.#buffer.length) this.#grow(before);
    piece.copy(this.#buffer, before);
    return false;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  #grow(used: number): void {
    const larger = Buffer.allocUnsafe(Math.max(FIRST_CAPACITY, this.length * 2));
    this.#buffer.copy(larger, 0, 0, used);
    this.#buffer = larger;
  }
}
