import type { OutgoingHttpHeaders } from "node:http2";
import { type ErrorCode, errors, reasonOf } from "../lib/errors.ts";
import { hostName } from "../lib/host-name.ts";
import type { Timed } from "../lib/timer-wheel.ts";
import type { SessionWaiter } from "../upstream/http2/session-pool.ts";
import type { UpstreamSession } from "../upstream/http2/session.ts";
import type { StreamSink, UpstreamStream } from "../upstream/http2/stream.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { Ticket } from "../upstream/ticket.ts";
import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { Downstream } from "./downstream.ts";
import type { EarlyBody } from "./early-body.ts";
import type { Environment } from "./environment.ts";
import { grpcHeaders, grpcTimeoutMs } from "./grpc-head.ts";
import { NodeRelay, type RelayOwner, REPLAY_LIMIT } from "./node-relay.ts";
import { upstreamHost } from "./upstream-head.ts";

const EMPTY = Buffer.alloc(0);

/**
 * A request on its way to nodes that speak gRPC: one stream of an HTTP/2 session. Both
 * directions flow at once, so a body is never waited for. A call that a node may have seen is
 * not repeated unless its method is idempotent, and calls are POST.
 */
export class GrpcRelay extends NodeRelay implements StreamSink, SessionWaiter, Timed {
  /** Of the whole call, where the client gives it a time. */
  deadline = Infinity;
  dueTick = -1;
  #stream: UpstreamStream | null = null;
  /** The place in the queue for a session. */
  #ticket: Ticket<UpstreamSession> | null = null;
  #bodyDone: boolean;
  #bodyPaused = false;
  /** A node has refused the stream once. */
  #refused = false;

  constructor(owner: RelayOwner, env: Environment, downstream: Downstream, upstream: Upstream) {
    super(owner, env, downstream, upstream, REPLAY_LIMIT);
    this.#bodyDone = (owner.ctx.outgoing?.body?.length ?? owner.ctx.head.bodyLength) === 0;
  }

  override start(early: EarlyBody | null): void {
    this.env.wheel.set(this, grpcTimeoutMs(this.owner.ctx.header("grpc-timeout")));
    if (!this.#bodyDone) {
      if (early === null || (early.pieces.length === 0 && !early.paused)) this.downstream.startBody();
      else this.#takeEarly(early);
    }
    this.next("UPSTREAM_NO_NODE", "the upstream has no usable node");
  }

  #takeEarly(early: EarlyBody): void {
    const last = early.pieces.length - 1;
    early.pieces.forEach((piece, i) => {
      this.requestBody(piece, 0, piece.length, early.complete && i === last);
    });
    // The rest flows once a node takes what is here.
    if (early.paused) this.#bodyPaused = true;
  }

  /** Trailers of requests are not passed on: gRPC has none. */
  override requestBody(buffer: Buffer, from: number, to: number, complete: boolean): boolean {
    this.#bodyDone = complete;
    const piece = from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to);
    const stream = this.#stream;
    const kept = this.keep(piece, stream === null);
    if (stream === null) {
      // What waits for a session waits within bounds.
      if (!complete && this.keptBytes() > this.keepLimit) this.#pauseBody();
      return kept;
    }
    if (complete) stream.end(piece);
    else if (piece.length > 0 && !stream.write(piece)) this.#pauseBody();
    return true;
  }

  override cancel(): void {
    this.#end();
    this.endAttempts();
  }

  override resume(): void {
    this.#stream?.resume();
  }

  /** Pieces are Node's own and not written to again. */
  override get source(): null {
    return null;
  }

  head(head: ResponseText, complete: boolean): boolean {
    this.answered(head.status, complete);
    if (complete) this.#finish();
    return this.owner.responseHead(head, EMPTY, 0, 0, complete);
  }

  body(data: Buffer, complete: boolean, trailers: string): boolean {
    if (complete) {
      this.completed();
      this.#finish();
    }
    return this.owner.responseBody(data, 0, data.length, complete, trailers);
  }

  drained(): void {
    if (!this.#bodyPaused) return;
    this.#bodyPaused = false;
    this.downstream.resumeBody();
  }

  failed(code: ErrorCode, detail: string): void {
    this.#stream = null;
    if (code === "UPSTREAM_REFUSED" && !this.began && this.replayable && !this.#refused) {
      // The session was being closed, or had no room after all: the node has not looked at it.
      this.#refused = true;
      this.sendAgain();
    } else this.#fail(code, detail);
  }

  granted(session: UpstreamSession): void {
    this.#ticket = null;
    this.connected();
    this.#open(session);
  }

  waitedTooLong(): void {
    this.#ticket = null;
    this.#fail("UPSTREAM_CONNECT_TIMEOUT", "no session had room in time");
  }

  unreachable(late: boolean, detail: string): void {
    this.#ticket = null;
    this.#fail(late ? "UPSTREAM_CONNECT_TIMEOUT" : "UPSTREAM_CONNECT", detail);
  }

  /** The time that the client gave is over. */
  expired(): void {
    this.#end();
    this.endAttempts(errors.UPSTREAM_DEADLINE.status);
    this.owner.relayFailed("UPSTREAM_DEADLINE", "the call took longer than its grpc-timeout", this.began);
  }

  protected override send(node: UpstreamNode): void {
    const { upstream } = this;
    const host = upstreamHost(this.owner.ctx, upstream, node);
    const pool = this.env.pools.sessions(node, upstream.tls, hostName(host));
    const session = pool.take(upstream);
    this.beginAttempt(node, host, session !== null);
    if (session === null) this.#ticket = pool.wait(this, upstream.connectTimeoutMs);
    else this.#open(session);
  }

  /** Sends the request as far as it is there. */
  #open(session: UpstreamSession): void {
    const { ctx } = this.owner;
    const { tls, sendTimeoutMs: sendMs, readTimeoutMs: readMs } = this.upstream;
    const body = this.kept?.bytes ?? EMPTY;
    const whole = this.#bodyDone && body.length === 0;
    let stream: UpstreamStream;
    try {
      const host = upstreamHost(ctx, this.upstream, this.node!);
      const headers: OutgoingHttpHeaders = grpcHeaders(ctx, host, tls === null ? "http" : "https");
      stream = session.request(headers, whole, this, { sendMs, readMs });
    } catch (thrown) {
      this.#fail("INTERNAL", `a request that HTTP/2 cannot carry: ${reasonOf(thrown)}`);
      return;
    }
    this.#stream = stream;
    if (whole) return;
    if (this.#bodyDone) stream.end(body);
    const flowing = this.#bodyDone || body.length === 0 || stream.write(body);
    if (body.length > this.keepLimit) this.forgetBody();
    if (!flowing) this.#pauseBody();
    // It may have been paused for a node that was given up, or for want of a session.
    else this.drained();
  }

  #pauseBody(): void {
    this.#bodyPaused = true;
    this.downstream.pauseBody();
  }

  #fail(code: ErrorCode, detail: string): void {
    this.attemptFailed(code, detail);
    if (this.#stream === null && this.#ticket === null) this.env.wheel.forget(this);
  }

  #finish(): void {
    this.#stream = null;
    this.env.wheel.forget(this);
  }

  #end(): void {
    this.env.wheel.forget(this);
    this.#ticket?.cancel();
    this.#ticket = null;
    this.#stream?.cancel();
    this.#stream = null;
  }
}
