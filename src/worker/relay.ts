import { type ErrorCode, errors } from "../lib/errors.ts";
import { hostName } from "../lib/host-name.ts";
import { latin1 } from "../lib/latin1.ts";
import type { Attempt } from "../plugin/context.ts";
import type { ResponseSink, UpstreamConnection } from "../upstream/connection.ts";
import type { ConnectionWaiter, Ticket } from "../upstream/pool.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { BufferOwner, Downstream } from "./downstream.ts";
import type { EarlyBody } from "./early-body.ts";
import type { Environment } from "./environment.ts";
import { KeptBody } from "./kept-body.ts";
import { CHUNKED } from "./http1/request-head.ts";
import type { HttpRequestContext } from "./request-context.ts";
import { upstreamHead, upstreamHost } from "./upstream-head.ts";

/** Who asked for the relay and gets what comes of it. */
export interface RelayOwner {
  readonly ctx: HttpRequestContext;
  /** Whether somebody reads the times of attempts. */
  readonly timed: boolean;
  /** See `ResponseSink.head` and `ResponseSink.body`. */
  responseHead(head: ResponseText, buffer: Buffer, from: number, to: number, complete: boolean): boolean;
  responseBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean;
  /** No node answered, or the answer broke off (`began`). */
  relayFailed(code: ErrorCode, detail: string, began: boolean): void;
}

/** An attempt whose values arrive one by one; times stay -1 until they are known. */
interface AttemptRow extends Attempt {
  status: number;
  connectTime: number;
  headerTime: number;
  responseTime: number;
}

/** A body is kept for another attempt up to this many bytes. */
const REPLAY_LIMIT = 65_536;
/** The same where a plugin wants the body before the request is sent. */
const BUFFER_LIMIT = 1_048_576;
/** A head and what is there of its body go out as one string up to this length. */
const ONE_STRING = 16_384;

const NONE: readonly UpstreamNode[] = [];

/** RFC 9110, section 9.2.2; PATCH and POST are not among them. */
const IDEMPOTENT = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "COPY", "MOVE", "MKCOL"]);

/**
 * One request on its way to the nodes of an upstream: picks a node, sends, and on failure
 * asks the next one where the error says that it is safe.
 */
export class Relay implements ResponseSink, ConnectionWaiter {
  readonly #owner: RelayOwner;
  readonly #env: Environment;
  readonly #downstream: Downstream;
  readonly #upstream: Upstream;
  #tried: readonly UpstreamNode[] = NONE;
  #node: UpstreamNode | null = null;
  #connection: UpstreamConnection | null = null;
  /** The place in the queue for a connection. */
  #ticket: Ticket | null = null;
  #attempt: AttemptRow | null = null;
  /** The algorithm waits to hear how the attempt at `#node` ends. */
  #watched = false;
  #pickedTicks = 0;
  #headTicks = 0;
  #startedTicks = 0;
  #firstTicks = 0;
  /** The body so far, while it is short enough to be sent again. */
  #kept: KeptBody | null = null;
  readonly #keepLimit: number;
  #replayable = true;
  /** The request is sent once its body is there. */
  #deferred = false;
  #bodyDone: boolean;
  #bodyPaused = false;
  #trailers = "";
  /** Bytes of the body as sent upstream; may have become known since the head came. */
  #bodyLength: number;
  readonly #upgrade: string | null;
  #began = false;
  #tunnel = false;

  constructor(owner: RelayOwner, env: Environment, downstream: Downstream, upstream: Upstream, upgrade: string | null) {
    this.#owner = owner;
    this.#env = env;
    this.#downstream = downstream;
    this.#upstream = upstream;
    this.#upgrade = upgrade;
    this.#bodyLength = owner.ctx.outgoing?.body?.length ?? owner.ctx.head.bodyLength;
    this.#bodyDone = this.#bodyLength === 0;
    this.#keepLimit = owner.ctx.outgoing?.bufferBody === true ? BUFFER_LIMIT : REPLAY_LIMIT;
  }

