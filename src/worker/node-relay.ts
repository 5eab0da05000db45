import { type ErrorCode, errors } from "../lib/errors.ts";
import type { Attempt } from "../plugin/context.ts";
import type { ResponseText } from "../upstream/response-head.ts";
import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { BufferOwner, Downstream } from "./downstream.ts";
import type { EarlyBody } from "./early-body.ts";
import type { Environment } from "./environment.ts";
import { KeptBody } from "./kept-body.ts";
import type { HttpRequestContext } from "./request-context.ts";

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
export const REPLAY_LIMIT = 65_536;

const NONE: readonly UpstreamNode[] = [];

/** RFC 9110, section 9.2.2, RFC 4918, and PURGE, which routes may name; POST, PATCH and LOCK are not among them. */
const IDEMPOTENT = new Set(
  "GET HEAD PUT DELETE OPTIONS TRACE PURGE PROPFIND PROPPATCH COPY MOVE MKCOL UNLOCK".split(" "),
);

/**
 * One request on its way to the nodes of an upstream: which of them is asked, what is told
 * of it to the algorithm, the health and the log, and when the next one is asked. How a node
 * is spoken to is the matter of the classes below.
 */
export abstract class NodeRelay {
  protected readonly owner: RelayOwner;
  protected readonly env: Environment;
  protected readonly downstream: Downstream;
  protected readonly upstream: Upstream;
  protected node: UpstreamNode | null = null;
  protected attempt: AttemptRow | null = null;
  /** The head of the answer is there. */
  protected began = false;
  /** The body so far, while it is short enough to be sent again. */
  protected kept: KeptBody | null = null;
  protected readonly keepLimit: number;
  protected replayable = true;
  #tried: readonly UpstreamNode[] = NONE;
  /** The algorithm waits to hear how the attempt at `node` ends. */
  #watched = false;
  #pickedTicks = 0;
  #headTicks = 0;
  #startedTicks = 0;
  #firstTicks = 0;

  /** @param keepLimit bytes of the body that are kept for another attempt. */
  constructor(owner: RelayOwner, env: Environment, downstream: Downstream, upstream: Upstream, keepLimit: number) {
    this.owner = owner;
    this.env = env;
    this.downstream = downstream;
    this.upstream = upstream;
    this.keepLimit = keepLimit;
  }

  /** Begins with the first node, at once or when the body is there. `early`: what was read of the body before. */
  abstract start(early: EarlyBody | null): void;
  /** A piece of the client's body; see `DownstreamSink`. */
  abstract requestBody(buffer: Buffer, from: number, to: number, complete: boolean, trailers: string): boolean;
  /** The request is not needed any more. */
  abstract cancel(): void;
  /** The client can take more of the answer. */
  abstract resume(): void;
  /** Whose buffer is being handed over. */
  abstract get source(): BufferOwner | null;
  /** Sends the request to a node; `fresh`: not on a connection that has been used before. */
  protected abstract send(node: UpstreamNode, fresh: boolean): void;

