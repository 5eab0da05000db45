import { constants, createBrotliCompress, type BrotliCompress } from "node:zlib";

/** The encoder that `node:zlib` keeps: it works at once, which its streams do not offer. */
interface Encoder {
  writeSync(
    flush: number,
    input: Buffer,
    inAt: number,
    inLength: number,
    out: Buffer,
    outAt: number,
    room: number,
  ): void;
}

/** What `node:zlib` keeps of a stream; the state is what a write has left: room, then input. */
type Internals = BrotliCompress & { readonly _handle?: Encoder | null; readonly _writeState?: Uint32Array };

const OUT_BYTES = 16_384;
const EMPTY = Buffer.alloc(0);

export interface BrotliOptions {
  readonly comp_level: number;
  readonly mode: number;
  readonly lgwin: number;
  readonly lgblock: number;
}

/** A stream in the format of RFC 7932 that is made without waiting; what was written can be decoded at once. */
export class BrotliStream {
  readonly #stream: Internals;

  constructor({ comp_level: level, mode, lgwin, lgblock }: BrotliOptions) {
    this.#stream = createBrotliCompress({
      params: {
        [constants.BROTLI_PARAM_QUALITY]: level,
        [constants.BROTLI_PARAM_MODE]: mode,
        ...(lgwin > 0 && { [constants.BROTLI_PARAM_LGWIN]: lgwin }),
        ...(lgblock > 0 && { [constants.BROTLI_PARAM_LGBLOCK]: lgblock }),
      },
    });
  }

  write(piece: Buffer): Buffer {
    return piece.length === 0 ? EMPTY : this.#run(piece, constants.BROTLI_OPERATION_FLUSH);
  }

  /** What ends the stream, which is closed then. */
  end(): Buffer {
    const tail = this.#run(EMPTY, constants.BROTLI_OPERATION_FINISH);
    this.close();
    return tail;
  }

  /** Frees the encoder; more than once does no harm. */
  close(): void {
    this.#stream.close();
  }

  #run(input: Buffer, operation: number): Buffer {
    const { _handle: encoder, _writeState: state } = this.#stream;
    if (encoder === undefined || encoder === null || state === undefined) throw new Error("there is no encoder");
    const pieces: Buffer[] = [];
    let left = input.length;
    for (;;) {
      const out = Buffer.allocUnsafe(OUT_BYTES);
      encoder.writeSync(operation, input, input.length - left, left, out, 0, OUT_BYTES);
      const [room = 0, rest = 0] = state;
      left = rest;
      if (room < OUT_BYTES) pieces.push(out.subarray(0, OUT_BYTES - room));
      // A full buffer: there may be more.
      if (left === 0 && room > 0) return pieces.length === 1 ? (pieces[0] ?? EMPTY) : Buffer.concat(pieces);
    }
  }
}
