import { constants, crc32, deflateRawSync } from "node:zlib";

/**
 * A stream in the format of RFC 1952 that is made without waiting: every piece is
 * deflated as blocks of its own that end at a byte, with the end of the piece before it
 * as the dictionary, which is what a decoder has in its window there.
 */

/** Identification, method deflate, no flags, no time, Unix (RFC 1952 section 2.3). */
const HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** An empty last block (RFC 1951 section 3.2.6). */
const LAST_BLOCK = Buffer.from([3, 0]);
const WINDOW = 32_768;
const EMPTY = Buffer.alloc(0);

export class GzipStream {
  readonly #level: number;
  #crc = 0;
  #length = 0;
  #window: Buffer = EMPTY;

  /** @param level 1 (fast) to 9 (small). */
  constructor(level: number) {
    this.#level = level;
  }

  /** Compresses a piece, which must not change afterwards; everything of it can be decoded at once. */
  write(piece: Buffer): Buffer {
    if (piece.length === 0) return EMPTY;
    const options = { level: this.#level, finishFlush: constants.Z_SYNC_FLUSH };
    const window = this.#window;
    const blocks = deflateRawSync(piece, window.length === 0 ? options : { ...options, dictionary: window });
    const first = this.#length === 0;
    this.#crc = crc32(piece, this.#crc);
    this.#length += piece.length;
    this.#window = piece.subarray(-WINDOW);
    return first ? Buffer.concat([HEAD, blocks]) : blocks;
  }

  /** What ends the stream. */
  end(): Buffer {
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(this.#crc, 0);
    tail.writeUInt32LE(this.#length % 2 ** 32, 4);
    return Buffer.concat([this.#length === 0 ? HEAD : EMPTY, LAST_BLOCK, tail]);
  }
}
