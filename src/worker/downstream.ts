import type { ErrorCode } from "../lib/errors.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { Answer } from "./answer.ts";

/**
 * Where a request came from and where its answer goes. HTTP/1.1 implements it on raw
 * sockets; matching, phases, balancing and upstreams know nothing else of the client.
 */
export interface Downstream {
  /** Lets the body of the request flow; what is there already arrives before this returns. */
  startBody(): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Passes on an interim response (1xx). */
  interim(head: ResponseText): void;
  /**
   * Sends the head of the answer with the first part of its body, `from … to` of
   * `buffer`; `complete`: that is all. False: wait for `drained`.
   * @param extra further header lines with CRLF.
   * @param source who owns the buffer; `null`: nobody writes to it again.
   */
  head(
    answer: Answer,
    extra: string,
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    source: BufferOwner | null,
  ): boolean;
  /** Sends more of the body. `trailers`: lines with CRLF, with the last piece. */
  body(
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean;
  /** Bytes sent for this request so far. */
  readonly bytesSent: number;
  /** The answer cannot be completed: the client must notice. */
  abort(): void;
  /** The exchange has ended: nothing more is sent or read for it. */
  finished(): void;
}

/** Owner of a buffer that is read into again and again. */
export interface BufferOwner {
  /** What the buffer holds is valid only for the present call. */
  readonly sharesBuffer: boolean;
  /**
   * Gives the buffer away, which is not shared, because it is still being written out: the
   * owner reads into another one. It goes back with `returnBuffer` when it has gone out.
   */
  giveBuffer(): Buffer;
}

/** What the downstream tells of the request under way. */
export interface DownstreamSink {
  /**
   * A piece of the request's body, decoded. True: the buffer is kept; false: it is free, though
   * not before the body is resumed if it was paused during the call.
   */
  requestBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean;
  /** The body broke off, is malformed or too large: the request cannot be completed. */
  requestFailed(code: ErrorCode, detail: string): void;
  /** The client takes more, after `head` or `body` had answered false. */
  drained(): void;
  /** The client has gone. */
  cancelled(): void;
}
