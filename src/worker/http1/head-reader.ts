import { latin1 } from "../../lib/latin1.ts";
import {
  faultIn,
  type HeadLimits,
  isRefusal,
  parseRequestHead,
  type Refusal,
  type RequestHead,
} from "./request-head.ts";

/**
 * Finds the end of a request head in what arrives. A head that comes in one piece, as
 * nearly all do, is not copied; the pieces of others are gathered and searched once.
 * A head that is the same as the one before, as pollers and benchmarks send them, is
 * not parsed again.
 */

const CR = 0x0d;
const LF = 0x0a;
const HEAD_END = Buffer.from("\r\n\r\n");
const FIRST_CAPACITY = 1_024;
/** A text of more bytes than this is not kept with an idle connection. */
const MAX_REMEMBERED = 2_048;

export class HeadReader {
  /** `performance.now()` at the first byte. */
  startedTicks = 0;
  /** After a head: where the bytes that follow it begin in the buffer last read. */
  restAt = 0;
  readonly #limits: HeadLimits;
  /** The head before this one, if it was accepted. */
  #last: RequestHead | null = null;
  /** Pieces so far, in a buffer that grows. */
  #gathered: Buffer | null = null;
  #length = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /**
   * Takes the first `count` bytes of a buffer, which is not kept; `null`: the head has not
   * ended yet.
   */
  read(buffer: Buffer, count: number): RequestHead | Refusal | null {
    if (this.#gathered !== null) return this.#readOn(buffer.subarray(0, count));
    this.startedTicks = performance.now();
    // RFC 9112, section 2.2: an empty line before a request is ignored.
    const start = count >= 2 && buffer[0] === CR && buffer[1] === LF ? 2 : 0;
    const window = Math.min(count, start + this.#limits.maxHead + HEAD_END.length);
    const text = latin1(buffer, start, window);
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return this.#gather(buffer.subarray(0, count));
    this.restAt = start + end + HEAD_END.length;
    const last = this.#last;
    if (last !== null && last.text.length === end + 2 && text.startsWith(last.text)) return last;
    const result = parseRequestHead({ bytes: buffer, base: start, text, length: end + 2 }, this.#limits);
    this.#last = isRefusal(result) || text.length > MAX_REMEMBERED ? null : result;
    return result;
  }

  #gather(piece: Buffer): Refusal | null {
    this.#gathered = Buffer.allocUnsafe(Math.max(FIRST_CAPACITY, piece.length));
    this.#length = piece.copy(this.#gathered);
    return this.#judge(0);
  }

  #readOn(piece: Buffer): RequestHead | Refusal | null {
    const before = this.#length;
    this.#append(piece);
    const gathered = this.#gathered!;
    const start = this.#skipped();
    const end = gathered.subarray(0, this.#length).indexOf(HEAD_END, Math.max(start, before - 3));
    if (end < 0) return this.#judge(before);
    const text = latin1(gathered, start, end + 2);
    this.restAt = end + HEAD_END.length - before;
    this.#gathered = null;
    this.#length = 0;
    return parseRequestHead({ bytes: gathered, base: start, text, length: text.length }, this.#limits);
  }

  #append(piece: Buffer): void {
    const needed = this.#length + piece.length;
    if (needed > this.#gathered!.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#gathered!.length * 2));
      this.#gathered!.copy(larger, 0, 0, this.#length);
      this.#gathered = larger;
    }
    piece.copy(this.#gathered!, this.#length);
    this.#length = needed;
  }

  #skipped(): number {
    const gathered = this.#gathered!;
    return this.#length >= 2 && gathered[0] === CR && gathered[1] === LF ? 2 : 0;
  }

  /** A head without an end so far: too long, or with a bare LF, it will never have one. */
  #judge(from: number): Refusal | null {
    const gathered = this.#gathered!;
    const start = this.#skipped();
    const size = this.#length - start;
    const firstLine = gathered.subarray(start, this.#length).indexOf(LF);
    const tooLong = size > this.#limits.maxHead || (firstLine < 0 && size > this.#limits.maxRequestLine);
    if (!tooLong && !this.#bareLf(Math.max(start, from))) return null;
    const bytes = gathered.subarray(start, this.#length);
    const fault = faultIn({ bytes, base: 0, text: latin1(bytes, 0, size), length: size }, this.#limits);
    return fault ?? { code: "DOWNSTREAM_HEAD_TOO_LARGE", detail: "header section too large" };
  }

  #bareLf(from: number): boolean {
    const gathered = this.#gathered!;
    for (let at = from; at < this.#length; at++) {
      if (gathered[at] === LF && (at === 0 || gathered[at - 1] !== CR)) return true;
    }
    return false;
  }
}
