import { connect as connectTcp, type Socket } from "node:net";
import { ChunkedDecoder } from "../lib/chunked-decoder.ts";
import type { ErrorCode } from "../lib/errors.ts";
import { latin1 } from "../lib/latin1.ts";
import type { Timed, TimerWheel } from "../lib/timer-wheel.ts";
import { WriteProgress } from "../lib/write-progress.ts";
import { writeTogether } from "../lib/write-together.ts";
import { connectSecurely, type NodeTls } from "./node-tls.ts";
import { headBuffer, ReadBuffer } from "./read-buffers.ts";
import { BodyEnd, bodyLengthOf, couldBeHead, parseResponseHead, type ResponseText } from "./response-head.ts";
import type { UpstreamNode } from "./upstream.ts";
import { surviveWriteErrors } from "./write-errors.ts";

/**
 * One HTTP/1.1 connection to a node. It reads responses strictly, straight from the
 * socket's buffer, and hands them piece by piece to whoever sent the request.
 *
 *   idle ──send──▶ head ──▶ body ──▶ idle (given back to its pool)
 *                   │         └─▶ closed (close-delimited, or more bytes than announced)
 *                   └──101──▶ tunnel ──▶ closed
 */

/** Who sent the request. Buffers belong to the connection: see `ReadBuffer`. */
export interface ResponseSink {
  /** A fresh connection is open. */
  connected(): void;
  /** A 1xx response other than 101. */
  interim(head: ResponseText): void;
  /**
   * The head with the first part of the body, `from … to` of `buffer`. `complete`: that is
   * all. False stops the flow until `resume`. After a complete response the connection is
   * no longer the sink's.
   */
  head(head: ResponseText, buffer: Buffer, from: number, to: number, complete: boolean): boolean;
  /** More of the body. `trailers`: lines with CRLF, at the end of a chunked body. */
  body(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean;
  /** What was written has gone out, after `write` had answered false. */
  drained(): void;
  /** The response ended early; nothing else follows. */
  failed(code: ErrorCode, detail: string): void;
}

/** What a connection needs of its pool. */
export interface ConnectionOwner {
  /** Bytes of a response head beyond which it is refused. */
  readonly maxHead: number;
  /** A connection that was being opened is open. */
  opened(): void;
  /** The response was complete and the connection may be used again. */
  release(connection: UpstreamConnection): void;
  /** The connection is gone; where it is not `open` it never was. */
  closed(connection: UpstreamConnection): void;
}

const State = { idle: 0, head: 1, body: 2, tunnel: 3, closed: 4 } as const;

/** A body of which more than this is to come is read into a buffer of the connection's own. */
const OWN_BUFFER_FROM = 4096;
/** The same for a body or tunnel of unknown length after a read of this many bytes: most that last are idle. */
const LONG_READ = 16_384;
/** Silence after which TCP asks whether the node is still there. */
const KEEPALIVE_PROBE_MS = 15_000;
/** Interim responses that one request may be given. */
const MAX_INTERIM = 16;

export class UpstreamConnection implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly socket: Socket;
  /** What responses are read into. */
  readonly buffer = new ReadBuffer();
  /** Requests sent so far, the present one included. */
  requests = 0;
  /** Whether the connection has been opened. */
  open = false;
  #state: number = State.idle;
  #sink: ResponseSink | null = null;
  readonly #owner: ConnectionOwner;
  readonly #wheel: TimerWheel;
  readonly #progress: WriteProgress;
  #received = false;
  /** The beginning of a head that has not ended yet. */
  #headPart: Buffer | null = null;
  #lastHead: ResponseText | null = null;
  #toHead = false;
  #upgrading = false;
  #interims = 0;
  /** Bytes of the body still to come, or how it ends. */
  #left = 0;
  #decoder: ChunkedDecoder | null = null;
  #keepAlive = false;
  #paused = false;
  #timedOut: "connect" | "send" | "read" | "" = "";
  #readTimeoutMs = 0;
  #sendTimeoutMs = 0;
  #sending = false;
  /** The whole request has been written: its answer is awaited. */
  #awaiting = false;
  /** Something of the present request has been written. */
  #wrote = false;
  #survives = false;
  /** The node takes no more; what it said before may still be there to read. */
  #writeFailed = false;
  #error = "";

