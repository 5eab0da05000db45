import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { ErrorCode } from "../../lib/errors.ts";
import { loadHttp2 } from "../../lib/lazy-http2.ts";
import type { Timed, TimerWheel } from "../../lib/timer-wheel.ts";
import type { ResponseText } from "../response-head.ts";
import { type FieldList, fieldsOf, responseText, trailerLines } from "./response-text.ts";

/** Who sent the request of a stream. Buffers that are handed over are its own. */
export interface StreamSink {
  /** The head of the answer; `complete`: that is all. False stops the flow until `resume`. */
  head(head: ResponseText, complete: boolean): boolean;
  /** More of the body, at its end with the trailers: lines with CRLF. */
  body(data: Buffer, complete: boolean, trailers: string): boolean;
  /** What was written has gone out, after `write` had answered false. */
  drained(): void;
  /** The answer ended early; nothing else follows. */
  failed(code: ErrorCode, detail: string): void;
}

/** What a stream needs of the session that it is on. */
export interface StreamOwner {
  /** The last stream that the node will have looked at, once it has said so; `Infinity` before. */
  readonly lastStreamId: number;
  /** What went wrong with the connection; `""`: nothing that is known of. */
  readonly error: string;
  /** The stream has ended: there is room for another one. */
  ended(): void;
}

/** Silence is measured as on other connections: milliseconds, 0 for no limit. */
export interface StreamTimes {
  readonly sendMs: number;
  readonly readMs: number;
}

const EMPTY = Buffer.alloc(0);
/** RFC 9113, section 7. */
const REFUSED_STREAM = 0x7;
const CANCEL = 0x8;
/** RFC 9113, section 6.2. */
const END_STREAM = 0x1;

