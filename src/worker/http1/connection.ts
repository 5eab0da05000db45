import type { Socket } from "node:net";
import type { ErrorCode } from "../../lib/errors.ts";
import type { Timed } from "../../lib/timer-wheel.ts";
import { WriteProgress } from "../../lib/write-progress.ts";
import { destroyAfterWrites } from "../../lib/write-together.ts";
import type { ResponseText } from "../../upstream/response-head.ts";
import type { Answer } from "../answer.ts";
import { type BytesHandler, readAccepted } from "../accepted-socket.ts";
import type { BufferOwner, Downstream } from "../downstream.ts";
import type { Environment } from "../environment.ts";
import type { Peer } from "../peer.ts";
import { Exchange } from "../pipeline.ts";
import { HttpRequestContext } from "../request-context.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { unlessHttp2 } from "../http2/preface.ts";
import { State } from "./connection-state.ts";
import { HeadReader } from "./head-reader.ts";
import { DRAIN_GRACE_MS, HALF_CLOSED_GRACE_MS, LINGER_MS, MAX_DISCARD, MAX_WAITING } from "./limits.ts";
import { LentBuffer } from "./lent-buffer.ts";
import { RequestBody } from "./request-body.ts";
import { isRefusal, RequestHead } from "./request-head.ts";

/**
 * One HTTP/1.x connection of a client: requests are read one after the other, answered in
 * order, and the next one waits until its predecessor is done.
 *
 *   idle ──bytes──▶ head ──▶ exchange ──▶ idle │ discarding (rest of a body) ──▶ idle
 *                    │          ├──▶ flushing (the client has yet to take its answer) ──▶ idle
 *                    │          ├──101──▶ tunnel ──▶ closed
 *                    └──refused─┴──▶ lingering (answer goes out, the rest is dropped) ──▶ closed
 */

const NOTHING = Buffer.alloc(0);

type ConnectionHandler = (connection: Http1Connection) => void;
type OtherHandler = (socket: Socket, connection: Http1Connection) => void;

