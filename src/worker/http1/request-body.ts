import { ChunkedDecoder } from "../../lib/chunked-decoder.ts";
import { CHUNKED, type RequestHead } from "./request-head.ts";

/** Follows the framing of a request's body while its bytes pass. */
export class RequestBody {
  /** After `read`: the data lies at `from … to` of the buffer. */
  from = 0;
  to = 0;
  /** After `read`: the first byte that does not belong to the body. */
  end = 0;
  done: boolean;
  /** Bytes of data so far. */
  received = 0;
  /** What is wrong, after `read` has answered false. */
  reason = "";
  #left: number;
  readonly #decoder: ChunkedDecoder | null;

  constructor(head: RequestHead) {
    this.#decoder = head.bodyLength === CHUNKED ? new ChunkedDecoder() : null;
    this.#left = head.bodyLength;
    this.done = head.bodyLength === 0;
  }

  /** Bytes that are still to come; `Infinity` where that is not known. */
  get remaining(): number {
    if (this.done) return 0;
    return this.#decoder === null ? this.#left : Infinity;
  }

  get trailers(): string {
    return this.#decoder === null ? "" : this.#decoder.trailers;
  }

  /** Takes the bytes `start … end`; false: malformed. */
  read(buffer: Buffer, start: number, end: number): boolean {
    const decoder = this.#decoder;
    if (decoder === null) {
      this.from = start;
      this.end = this.to = Math.min(end, start + this.#left);
      this.#left -= this.to - start;
      this.done = this.#left === 0;
    } else {
      if (!decoder.decode(buffer, start, end)) {
        this.reason = decoder.reason;
        return false;
      }
      this.from = decoder.from;
      this.to = decoder.to;
      this.end = decoder.end;
      this.done = decoder.done;
    }
    this.received += this.to - this.from;
    return true;
  }
}
