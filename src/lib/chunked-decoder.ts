import { fieldChar, isBlank, tokenChar } from "./http-grammar.ts";

/**
 * Reads the chunked coding (RFC 9112, section 7.1) strictly while its bytes pass: a
 * size is hexadecimal digits and nothing else, lines end with CRLF, extensions are
 * bounded and dropped, trailers are checked.
 */

const State = { size: 0, extension: 1, sizeLf: 2, data: 3, dataCr: 4, dataLf: 5, trailer: 6, trailerLf: 7 } as const;

/** Beyond this many digits a size is no exact number. */
const MAX_SIZE_DIGITS = 12;
/** Bytes of extensions in one chunk. */
const MAX_EXTENSION = 256;
/** Bytes of the trailer section. */
const MAX_TRAILERS = 8192;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const COLON = 0x3a;

/** Fields that frame, route or authenticate a message; never believed from a trailer (RFC 9110, 6.5.1). */
const notInTrailers = new Set([
  "age",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "forwarded",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "range",
  "retry-after",
  "server",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
  "x-credential-identifier",
  "x-real-ip",
]);

export class ChunkedDecoder {
  /** After `decode`: where the data of this piece lies in the buffer. */
  from = 0;
  to = 0;
  /** After `decode`: the first byte that does not belong to the body (the end of the piece unless `done`). */
  end = 0;
  /** The last chunk and the trailer section have been read. */
  done = false;
  /** What is wrong, after `decode` has answered false. */
  reason = "";
  /** Trailer fields that may be passed on, each line with its CRLF. */
  trailers = "";
  #state: number = State.size;
  #digits = 0;
  #left = 0;
  #extension = 0;
  #line = "";
  #trailerBytes = 0;

  /**
   * Takes the bytes `start … end` of the buffer. The data in them is moved together
   * (in place, if it came in several chunks) and lies at `from … to`. False: malformed.
   */
  decode(buffer: Buffer, start: number, end: number): boolean {
    this.from = this.to = start;
    let i = start;
    while (i < end) {
      if (this.#state === State.data) {
        i = this.#data(buffer, i, end);
        continue;
      }
      if (!this.#byte(buffer[i]!)) return false;
      i++;
      if (this.done) break;
    }
    this.end = i;
    return true;
  }

  #data(buffer: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#left);
    if (this.to === this.from) {
      this.from = at;
      this.to = stop;
    } else {
      buffer.copyWithin(this.to, at, stop);
      this.to += stop - at;
    }
    this.#left -= stop - at;
    if (this.#left === 0) this.#state = State.dataCr;
    return stop;
  }

  #byte(code: number): boolean {
    switch (this.#state) {
      case State.size:
        return this.#size(code);
      case State.extension:
        if (code === CR) this.#state = State.sizeLf;
        else if (fieldChar[code] !== 1 || code >= 0x80 || ++this.#extension > MAX_EXTENSION)
          return this.#bad("extension");
        return true;
      case State.sizeLf:
        if (code !== LF) return this.#bad("line end after a chunk size");
        this.#state = this.#left === 0 ? State.trailer : State.data;
        this.#digits = this.#extension = 0;
        return true;
      case State.dataCr:
        this.#state = State.dataLf;
        return code === CR || this.#bad("line end after chunk data");
      case State.dataLf:
        this.#state = State.size;
        return code === LF || this.#bad("line end after chunk data");
      case State.trailer:
        return this.#trailer(code);
      default:
        if (code !== LF) return this.#bad("line end in the trailer section");
        this.#state = State.trailer;
        return this.#trailerLine();
    }
  }

  #size(code: number): boolean {
    const digit = hexDigit(code);
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit;
      return ++this.#digits <= MAX_SIZE_DIGITS || this.#bad("chunk size");
    }
    if (this.#digits === 0) return this.#bad("chunk size");
    if (code === CR) this.#state = State.sizeLf;
    else if (code === SEMICOLON) this.#state = State.extension;
    else return this.#bad("chunk size");
    return true;
  }

  #trailer(code: number): boolean {
    if (++this.#trailerBytes > MAX_TRAILERS) return this.#bad("trailer section: too long");
    if (code === CR) this.#state = State.trailerLf;
    else if (fieldChar[code] !== 1) return this.#bad("trailer section");
    else this.#line += String.fromCharCode(code);
    return true;
  }

  #trailerLine(): boolean {
    const line = this.#line;
    this.#line = "";
    if (line === "") {
      this.done = true;
      return true;
    }
    let colon = 0;
    while (tokenChar[line.charCodeAt(colon)] === 1) colon++;
    if (colon === 0 || line.charCodeAt(colon) !== COLON) return this.#bad("trailer section");
    let from = colon + 1;
    let to = line.length;
    while (from < to && isBlank(line.charCodeAt(from))) from++;
    while (to > from && isBlank(line.charCodeAt(to - 1))) to--;
    const name = line.slice(0, colon);
    if (mayTrail(name.toLowerCase())) this.trailers += `${name}: ${line.slice(from, to)}\r\n`;
    return true;
  }

  #bad(what: string): false {
    this.reason = `invalid ${what}`;
    return false;
  }
}

function mayTrail(name: string): boolean {
  return !notInTrailers.has(name) && !name.startsWith("x-forwarded-") && !name.startsWith("x-consumer-");
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
