import type { ErrorCode } from "../lib/errors.ts";
import { hostName } from "../lib/host-name.ts";
import { latin1 } from "../lib/latin1.ts";
import type { ResponseSink, UpstreamConnection } from "../upstream/connection.ts";
import type { ConnectionTicket, ConnectionWaiter } from "../upstream/pool.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { BufferOwner, Downstream } from "./downstream.ts";
import type { EarlyBody } from "./early-body.ts";
import type { Environment } from "./environment.ts";
import { CHUNKED } from "./http1/request-head.ts";
import { NodeRelay, type RelayOwner, REPLAY_LIMIT } from "./node-relay.ts";
import { upstreamHead, upstreamHost } from "./upstream-head.ts";

/** The same where a plugin wants the body before the request is sent. */
const BUFFER_LIMIT = 1_048_576;
/** A head and what is there of its body go out as one string up to this length. */
const ONE_STRING = 16_384;

/** A request on its way to nodes that speak HTTP/1.1. */
export class Relay extends NodeRelay implements ResponseSink, ConnectionWaiter {
  #connection: UpstreamConnection | null = null;
  /** The place in the queue for a connection. */
  #ticket: ConnectionTicket | null = null;
  /** The request is sent once its body is there. */
  #deferred = false;
  #bodyDone: boolean;
  #bodyPaused = false;
  #trailers = "";
  /** Bytes of the body as sent upstream; may have become known since the head came. */
  #bodyLength: number;
  readonly #upgrade: string | null;
  #tunnel = false;

  constructor(owner: RelayOwner, env: Environment, downstream: Downstream, upstream: Upstream, upgrade: string | null) {
    super(owner, env, downstream, upstream, owner.ctx.outgoing?.bufferBody === true ? BUFFER_LIMIT : REPLAY_LIMIT);
    this.#upgrade = upgrade;
    this.#bodyLength = owner.ctx.outgoing?.body?.length ?? owner.ctx.head.bodyLength;
    this.#bodyDone = this.#bodyLength === 0;
  }

  /** Begins with the first node, at once or when the body is there. `early`: what was read of the body before. */
  override start(early: EarlyBody | null): void {
    if (!this.#bodyDone) {
      if (early === null || (early.pieces.length === 0 && !early.paused)) this.downstream.startBody();
      else this.#takeEarly(early);
      const buffered = this.keepLimit === BUFFER_LIMIT;
      this.#deferred = buffered && !this.#isBodyDone() && this.keptBytes() <= BUFFER_LIMIT;
      if (this.#deferred) this.drained();
    }
    if (!this.#deferred) this.#sendFirst();
  }

  #sendFirst(): void {
    this.#deferred = false;
    const { head } = this.owner.ctx;
    // The whole of a short chunked body is there: its length is known, as nginx would tell it.
    if (this.#bodyLength === CHUNKED && this.#isBodyDone() && !head.hasTrailerField)
      this.#bodyLength = this.keptBytes();
    this.next("UPSTREAM_NO_NODE", "the upstream has no usable node");
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
  override requestBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    this.#bodyDone = complete;
    this.#trailers = trailers;
    const piece = from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to);
    if (this.#tunnel) {
      this.#sendTunnel(piece, complete);
      return true;
    }
    const connection = this.#connection;
    const kept = this.keep(piece, connection === null);
    if (connection === null) {
      const enough = complete || this.keptBytes() > this.keepLimit;
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

  /** The request is not needed any more. */
  override cancel(): void {
    this.endAttempts();
    this.#ticket?.cancel();
    this.#ticket = null;
    this.#connection?.destroy();
    this.#connection = null;
  }

  /** The client can take more of the answer. */
  override resume(): void {
    this.#connection?.resume();
  }

  /** Whose buffer is being handed over. */
  override get source(): BufferOwner | null {
    return this.#connection === null ? null : this.#connection.buffer;
  }

  interim(head: ResponseText): void {
    // `100 Continue` was the gateway's own to say.
    if (head.status !== 100) this.downstream.interim(head);
  }

  head(head: ResponseText, buffer: Buffer, from: number, to: number, complete: boolean): boolean {
    this.answered(head.status, complete);
    if (head.status === 101) this.#openTunnel();
    const flowing = this.owner.responseHead(head, buffer, from, to, complete);
    if (complete) this.#connection = null;
    return flowing;
  }

  body(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean {
    if (complete) this.completed();
    const flowing = this.owner.responseBody(buffer, from, to, complete, trailers);
    if (complete) this.#connection = null;
    return flowing;
  }

  drained(): void {
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.downstream.resumeBody();
  }

  failed(code: ErrorCode, detail: string): void {
    this.#connection = null;
    // The node closed the connection while it was idle.
    if (code === "UPSTREAM_CLOSED_REUSED" && !this.began && this.mayRepeat()) this.sendAgain();
    else this.attemptFailed(code, detail);
  }

  protected override send(node: UpstreamNode, fresh: boolean): void {
    const { ctx } = this.owner;
    const upstream = this.upstream;
    const host = upstreamHost(ctx, upstream, node);
    const { pools } = this.env;
    const pool =
      upstream.tls === null ? pools.get(upstream, node) : pools.secure(upstream, node, upstream.tls, hostName(host));
    const connection = pool.take(fresh);
    this.beginAttempt(node, host, connection?.open === true);
    if (connection === null) this.#ticket = pool.wait(this, upstream.connectTimeoutMs);
    else this.#sendOn(connection, host, upstream.connectTimeoutMs);
  }

  granted(connection: UpstreamConnection, leftMs: number): void {
    this.#ticket = null;
    if (connection.open) this.connected();
    this.#sendOn(connection, upstreamHost(this.owner.ctx, this.upstream, this.node!), leftMs);
  }

  waitedTooLong(): void {
    this.#ticket = null;
    this.failed("UPSTREAM_CONNECT_TIMEOUT", "no connection came free in time");
  }

  /** Sends the request as far as it is there. */
  #sendOn(connection: UpstreamConnection, host: string, connectMs: number): void {
    const { ctx } = this.owner;
    const upstream = this.upstream;
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
    if (this.kept === null) connection.write(head);
    else this.#sendWithBody(connection, head, this.kept.bytes);
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
    if (body.length > this.keepLimit) this.forgetBody();
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
    this.downstream.pauseBody();
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
}

function chunkText(piece: Buffer): string {
  return piece.length === 0 ? "" : `${piece.length.toString(16)}\r\n${latin1(piece, 0, piece.length)}\r\n`;
}