  /** Sends to the next node, or fails with the reason given. */
  protected next(code: ErrorCode, detail: string): void {
    let node: UpstreamNode | null;
    try {
      node = this.upstream.picker.pick(this.#tried, this.owner.ctx);
    } catch (error) {
      this.owner.relayFailed("INTERNAL", `picker of ${this.upstream.key}: ${String(error)}`, false);
      return;
    }
    if (node === null) {
      this.owner.relayFailed(code, detail, false);
      return;
    }
    const { feedback } = this.upstream.picker;
    if (feedback !== null) {
      this.#watched = true;
      this.#pickedTicks = performance.now();
      this.#headTicks = 0;
      feedback.began(node);
    }
    this.send(node, false);
  }

  /** Notes that a node is being asked as `host`; `open`: over a connection that is there. */
  protected beginAttempt(node: UpstreamNode, host: string, open: boolean): void {
    this.node = node;
    this.#startedTicks = this.owner.timed || this.upstream.retryTimeoutMs > 0 ? performance.now() : 0;
    if (this.#firstTicks === 0) this.#firstTicks = this.#startedTicks;
    this.attempt = {
      address: node.address,
      named: node.hostHeader,
      scheme: this.upstream.scheme,
      host,
      status: 0,
      connectTime: open ? 0 : -1,
      headerTime: -1,
      responseTime: -1,
    };
    this.owner.ctx.attempts.push(this.attempt);
  }

  /** The connection to the node is open. */
  connected(): void {
    if (this.attempt !== null) this.attempt.connectTime = this.#elapsed();
  }

  /** Notes that the head of the answer has come; `complete`: and all of it. */
  protected answered(status: number, complete: boolean): void {
    this.began = true;
    const attempt = this.attempt!;
    attempt.status = status;
    attempt.headerTime = this.#elapsed();
    if (complete) attempt.responseTime = attempt.headerTime;
    this.forgetBody();
    if (this.#watched) this.#headTicks = performance.now();
    this.node!.health?.answered(status);
    if (complete) this.#tellAlgorithm(false);
  }

  /** Notes that the answer is complete. */
  protected completed(): void {
    this.attempt!.responseTime = this.#elapsed();
    this.#tellAlgorithm(false);
  }

  /** Notes that nobody waits for the answer any more; `status`: what the log shows for it. */
  protected endAttempts(status = 0): void {
    this.#endAttempt(status);
    this.#tellAlgorithm(false);
  }

  /**
   * The same node once more on another connection: the one before was closed while it was
   * idle, or took no more requests. That was no attempt, and no fault of the node.
   */
  protected sendAgain(): void {
    this.owner.ctx.attempts.pop();
    this.send(this.node!, true);
  }

  /** The attempt has failed: the next node where the error says that it is safe. */
  protected attemptFailed(code: ErrorCode, detail: string): void {
    this.#tellAlgorithm(true);
    const late = errors[code].status === 504;
    // A node that has answered may have nothing to say for a while: an idle WebSocket, a stream of events.
    if (!late || !this.began) this.node!.health?.failed(late ? "timeout" : "tcp");
    if (this.began) {
      this.#endAttempt(this.attempt!.status);
      this.owner.relayFailed(code, detail, true);
      return;
    }
    this.#endAttempt(errors[code].status);
    const node = this.node!;
    this.#tried = [...this.#tried, node];
    const safe = errors[code].retry === "safe" || (errors[code].retry === "idempotent" && this.mayRepeat());
    if (safe && this.replayable && this.#tried.length <= this.upstream.retries && !this.#retryTimeOver()) {
      this.next(code, detail);
    } else this.owner.relayFailed(code, detail, false);
  }

  /** Whether the request may be sent again though a node may have seen it. */
  protected mayRepeat(): boolean {
    return this.replayable && IDEMPOTENT.has(this.owner.ctx.outgoing?.method ?? this.owner.ctx.method);
  }

  /** Keeps a piece for later; a body that is too long for that only where there is no other way (`must`). */
  protected keep(piece: Buffer, must: boolean): boolean {
    if (!this.replayable) return false;
    if (must || this.keptBytes() + piece.length <= this.keepLimit) return (this.kept ??= new KeptBody()).add(piece);
    this.replayable = false;
    this.kept = null;
    return false;
  }

  protected keptBytes(): number {
    return this.kept === null ? 0 : this.kept.length;
  }

  /** The body can no longer be sent again. */
  protected forgetBody(): void {
    this.replayable &&= this.keptBytes() === 0;
    this.kept = null;
  }

  /** Tells the algorithm, once, how long the head of the answer took. */
  #tellAlgorithm(failed: boolean): void {
    if (!this.#watched) return;
    this.#watched = false;
    const until = this.#headTicks === 0 ? performance.now() : this.#headTicks;
    this.upstream.picker.feedback?.ended(this.node!, until - this.#pickedTicks, failed);
  }

  #retryTimeOver(): boolean {
    const limit = this.upstream.retryTimeoutMs;
    return limit > 0 && performance.now() - this.#firstTicks >= limit;
  }

  #endAttempt(status: number): void {
    const { attempt } = this;
    if (attempt === null || attempt.responseTime >= 0) return;
    attempt.status = status;
    attempt.responseTime = this.#elapsed();
  }

  #elapsed(): number {
    return this.owner.timed ? (performance.now() - this.#startedTicks) / 1_000 : 0;
  }
}