export class Http1Connection implements Downstream, Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #env: Environment;
  readonly #socket: Socket;
  readonly #writer: AnswerWriter;
  readonly #progress: WriteProgress;
  readonly #peer: Peer;
  readonly #closed: ConnectionHandler;
  #state: number = State.idle;
  #headReader: HeadReader | null = null;
  #exchange: Exchange | null = null;
  #body: RequestBody | null = null;
  /** The client waits for `100 Continue` before it sends the body. */
  #continueOwed = false;
  #bodyFlows = false;
  /** Bytes that came while they could not be used. */
  #waiting: Buffer = NOTHING;
  readonly #lent = new LentBuffer();
  #paused = false;
  #processing = false;
  #requests = 0;
  #keepAlive = true;
  #clientEnded = false;
  #idleSince = 0;

  /**
   * @param accepted a paused socket; the connection owns it from now on.
   * @param other is given the socket where the client begins with HTTP/2; `null`: it may not.
   */
  constructor(env: Environment, accepted: Socket, peer: Peer, closed: ConnectionHandler, other: OtherHandler | null) {
    const read: BytesHandler = (buffer, count) => this.#data(buffer, count);
    const either = other === null ? read : unlessHttp2(read, (bytes) => other(this.#leave(bytes), this));
    const socket = readAccepted(accepted, either);
    this.#env = env;
    this.#socket = socket;
    this.#writer = new AnswerWriter(socket, env.contentTypes);
    this.#progress = new WriteProgress(socket);
    this.#peer = peer;
    this.#closed = closed;
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#ended());
    socket.on("finish", () => this.#flushed());
    // What went wrong with the client's connection is told by `close`.
    socket.on("error", () => {});
    socket.on("close", () => this.#gone());
    this.#idleSince = env.wheel.now;
    env.wheel.set(this, env.settings.http.clientHeaderTimeoutMs);
  }

  // ---- what the server asks for

  /** What it does at the moment, in the words of nginx: a tunnel is being written to. */
  get activity(): "reading" | "writing" | "waiting" {
    return this.#state === State.head ? "reading" : this.#state === State.idle ? "waiting" : "writing";
  }

  /** Keeps nothing beyond what is in flight; a connection that is idle may still ask within a grace. */
  drain(): void {
    if (this.#state !== State.idle) return;
    this.#env.wheel.set(this, Math.max(1, this.#idleSince + DRAIN_GRACE_MS - this.#env.wheel.now));
  }

  /** Ends the connection at once; what was written before goes out. */
  destroy(): void {
    destroyAfterWrites(this.#socket);
  }

  /** Refuses the connection: there are too many. */
  turnAway(): void {
    this.#refuse("UPSTREAM_NO_NODE", "worker_connections are not enough");
  }

  /** Lets go of the socket, with the bytes that were read put back: another protocol's connection begins. */
  #leave(bytes: Buffer): Socket {
    this.#env.wheel.forget(this);
    this.#state = State.closed;
    this.#socket.pause().removeAllListeners();
    this.#socket.unshift(bytes);
    return this.#socket;
  }

  // ---- bytes in

  /** Bytes have come. The buffer is shared: whatever is kept of it is copied. */
  #data(buffer: Buffer, count: number): void {
    if (this.#waiting.length === 0 && (this.#state === State.idle || this.#state === State.head)) {
      this.#processing = true;
      this.#readHead(buffer, count, true);
      this.#processing = false;
    } else if (this.#state !== State.lingering && this.#state !== State.closed)
      this.#take(this.#lent.copyOf(buffer, count, this.#bodyFlows && this.#body !== null));
    this.#process();
  }

  #take(chunk: Buffer): void {
    if (this.#state === State.tunnel) this.#exchange!.requestBody(chunk, 0, chunk.length, false, "");
    else if (this.#body !== null && this.#bodyFlows) this.#readBody(chunk);
    else {
      this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
      if (this.#waiting.length >= MAX_WAITING) this.#pause();
    }
  }

  /** Reads heads from what waits, as long as no request is under way. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (this.#waiting.length > 0 && (this.#state === State.idle || this.#state === State.head)) {
      const bytes = this.#waiting;
      this.#waiting = NOTHING;
      this.#readHead(bytes, bytes.length, false);
    }
    this.#processing = false;
    if (this.#state !== State.idle && this.#state !== State.head) return;
    this.#unpause();
    // The rest of this head will not come.
    if (this.#clientEnded) this.#ended();
  }

  /** @param borrowed the buffer is overwritten after this call. */
  #readHead(buffer: Buffer, count: number, borrowed: boolean): void {
    const { http } = this.#env.settings;
    const reader = (this.#headReader ??= new HeadReader(http));
    const result = reader.read(buffer, count);
    if (result === null) {
      if (this.#state === State.idle) this.#env.wheel.set(this, http.clientHeaderTimeoutMs);
      this.#state = State.head;
      return;
    }
    if (isRefusal(result)) return this.#refuse(result.code, result.detail);
    const rest = reader.restAt;
    if (rest < count)
      this.#waiting = borrowed ? Buffer.from(buffer.subarray(rest, count)) : buffer.subarray(rest, count);
    this.#begin(result, reader.startedTicks);
  }

  #begin(head: RequestHead, startedTicks: number): void {
    const env = this.#env;
    const path = env.adjustPath === null ? head.path : env.adjustPath(head.path);
    this.#requests++;
    this.#writer.begin(head.minor, head.method === "HEAD");
    const { keepaliveRequests: limit, keepaliveTimeoutMs } = env.settings.http;
    const mayKeep = keepaliveTimeoutMs > 0 && (limit === 0 || this.#requests < limit);
    this.#keepAlive = mayKeep && head.keepAlive && !env.draining;
    this.#state = State.exchange;
    this.#body = head.bodyLength === 0 ? null : new RequestBody(head);
    this.#bodyFlows = false;
    this.#continueOwed = head.expectContinue && head.bodyLength !== 0;
    env.wheel.clear(this);
    const ctx = new HttpRequestContext(head, path ?? head.path, this.#peer, env.realIp, startedTicks, this.#requests);
    const exchange = (this.#exchange = new Exchange(env, this, ctx));
    if (path === null) exchange.refuse("DOWNSTREAM_MALFORMED", "invalid path");
    else exchange.start();
    if (this.#exchange === exchange && this.#clientEnded) this.#armHalfClosed();
  }

  /** Answers a head that cannot be accepted; nothing after it can be trusted. */
  #refuse(code: ErrorCode, detail: string): void {
    this.#requests++;
    this.#state = State.exchange;
    this.#keepAlive = false;
    this.#writer.begin(1, false);
    this.#body = null;
    this.#waiting = NOTHING;
    const head = new RequestHead("", true);
    const ctx = new HttpRequestContext(head, "", this.#peer, this.#env.realIp, performance.now(), this.#requests);
    this.#exchange = new Exchange(this.#env, this, ctx);
    this.#exchange.refuse(code, detail);
  }

  // ---- the request's body

  startBody(): void {
    if (this.#body === null) return;
    if (this.#continueOwed) {
      this.#continueOwed = false;
      this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n", "latin1");
    }
    this.#bodyFlows = true;
    this.#env.wheel.set(this, this.#env.settings.http.clientBodyTimeoutMs);
    const bytes = this.#waiting;
    this.#waiting = NOTHING;
    if (bytes.length > 0) this.#readBody(bytes);
    if (this.#clientEnded && this.#body !== null) this.destroy();
    else this.#unpause();
  }

  pauseBody(): void {
    this.#bodyFlows = this.#state === State.tunnel;
    this.#pause();
    this.#env.wheel.clear(this);
  }

  resumeBody(): void {
    this.#lent.takeBack();
    if (this.#state === State.tunnel) this.#unpause();
    else this.startBody();
  }

  #readBody(chunk: Buffer): void {
    const body = this.#body!;
    if (!body.read(chunk, 0, chunk.length)) {
      this.#breakOff("DOWNSTREAM_MALFORMED", body.reason);
      return;
    }
    if (body.done) {
      this.#body = null;
      this.#env.wheel.clear(this);
      if (body.end < chunk.length) this.#waiting = Buffer.from(chunk.subarray(body.end));
    } else this.#env.wheel.set(this, this.#env.settings.http.clientBodyTimeoutMs);
    if (this.#state === State.discarding) {
      if (body.done) this.#nextRequest();
      else if (body.received > MAX_DISCARD) this.#linger();
      return;
    }
    const limit = this.#env.settings.http.clientMaxBodySize;
    const lower = this.#exchange!.ctx.bodyLimit;
    if ((limit > 0 && body.received > limit) || (lower > 0 && body.received > lower)) {
      this.#breakOff("DOWNSTREAM_BODY_TOO_LARGE", "body too large");
      return;
    }
    this.#exchange!.ctx.requestLength += body.end;
    const kept = this.#exchange!.requestBody(chunk, body.from, body.to, body.done, body.trailers);
    this.#lent.handedOver(kept, !this.#bodyFlows);
  }

  /** The request's body cannot be read to its end. */
  #breakOff(code: ErrorCode, detail: string): void {
    this.#keepAlive = false;
    this.#body = null;
    this.#waiting = NOTHING;
    if (this.#exchange === null) this.#linger();
    else this.#exchange.requestFailed(code, detail);
  }

  // ---- the answer

  get bytesSent(): number {
    return this.#writer.bytesSent;
  }

  interim(head: ResponseText): void {
    this.#writer.interim(head);
  }

  head(
    answer: Answer,
    extra: string,
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    source: BufferOwner | null,
  ): boolean {
    const writer = this.#writer;
    const body = this.#body;
    // A body that will not be read to its end ends the connection.
    const unread = body !== null && complete && (this.#continueOwed || body.remaining > MAX_DISCARD);
    const framing = writer.frame(answer);
    if (framing === "close" || unread || this.#env.draining) this.#keepAlive = false;
    const flowing = writer.head(answer, this.#keepAlive, extra, buffer, from, to, complete, source);
    if (framing === "tunnel") this.#openTunnel();
    return flowing || this.#block();
  }

  body(
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean {
    if (this.#state === State.tunnel) this.#env.wheel.clear(this);
    return this.#writer.body(buffer, from, to, complete, trailers, source) || this.#block();
  }

  /** The client does not take the answer as fast as it comes. */
  #block(): false {
    this.#armSend();
    return false;
  }

  /** `send_timeout` is for each time that the client takes some, not for the whole of it. */
  #armSend(): void {
    this.#progress.mark();
    this.#env.wheel.set(this, this.#env.settings.http.sendTimeoutMs);
  }

  abort(): void {
    this.#state = State.closed;
    this.destroy();
  }

  finished(): void {
    this.#exchange = null;
    // It may still be on its way to an upstream that is not waited for.
    this.#lent.leave();
    if (this.#state === State.closed || this.#state === State.lingering) return;
    if (this.#state === State.tunnel || !this.#keepAlive) {
      this.#linger();
      return;
    }
    if (this.#body !== null) this.#discard();
    else this.#nextRequest();
    this.#process();
  }

  // ---- between requests

  #nextRequest(): void {
    // Answers must not pile up for a client that asks without reading.
    if (this.#socket.writableLength >= this.#socket.writableHighWaterMark) {
      this.#state = State.flushing;
      this.#armSend();
      return;
    }
    this.#state = State.idle;
    this.#idleSince = this.#env.wheel.now;
    const { wheel, draining, settings } = this.#env;
    wheel.set(this, draining ? DRAIN_GRACE_MS : settings.http.keepaliveTimeoutMs);
  }

  /** Reads on to the end of a body that nobody wants, unless that is far. */
  #discard(): void {
    const { remaining } = this.#body!;
    if (this.#continueOwed || (remaining > MAX_DISCARD && remaining !== Infinity)) {
      this.#linger();
      return;
    }
    this.#state = State.discarding;
    this.startBody();
  }

  /** Ends our half once everything has gone out; what still comes in is dropped (RFC 9112, section 9.6). */
  #linger(): void {
    if (this.#state === State.lingering || this.#state === State.closed) return;
    this.#state = State.lingering;
    this.#waiting = NOTHING;
    this.#body = null;
    this.#armSend();
    this.#socket.end();
    this.#unpause();
  }

  #flushed(): void {
    this.#progress.mark();
    if (this.#clientEnded) this.destroy();
    else this.#env.wheel.set(this, LINGER_MS);
  }

  // ---- tunnel

  #openTunnel(): void {
    this.#state = State.tunnel;
    this.#body = null;
    const early = this.#waiting;
    this.#waiting = NOTHING;
    this.#unpause();
    this.#env.wheel.clear(this);
    if (early.length > 0) this.#exchange!.requestBody(early, 0, early.length, false, "");
  }

  // ---- the socket

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #drained(): void {
    const blocked = this.#writer.drained();
    if (this.#state === State.flushing) {
      this.#nextRequest();
      this.#process();
    } else if (blocked && (this.#state === State.exchange || this.#state === State.tunnel)) {
      if (!this.#clientEnded || this.#state === State.tunnel) this.#env.wheel.clear(this);
      this.#exchange?.drained();
    }
  }

  /** The client has ended its half: it may still wait for answers. */
  #ended(): void {
    this.#clientEnded = true;
    switch (this.#state) {
      case State.idle:
        this.#linger();
        break;
      case State.head:
      case State.discarding:
        this.destroy();
        break;
      case State.tunnel:
        this.#exchange?.requestBody(NOTHING, 0, 0, true, "");
        break;
      case State.exchange:
        // As long as nobody has asked for the body, what waits may be the whole of it.
        if (this.#body !== null && this.#bodyFlows) this.destroy();
        else this.#armHalfClosed();
        break;
      case State.lingering:
        if (this.#socket.writableFinished) this.destroy();
        break;
    }
  }

  /** Most clients that end their half have gone: only bytes that they do not take would tell. */
  #armHalfClosed(): void {
    if (this.#writer.blocked) return;
    this.#writer.wrote();
    this.#env.wheel.set(this, HALF_CLOSED_GRACE_MS);
  }

  expired(): void {
    const sending = this.#writer.blocked || this.#state === State.flushing || this.#state === State.lingering;
    if (sending && this.#progress.made()) {
      this.#armSend();
      return;
    }
    switch (this.#state) {
      case State.head:
        this.#refuse("DOWNSTREAM_TIMEOUT", "the request head did not come in time");
        break;
      case State.exchange:
        if (this.#clientEnded && !this.#writer.blocked && this.#writer.wrote()) this.#armHalfClosed();
        else if (this.#body !== null && this.#bodyFlows && !this.#writer.blocked && !this.#clientEnded)
          this.#breakOff("DOWNSTREAM_TIMEOUT", "the request body did not come in time");
        else this.destroy();
        break;
      case State.idle:
        this.#linger();
        break;
      default:
        this.destroy();
    }
  }

  #gone(): void {
    this.#env.wheel.forget(this);
    this.#state = State.closed;
    this.#waiting = NOTHING;
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.cancelled();
    this.#closed(this);
  }
}