/** One request on an HTTP/2 session, and its answer. */
export class UpstreamStream implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #stream: ClientHttp2Stream;
  readonly #owner: StreamOwner;
  readonly #times: StreamTimes;
  readonly #wheel: TimerWheel;
  #sink: StreamSink | null;
  #trailers = "";
  /** An answer of gRPC always has some. */
  #needsTrailers = false;
  #began = false;
  #paused = false;
  /** The whole request has been written: its answer is awaited. */
  #awaiting = false;
  #sending = false;
  #unsent = 0;
  #timedOut: "send" | "read" | "" = "";
  #error = "";

  constructor(stream: ClientHttp2Stream, sink: StreamSink, owner: StreamOwner, times: StreamTimes, wheel: TimerWheel) {
    this.#stream = stream;
    this.#sink = sink;
    this.#owner = owner;
    this.#times = times;
    this.#wheel = wheel;
    // The list of fields as they came is handed over by newer versions of Node.
    stream.on("response", (headers: IncomingHttpHeaders, flags: number, ...more: unknown[]) =>
      this.#head(headers, flags, more[0] as FieldList | undefined),
    );
    stream.on("data", (data: Buffer) => this.#data(data));
    stream.on("trailers", (headers: IncomingHttpHeaders, _: number, ...more: unknown[]) => {
      this.#trailers = trailerLines((more[0] as FieldList | undefined) ?? fieldsOf(headers));
    });
    stream.on("end", () => this.#end());
    stream.on("drain", () => this.#drained());
    stream.on("error", (error: Error) => {
      this.#error = error.message;
    });
    stream.on("close", () => this.#closed());
  }

  /** Sends a piece of the body, which belongs to the stream then; false: wait for `drained`. */
  write(piece: Buffer): boolean {
    if (this.#stream.destroyed || this.#stream.closed) return true;
    const flowing = this.#stream.write(piece);
    if (!flowing) this.#armSend();
    else if (this.#began) this.#armRead();
    return flowing;
  }

  /** The request is complete, with this piece of its body. */
  end(piece: Buffer): void {
    this.#awaiting = true;
    if (this.#stream.destroyed || this.#stream.closed) return;
    if (piece.length > 0) this.#stream.end(piece);
    else this.#stream.end();
    this.#armRead();
  }

  /** The request was complete with its head. */
  sent(): void {
    this.#awaiting = true;
    this.#armRead();
  }

  /** The sink can take more. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#armRead();
    this.#stream.resume();
  }

  /** Gives up: the node is told, the sink hears nothing more. */
  cancel(): void {
    this.#sink = null;
    this.#wheel.forget(this);
    if (this.#stream.destroyed) return;
    this.#stream.close(CANCEL);
    // What has been read and is not wanted any more would keep it from closing.
    this.#stream.destroy();
  }

  expired(): void {
    const unsent = this.#stream.writableLength;
    if (this.#sending && unsent < this.#unsent) {
      this.#armSend();
      return;
    }
    this.#timedOut = this.#sending ? "send" : "read";
    this.#stream.close(CANCEL);
    this.#stream.destroy();
  }

  #head(headers: IncomingHttpHeaders, flags: number, fields: FieldList | undefined): void {
    const sink = this.#sink;
    if (sink === null) return;
    this.#began = true;
    const head = responseText(Number(headers[":status"]), fields ?? fieldsOf(headers));
    if (typeof head === "string") {
      this.cancel();
      sink.failed("UPSTREAM_MALFORMED", head);
      return;
    }
    const complete = (flags & END_STREAM) !== 0;
    this.#needsTrailers = head.contentType?.startsWith("application/grpc") === true;
    if (complete) this.#finish();
    else this.#armRead();
    this.#flow(sink.head(head, complete));
  }

  #data(data: Buffer): void {
    if (this.#sink === null) return;
    this.#armRead();
    this.#flow(this.#sink.body(data, false, ""));
  }

  #flow(flowing: boolean): void {
    if (flowing || this.#sink === null) return;
    this.#paused = true;
    this.#stream.pause();
    this.#armRead();
  }

  /** The node has said its last byte; the trailers came before. */
  #end(): void {
    const sink = this.#sink;
    // A stream that is reset ends as well, for those who do not look at the reason.
    if (sink === null || !this.#began || this.#stream.aborted || this.#stream.rstCode !== 0) return;
    this.#finish();
    // Node does not tell a stream that ended from one that was reset without an error.
    if (this.#needsTrailers && this.#trailers === "")
      sink.failed("UPSTREAM_CLOSED", "the answer ended without trailers");
    else sink.body(EMPTY, true, this.#trailers);
  }

  /** The answer is complete: nobody needs the rest of the request (RFC 9113, section 8.1). */
  #finish(): void {
    this.#sink = null;
    this.#wheel.forget(this);
    if (!this.#stream.writableEnded) this.#stream.close(CANCEL);
  }

  #drained(): void {
    this.#sending = false;
    this.#armRead();
    this.#sink?.drained();
  }

  /** The time is for each time that the node takes some, not for the whole request. */
  #armSend(): void {
    this.#sending = true;
    this.#unsent = this.#stream.writableLength;
    this.#wheel.set(this, this.#times.sendMs);
  }

  /** A node need not answer before it has the whole request; once it answers it must not fall silent. */
  #armRead(): void {
    if (this.#sending) return;
    if ((this.#awaiting || this.#began) && !this.#paused) this.#wheel.set(this, this.#times.readMs);
    else this.#wheel.clear(this);
  }

  #closed(): void {
    const sink = this.#sink;
    this.#sink = null;
    this.#wheel.forget(this);
    const code = sink === null ? null : this.#failure();
    const detail = sink === null ? "" : this.#detail();
    this.#owner.ended();
    if (sink !== null && code !== null) sink.failed(code, detail);
  }

  #failure(): ErrorCode {
    if (this.#timedOut === "send") return "UPSTREAM_SEND_TIMEOUT";
    if (this.#timedOut === "read") return "UPSTREAM_READ_TIMEOUT";
    const { id, rstCode } = this.#stream;
    // RFC 9113, section 8.7: the node has not looked at it.
    const unseen = id === undefined || id > this.#owner.lastStreamId;
    return unseen || rstCode === REFUSED_STREAM ? "UPSTREAM_REFUSED" : "UPSTREAM_CLOSED";
  }

  #detail(): string {
    if (this.#timedOut !== "") return `no progress in ${this.#timedOut}ing`;
    const { rstCode } = this.#stream;
    if (this.#owner.error !== "") return this.#owner.error;
    if (rstCode === undefined || rstCode === 0) return this.#error === "" ? "connection closed" : this.#error;
    return `stream reset by the node: ${errorName(rstCode)}`;
  }
}

/** `NGHTTP2_CANCEL` as RFC 9113 has it: `CANCEL`. */
function errorName(code: number): string {
  const { constants } = loadHttp2();
  const found = Object.entries(constants).find(
    ([name, value]) =>
      value === code &&
      /^NGHTTP2_(?:[A-Z]+_ERROR|REFUSED_STREAM|CANCEL|STREAM_CLOSED|ENHANCE|INADEQ|HTTP_1|SETTINGS_TIMEOUT)/.test(name),
  );
  return found === undefined ? String(code) : found[0].slice("NGHTTP2_".length);
}