  /** Begins with the first node, at once or when the body is there. `early`: what was read of the body before. */
  start(early: EarlyBody | null): void {
    if (!this.#bodyDone) {
      if (early === null || (early.pieces.length === 0 && !early.paused)) this.#downstream.startBody();
      else this.#takeEarly(early);
      const buffered = this.#keepLimit === BUFFER_LIMIT;
      this.#deferred = buffered && !this.#isBodyDone() && this.#keptBytes() <= BUFFER_LIMIT;
      if (this.#deferred) this.drained();
    }
    if (!this.#deferred) this.#sendFirst();
  }

  #sendFirst(): void {
    this.#deferred = false;
    const { head } = this.#owner.ctx;
    // The whole of a short chunked body is there: its length is known, as nginx would tell it.
    if (this.#bodyLength === CHUNKED && this.#isBodyDone() && !head.hasTrailerField)
      this.#bodyLength = this.#keptBytes();
    this.#next("UPSTREAM_NO_NODE", "the upstream has no usable node");
  }

  #takeEarly(early: EarlyBody): void {
    const last = early.pieces.length - 1;
    early.pieces.forEach((piece, i) => {
      const complete = early.complete && i === last;
      this.requestBody(piece, 0, piece.length, complete, complete ? early.trailers : "");
    });
    // The rest flows once a node takes what is here.
    if (early.paused) this.#bodyPaused = true;
  }

  /** A piece of the client's body; see `DownstreamSink`. */
  requestBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    this.#bodyDone = complete;
    this.#trailers = trailers;
    const piece = from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to);
    if (this.#tunnel) {
      this.#sendTunnel(piece, complete);
      return true;
    }
    const connection = this.#connection;
    const kept = this.#keep(piece, connection === null);
    if (connection === null) {
      const enough = complete || this.#keptBytes() > this.#keepLimit;
      if (this.#deferred && enough) this.#sendFirst();
      // What waits for a connection waits within bounds.
      if (this.#connection === null && !complete && enough) this.#pauseBody();
      return kept;
    }
    let flowing = piece.length === 0 || this.#writePiece(connection, piece);
    if (complete) {
      if (this.#bodyLength === CHUNKED) flowing = connection.write(`0\r\n${trailers}\r\n`);
      connection.sent();
    }
    const paused = !flowing && !complete;
    if (paused) this.#pauseBody();
    return kept || (!paused && connection.socket.writableLength > 0);
  }

  /** Keeps a piece for later; a body that is too long for that only where there is no other way (`must`). */
  #keep(piece: Buffer, must: boolean): boolean {
    if (!this.#replayable) return false;
    if (must || this.#keptBytes() + piece.length <= this.#keepLimit) return (this.#kept ??= new KeptBody()).add(piece);
    this.#replayable = false;
    this.#kept = null;
    return false;
  }

  #keptBytes(): number {
    return this.#kept === null ? 0 : this.#kept.length;
  }

  /** The request is not needed any more. */
  cancel(): void {
    this.#endAttempt(0);
    this.#tellAlgorithm(false);
    this.#ticket?.cancel();
    this.#ticket = null;
    this.#connection?.destroy();
    this.#connection = null;
  }

  /** The client can take more of the answer. */
  resume(): void {
    this.#connection?.resume();
  }

  /** Whose buffer is being handed over. */
  get source(): BufferOwner | null {
    return this.#connection === null ? null : this.#connection.buffer;
  }

  connected(): void {
    if (this.#attempt !== null) this.#attempt.connectTime = this.#elapsed();
  }

  interim(head: ResponseText): void {
    // `100 Continue` was the gateway's own to say.
    if (head.status !== 100) this.#downstream.interim(head);
  }

  head(head: ResponseText, buffer: Buffer, from: number, to: number, complete: boolean): boolean {
    this.#began = true;
    const attempt = this.#attempt!;
    attempt.status = head.status;
    attempt.headerTime = this.#elapsed();
    if (complete) attempt.responseTime = attempt.headerTime;
    this.#forgetBody();
    if (this.#watched) this.#headTicks = performance.now();
    this.#node!.health?.answered(head.status);
    if (complete) this.#tellAlgorithm(false);
    if (head.status === 101) this.#openTunnel();
    const flowing = this.#owner.responseHead(head, buffer, from, to, complete);
    if (complete) this.#connection = null;
    return flowing;
  }

  body(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    if (complete) {
      this.#attempt!.responseTime = this.#elapsed();
      this.#tellAlgorithm(false);
    }
    const flowing = this.#owner.responseBody(buffer, from, to, complete, trailers);
    if (complete) this.#connection = null;
    return flowing;
  }

  drained(): void {
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.#downstream.resumeBody();
  }

  failed(code: ErrorCode, detail: string): void {
    this.#connection = null;
    if (code === "UPSTREAM_CLOSED_REUSED" && !this.#began && this.#mayRepeat()) {
      // The node closed the connection while it was idle: not an attempt, and no fault of the node.
      this.#owner.ctx.attempts.pop();
      this.#send(this.#node!, true);
      return;
    }
    this.#tellAlgorithm(true);
    this.#node!.health?.failed(errors[code].status === 504 ? "timeout" : "tcp");
    if (this.#began) {
      this.#endAttempt(this.#attempt!.status);
      this.#owner.relayFailed(code, detail, true);
      return;
    }
    this.#endAttempt(errors[code].status);
    const node = this.#node!;
    this.#tried = [...this.#tried, node];
    const safe = errors[code].retry === "safe" || (errors[code].retry === "idempotent" && this.#mayRepeat());
    if (safe && this.#replayable && this.#tried.length <= this.#upstream.retries && !this.#retryTimeOver()) {
      this.#next(code, detail);
    } else this.#owner.relayFailed(code, detail, false);
  }

  /** Sends to the next node, or fails with the reason given. */
  #next(code: ErrorCode, detail: string): void {
    let node: UpstreamNode | null;
    try {
      node = this.#upstream.picker.pick(this.#tried, this.#owner.ctx);
    } catch (error) {
      this.#owner.relayFailed("INTERNAL", `picker of ${this.#upstream.key}: ${String(error)}`, false);
      return;
    }
    if (node === null) {
      this.#owner.relayFailed(code, detail, false);
      return;
    }
    const { feedback } = this.#upstream.picker;
    if (feedback !== null) {
      this.#watched = true;
      this.#pickedTicks = performance.now();
      this.#headTicks = 0;
      feedback.began(node);
    }
    this.#send(node, false);
  }

  /** Tells the algorithm, once, how long the head of the answer took. */
  #tellAlgorithm(failed: boolean): void {
    if (!this.#watched) return;
    this.#watched = false;
    const until = this.#headTicks === 0 ? performance.now() : this.#headTicks;
    this.#upstream.picker.feedback?.ended(this.#node!, until - this.#pickedTicks, failed);
  }

  #send(node: UpstreamNode, fresh: boolean): void {
    const { ctx } = this.#owner;
    const upstream = this.#upstream;
    this.#node = node;
    const host = upstreamHost(ctx, upstream, node);
    const pool = this.#env.pools.get(upstream, node, upstream.scheme === "https" ? hostName(host) : null);
    const connection = pool.take(fresh);
    this.#startedTicks = this.#owner.timed || upstream.retryTimeoutMs > 0 ? performance.now() : 0;
    if (this.#firstTicks === 0) this.#firstTicks = this.#startedTicks;
    this.#attempt = {
      address: node.address,
      status: 0,
      connectTime: connection?.open === true ? 0 : -1,
      headerTime: -1,
      responseTime: -1,
    };
    ctx.attempts.push(this.#attempt);
    if (connection === null) this.#ticket = pool.wait(this, upstream.connectTimeoutMs);
    else this.#sendOn(connection, host, upstream.connectTimeoutMs);
  }

  granted(connection: UpstreamConnection, leftMs: number): void {
    this.#ticket = null;
    if (connection.open) this.connected();
    this.#sendOn(connection, upstreamHost(this.#owner.ctx, this.#upstream, this.#node!), leftMs);
  }

  waitedTooLong(): void {
    this.#ticket = null;
    this.failed("UPSTREAM_CONNECT_TIMEOUT", "no connection came free in time");
  }

  /** Sends the request as far as it is there. */
  #sendOn(connection: UpstreamConnection, host: string, connectMs: number): void {
    const { ctx } = this.#owner;
    const upstream = this.#upstream;
    this.#connection = connection;
    const method = ctx.outgoing === null ? ctx.method : ctx.outgoing.method;
    connection.begin(
      this,
      method === "HEAD",
      this.#upgrade !== null,
      connectMs,
      upstream.sendTimeoutMs,
      upstream.readTimeoutMs,
    );
    const head = upstreamHead(ctx, host, this.#bodyLength, this.#upgrade);
    if (this.#kept === null) connection.write(head);
    else this.#sendWithBody(connection, head, this.#kept.bytes);
    if (this.#bodyDone) connection.sent();
  }

  /** Head and the body so far, in one write. */
  #sendWithBody(connection: UpstreamConnection, head: string, body: Buffer): void {
    const chunked = this.#bodyLength === CHUNKED;
    const last = chunked && this.#bodyDone ? `0\r\n${this.#trailers}\r\n` : "";
    let flowing: boolean;
    if (body.length + head.length <= ONE_STRING) {
      const text = chunked ? chunkText(body) : latin1(body, 0, body.length);
      flowing = connection.write(head + text + last);
    } else {
      connection.socket.cork();
      connection.write(head);
      if (body.length > 0) this.#writePiece(connection, body);
      flowing = last === "" || connection.write(last);
      connection.socket.uncork();
      flowing &&= !connection.socket.writableNeedDrain;
    }
    if (body.length > this.#keepLimit) this.#forgetBody();
    if (this.#bodyDone) return;
    if (!flowing) this.#pauseBody();
    // It may have been paused for a node that was given up, or for want of a connection.
    else this.drained();
  }

  #writePiece(connection: UpstreamConnection, piece: Buffer): boolean {
    if (this.#bodyLength !== CHUNKED) return connection.write(piece);
    if (piece.length <= ONE_STRING) return piece.length === 0 || connection.write(chunkText(piece));
    connection.socket.cork();
    connection.write(`${piece.length.toString(16)}\r\n`);
    connection.write(piece);
    const flowing = connection.write("\r\n");
    connection.socket.uncork();
    return flowing;
  }

  #pauseBody(): void {
    this.#bodyPaused = true;
    this.#downstream.pauseBody();
  }

  /** The body can no longer be sent again. */
  #forgetBody(): void {
    this.#replayable &&= this.#keptBytes() === 0;
    this.#kept = null;
  }

  #openTunnel(): void {
    this.#tunnel = true;
    // From now on the client's bytes are the other protocol's.
    this.#bodyDone = false;
  }

  #sendTunnel(piece: Buffer, complete: boolean): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (piece.length > 0 && !connection.write(piece)) this.#pauseBody();
    if (complete) connection.endTunnel();
  }

  /** Also after a call that may have changed it. */
  #isBodyDone(): boolean {
    return this.#bodyDone;
  }

  #mayRepeat(): boolean {
    return this.#replayable && IDEMPOTENT.has(this.#owner.ctx.outgoing?.method ?? this.#owner.ctx.method);
  }

  #retryTimeOver(): boolean {
    const limit = this.#upstream.retryTimeoutMs;
    return limit > 0 && performance.now() - this.#firstTicks >= limit;
  }

  #endAttempt(status: number): void {
    const attempt = this.#attempt;
    if (attempt === null || attempt.responseTime >= 0) return;
    attempt.status = status;
    attempt.responseTime = this.#elapsed();
  }

  #elapsed(): number {
    return this.#owner.timed ? (performance.now() - this.#startedTicks) / 1_000 : 0;
  }
}

function chunkText(piece: Buffer): string {
  return piece.length === 0 ? "" : `${piece.length.toString(16)}\r\n${latin1(piece, 0, piece.length)}\r\n`;
}