  /** @param tlsName the name asked for in TLS; `tls` is `null` for plain TCP. */
  constructor(node: UpstreamNode, tls: NodeTls | null, tlsName: string, owner: ConnectionOwner, wheel: TimerWheel) {
    this.#owner = owner;
    this.#wheel = wheel;
    const options = {
      host: node.host,
      port: node.port,
      lookup: node.lookup,
      noDelay: true,
      // A node that vanished without a word is found out while its connections are idle.
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
      onread: { buffer: headBuffer, callback: (count: number) => this.#read(count) },
    };
    const socket = tls === null ? connectTcp(options) : connectSecurely(tls, tlsName, node.address, options);
    this.socket = socket;
    this.#progress = new WriteProgress(socket);
    socket.on(tls === null ? "connect" : "secureConnect", () => this.#connected());
    socket.on("error", (error: Error) => {
      this.#error = error.message;
    });
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#gone());
    socket.on("drain", () => this.#drained());
  }

  /** Whether it waits for a request and the node has not closed it. */
  get usable(): boolean {
    return this.#state === State.idle && this.socket.readable && this.socket.writable;
  }

  /** Whether the present request is not the first. */
  get reused(): boolean {
    return this.requests > 1;
  }

  /**
   * Begins a request. Times are milliseconds, 0 for none; `connectMs` counts only while
   * the connection is not open yet.
   */
  begin(
    sink: ResponseSink,
    toHead: boolean,
    upgrading: boolean,
    connectMs: number,
    sendMs: number,
    readMs: number,
  ): void {
    this.#sink = sink;
    this.#state = State.head;
    this.#toHead = toHead;
    this.#upgrading = upgrading;
    this.#received = false;
    this.#interims = 0;
    this.#readTimeoutMs = readMs;
    this.#sendTimeoutMs = sendMs;
    this.#awaiting = false;
    this.#wrote = false;
    this.requests++;
    this.#wheel.set(this, this.open ? sendMs : connectMs);
  }

  /** The whole request has been written. */
  sent(): void {
    this.#awaiting = true;
    if (this.open && !this.#sending) this.#armRead();
  }

  /** Sends bytes of the request; false: wait for `drained` before sending more. */
  write(data: string | Uint8Array): boolean {
    if (this.#writeFailed) return true;
    if (this.#wrote && !this.#survives) this.#survive();
    this.#wrote = true;
    // A long piece has the client wait a turn even where the kernel took it at once: uploads
    // are copied as they come, and the collector has to keep up with the copies.
    const flowing = typeof data === "string" ? writeTogether(this.socket, data) : this.socket.write(data);
    if (!flowing) {
      this.#sending = true;
      if (this.open) this.#armSend();
    } else if (this.#state === State.tunnel) this.#armRead();
    else if (this.open && this.#state === State.head) this.#wheel.clear(this);
    return flowing;
  }

  /** A body may be refused before its end: only then is it worth to read on. */
  #survive(): void {
    this.#survives = true;
    surviveWriteErrors(this.socket, () => {
      this.#writeFailed = true;
      this.sent();
    });
  }

  /** Ends our half of a tunnel. */
  endTunnel(): void {
    this.socket.end();
  }

  /** The sink can take more. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#chooseBuffer(LONG_READ);
    this.#armRead();
    this.socket.resume();
  }

  /** Gives up: the sink hears nothing more. */
  destroy(): void {
    this.#sink = null;
    this.#state = State.closed;
    this.socket.destroy();
  }

  /** Waits in the pool for at most `ms`. */
  rest(ms: number): void {
    this.#wheel.set(this, ms);
  }

  expired(): void {
    if (this.#state === State.idle || this.#state === State.closed) {
      this.destroy();
      return;
    }
    if (this.open && this.#sending && this.#progress.made()) {
      this.#armSend();
      return;
    }
    this.#timedOut = !this.open ? "connect" : this.#sending ? "send" : "read";
    this.socket.destroy();
  }

  #connected(): void {
    this.open = true;
    if (this.#sending) this.#armSend();
    else this.#armRead();
    this.#sink?.connected();
    this.#owner.opened();
  }

  #drained(): void {
    this.#sending = false;
    this.#armRead();
    this.#sink?.drained();
  }

  /** The time is for each time that the node takes some, not for the whole request. */
  #armSend(): void {
    this.#progress.mark();
    this.#wheel.set(this, this.#sendTimeoutMs);
  }

  /**
   * The node need not answer before it has the whole request, which the client may take its
   * time for, nor while its answer is not read. Bytes of a tunnel count in either direction.
   */
  #armRead(): void {
    if (this.#awaiting && !this.#paused) this.#wheel.set(this, this.#readTimeoutMs);
    else this.#wheel.clear(this);
  }

  /** Prepares the next read; how long it will be the last one (`count` bytes) tells where nothing else does. */
  #chooseBuffer(count: number): void {
    const reading = (this.#state === State.tunnel || this.#state === State.body) && !this.#paused;
    const long = this.#left > OWN_BUFFER_FROM || (this.#left <= 0 && count >= LONG_READ);
    this.buffer.choose(reading && long, this.socket);
  }

  /** Bytes have come; false stops reading. */
  #read(count: number): boolean {
    const buffer = this.buffer.bytes;
    this.#received = true;
    let flowing = true;
    if (this.#state === State.head) flowing = this.#readHead(buffer, count);
    else if (this.#state === State.body) flowing = this.#readBody(buffer, 0, count);
    else if (this.#state === State.tunnel) flowing = this.#sink!.body(buffer, 0, count, false, "");
    // An answer that nobody asked for: the connection cannot be trusted any more.
    else this.destroy();
    this.#paused = !flowing;
    if (this.#paused) this.#wheel.clear(this);
    else if (this.#state === State.body || this.#state === State.tunnel) this.#armRead();
    this.#chooseBuffer(count);
    return flowing;
  }

  #readHead(given: Buffer, givenCount: number): boolean {
    let buffer = given;
    let count = givenCount;
    let at = 0;
    if (this.#headPart !== null) {
      // The rare case: a head in pieces. They are put together and read as one.
      buffer = Buffer.concat([this.#headPart, given.subarray(0, givenCount)]);
      count = buffer.length;
      this.#headPart = null;
    }
    for (;;) {
      const { maxHead } = this.#owner;
      const text = latin1(buffer, at, Math.min(count, at + maxHead));
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) {
        if (text.length >= maxHead) this.#malformed("response head too large");
        else if (!couldBeHead(text)) this.#malformed("invalid response head");
        else this.#headPart = Buffer.from(buffer.subarray(at, count));
        return true;
      }
      const head = this.#parse(buffer, at, text, end + 2);
      if (head === null) return true;
      at += end + 4;
      if (head.status >= 200 || head.status === 101) return this.#startBody(head, buffer, at, count);
      if (++this.#interims > MAX_INTERIM) {
        this.#malformed("too many interim responses");
        return true;
      }
      this.#sink!.interim(head);
      if (at === count || this.#state !== State.head) return true;
    }
  }

  /** A head that is the same as the one before is not parsed again; `null`: malformed. */
  #parse(buffer: Buffer, at: number, text: string, length: number): ResponseText | null {
    const last = this.#lastHead;
    if (last !== null && last.text.length === length && text.startsWith(last.text)) return last;
    const head = parseResponseHead(buffer, at, text, length);
    if (typeof head === "string") {
      this.#malformed(head);
      return null;
    }
    this.#lastHead = head;
    return head;
  }

  #startBody(head: ResponseText, buffer: Buffer, at: number, count: number): boolean {
    const sink = this.#sink!;
    if (head.status === 101) {
      if (!this.#upgrading || head.upgrade === null || !head.upgradeNamed) {
        this.#malformed("an upgrade that was not asked for");
        return true;
      }
      this.#state = State.tunnel;
      this.#left = 0;
      return sink.head(head, buffer, at, count, false);
    }
    this.#keepAlive = head.keepAlive;
    this.#left = bodyLengthOf(head, this.#toHead);
    this.#state = State.body;
    if (this.#left === BodyEnd.chunked) {
      this.#decoder = new ChunkedDecoder();
      if (!this.#decoder.decode(buffer, at, count)) {
        this.#malformed(this.#decoder.reason);
        return true;
      }
      const { from, to, end, done, trailers } = this.#decoder;
      if (done) this.#finish(count > end);
      const lastPiece = done && trailers === "";
      const flowing = sink.head(head, buffer, from, to, lastPiece);
      if (done && !lastPiece) sink.body(buffer, to, to, true, trailers);
      return done || flowing;
    }
    if (this.#left === BodyEnd.close) return sink.head(head, buffer, at, count, false);
    const end = Math.min(count, at + this.#left);
    this.#left -= end - at;
    const complete = this.#left === 0;
    if (complete) this.#finish(count > end);
    return sink.head(head, buffer, at, end, complete) || complete;
  }

  #readBody(buffer: Buffer, start: number, count: number): boolean {
    const sink = this.#sink!;
    if (this.#left === BodyEnd.close) return sink.body(buffer, start, count, false, "");
    const decoder = this.#decoder;
    if (decoder !== null) {
      if (!decoder.decode(buffer, start, count)) {
        this.#malformed(decoder.reason);
        return true;
      }
      const { from, to, end, done, trailers } = decoder;
      if (done) this.#finish(count > end);
      return (to === from && !done) || sink.body(buffer, from, to, done, trailers) || done;
    }
    const end = Math.min(count, start + this.#left);
    this.#left -= end - start;
    const complete = this.#left === 0;
    if (complete) this.#finish(count > end);
    return sink.body(buffer, start, end, complete, "") || complete;
  }

  /** The response is complete. `more`: bytes follow that belong to no response. */
  #finish(more: boolean): void {
    const reusable =
      this.#keepAlive && this.#awaiting && !this.#writeFailed && !more && this.socket.writableLength === 0;
    this.#sink = null;
    this.#decoder = null;
    this.#wheel.clear(this);
    if (!reusable) {
      this.destroy();
      return;
    }
    this.#state = State.idle;
    this.#owner.release(this);
  }

  #malformed(detail: string): void {
    const sink = this.#sink;
    this.destroy();
    sink?.failed("UPSTREAM_MALFORMED", detail);
  }

  /** The node has said its last byte. */
  #ended(): void {
    if (this.#state === State.tunnel || (this.#state === State.body && this.#left === BodyEnd.close)) {
      const sink = this.#sink;
      this.destroy();
      sink?.body(headBuffer, 0, 0, true, "");
    } else this.socket.destroy();
  }

  #gone(): void {
    this.buffer.letGo();
    this.#wheel.forget(this);
    const sink = this.#sink;
    this.#state = State.closed;
    this.#sink = null;
    this.#owner.closed(this);
    sink?.failed(this.#failure(), this.#error === "" ? "connection closed" : this.#error);
  }

  #failure(): ErrorCode {
    if (this.#timedOut === "connect") return "UPSTREAM_CONNECT_TIMEOUT";
    if (!this.open) return "UPSTREAM_CONNECT";
    if (this.#timedOut === "send") return "UPSTREAM_SEND_TIMEOUT";
    if (this.#timedOut === "read") return "UPSTREAM_READ_TIMEOUT";
    return this.reused && !this.#received ? "UPSTREAM_CLOSED_REUSED" : "UPSTREAM_CLOSED";
  }
}
