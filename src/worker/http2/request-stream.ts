import type { ServerHttp2Stream } from "node:http2";
import type { ErrorCode } from "../../lib/errors.ts";
import type { Timed } from "../../lib/timer-wheel.ts";
import type { ResponseText } from "../../upstream/response-head.ts";
import type { Answer } from "../answer.ts";
import type { BufferOwner, Downstream } from "../downstream.ts";
import type { Environment } from "../environment.ts";
import { isRefusal, RequestHead, type Refusal } from "../http1/request-head.ts";
import type { Peer } from "../peer.ts";
import { Exchange } from "../pipeline.ts";
import { HttpRequestContext } from "../request-context.ts";
import { answerFields, interimFields, trailerFields, trailerLines } from "./answer-fields.ts";
import { codes } from "./error-codes.ts";

const EMPTY = Buffer.alloc(0);

/**
 * One stream of HTTP/2: a request and its answer.
 *
 *   open ──▶ answering ──▶ answered ──▶ closed
 *     │          │            └─ the rest of a body that nobody wants is refused (NO_ERROR)
 *     └──────────┴── reset by either side: the exchange is told
 */
export class RequestStream implements Downstream, Timed {
  deadline = Infinity;
  dueTick = -1;
  bytesSent = 0;
  readonly #env: Environment;
  readonly #stream: ServerHttp2Stream;
  #exchange: Exchange | null = null;
  /** The body has begun to flow: its listeners are there. */
  #listening = false;
  #flowing = false;
  /** The whole body of the request is here. */
  #received: boolean;
  #bodyBytes = 0;
  #continueOwed = false;
  #trailers = "";
  #answering = false;
  #toHead = false;
  /** The last piece of the answer has been handed to the library. */
  #answered = false;
  /** Its trailers are sent when the library asks for them; `null`: it does not ask. */
  #answerTrailers: string | null = null;
  /** The answer is whole, and the rest of the request is not wanted. */
  #refusing = false;
  #blocked = false;
  #unsent = 0;

  /** @param endsHere the request has no body. */
  constructor(env: Environment, stream: ServerHttp2Stream, endsHere: boolean) {
    this.#env = env;
    this.#stream = stream;
    this.#received = endsHere;
    // What went wrong is told by `close`.
    stream.on("error", () => {});
    stream.on("close", () => this.#closed());
    stream.on("drain", () => this.#drained());
  }

  /** Begins with the request; `number`: how many there were on the connection. */
  start(head: RequestHead | Refusal, peer: Peer, number: number): void {
    const env = this.#env;
    const refused = isRefusal(head);
    const request = refused ? new RequestHead("", true) : head;
    const path = env.adjustPath === null ? request.path : env.adjustPath(request.path);
    const now = performance.now();
    const ctx = new HttpRequestContext(request, path ?? request.path, peer, env.realIp, now, number);
    this.#toHead = request.method === "HEAD";
    this.#continueOwed = request.expectContinue && !this.#received;
    const exchange = new Exchange(env, this, ctx);
    this.#exchange = exchange;
    if (refused) exchange.refuse(head.code, head.detail);
    else if (path === null) exchange.refuse("DOWNSTREAM_MALFORMED", "invalid path");
    else exchange.start();
  }

  // ---- the request's body

  startBody(): void {
    if (this.#received) return;
    if (this.#continueOwed) {
      this.#continueOwed = false;
      if (!this.#stream.headersSent) this.#stream.additionalHeaders({ ":status": 100 });
    }
    this.#flowing = true;
    if (!this.#listening) {
      this.#listening = true;
      this.#stream.on("data", (chunk: Buffer) => this.#data(chunk));
      this.#stream.on("trailers", (_fields, _flags, raw) => (this.#trailers = trailerLines(raw)));
      this.#stream.on("end", () => this.#end());
    }
    this.#stream.resume();
    this.#env.wheel.set(this, this.#env.settings.http.clientBodyTimeoutMs);
  }

  pauseBody(): void {
    this.#flowing = false;
    this.#stream.pause();
    this.#env.wheel.clear(this);
  }

  resumeBody(): void {
    this.startBody();
  }

  #data(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    const { ctx } = exchange;
    this.#env.wheel.set(this, this.#env.settings.http.clientBodyTimeoutMs);
    this.#bodyBytes += chunk.length;
    ctx.requestLength += chunk.length;
    const limit = this.#env.settings.http.clientMaxBodySize;
    if ((limit > 0 && this.#bodyBytes > limit) || (ctx.bodyLimit > 0 && this.#bodyBytes > ctx.bodyLimit)) {
      this.#stream.pause();
      exchange.requestFailed("DOWNSTREAM_BODY_TOO_LARGE", "body too large");
    } else exchange.requestBody(chunk, 0, chunk.length, false, "");
  }

  #end(): void {
    if (this.#received || this.#stream.aborted || this.#stream.destroyed) return;
    this.#received = true;
    if (!this.#blocked) this.#env.wheel.clear(this);
    this.#exchange?.requestBody(EMPTY, 0, 0, true, this.#trailers);
  }

  // ---- the answer

  interim(head: ResponseText): void {
    if (this.#answering || this.#stream.destroyed) return;
    this.#stream.additionalHeaders(headersOf(interimFields(head.status, head.kept)));
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
    if (this.#stream.destroyed) return true;
    this.#answering = true;
    const fields = answerFields(answer, extra, this.#env.contentTypes);
    this.bytesSent += sizeOf(fields);
    const bodiless = this.#toHead || answer.status === 204 || answer.status === 304;
    const endStream = bodiless || (complete && to === from);
    const waitForTrailers = !complete && !bodiless && answer.contentLength < 0;
    if (waitForTrailers) {
      this.#answerTrailers = "";
      this.#stream.once("wantTrailers", () => this.#sendTrailers());
    }
    this.#stream.respond(fields as never, { endStream, waitForTrailers, sendDate: false } as never);
    if (endStream) {
      this.#answered = true;
      return true;
    }
    return this.#write(buffer, from, to, complete, source);
  }

  body(
    buffer: Buffer,
    from: number,
    to: number,
    complete: boolean,
    trailers: string,
    source: BufferOwner | null,
  ): boolean {
    if (this.#answered || this.#stream.destroyed) return true;
    if (this.#answerTrailers !== null) this.#answerTrailers = trailers;
    return this.#write(buffer, from, to, complete, source);
  }

  #write(buffer: Buffer, from: number, to: number, complete: boolean, source: BufferOwner | null): boolean {
    const stream = this.#stream;
    this.bytesSent += to - from;
    // The library sends later what is overwritten soon.
    const piece = source === null ? buffer.subarray(from, to) : Buffer.from(buffer.subarray(from, to));
    if (complete) {
      this.#answered = true;
      if (piece.length > 0) stream.end(piece);
      else stream.end();
      if (stream.writableLength > 0) this.#block();
      return true;
    }
    if (piece.length === 0 || stream.write(piece)) return true;
    this.#block();
    return false;
  }

  #sendTrailers(): void {
    if (this.#stream.destroyed) return;
    this.#stream.sendTrailers(trailerFields(this.#answerTrailers ?? ""));
    this.#answerTrailers = null;
    if (this.#refusing) setImmediate(() => this.#refuseAfterTrailers());
  }

  abort(): void {
    this.#stream.close(codes.internalError);
  }

  finished(): void {
    this.#exchange = null;
    if (this.#stream.destroyed || this.#received) return;
    // RFC 9113, section 8.1: the answer is whole, and the rest of the request is not wanted.
    this.#refusing = true;
    // Trailers are asked for after everything else has been written.
    if (this.#answerTrailers !== null) return;
    if (this.#stream.writableFinished) this.#refuseRest();
    else this.#stream.once("finish", () => this.#refuseRest());
  }

  #refuseRest(): void {
    this.#stream.close(codes.noError);
    // What is here already is dropped: a stream that is not read to its end is never let go.
    this.#stream.resume();
  }

  /** A reset overtakes what the library has not sent yet, and trailers would be lost. */
  #refuseAfterTrailers(): void {
    if (this.#stream.destroyed) return;
    if (this.#stream.state.localClose === 1) this.#refuseRest();
    else this.#env.wheel.set(this, this.#env.settings.http.sendTimeoutMs);
  }

  // ---- time and end

  /** The client does not take the answer as fast as it comes. */
  #block(): void {
    this.#blocked = true;
    this.#unsent = this.#stream.writableLength;
    this.#env.wheel.set(this, this.#env.settings.http.sendTimeoutMs);
  }

  #drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#env.wheel.clear(this);
    this.#exchange?.drained();
  }

  expired(): void {
    const left = this.#stream.writableLength;
    if (this.#blocked && left < this.#unsent) {
      this.#block();
      return;
    }
    if (this.#refusing) {
      this.#refuseRest();
      return;
    }
    const code: ErrorCode = "DOWNSTREAM_TIMEOUT";
    if (this.#flowing && !this.#received && !this.#blocked && this.#exchange !== null) {
      this.#exchange.requestFailed(code, "the request body did not come in time");
    } else this.#stream.close(codes.cancel);
  }

  #closed(): void {
    this.#env.wheel.forget(this);
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.cancelled();
  }
}

function headersOf(fields: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let i = 0; i < fields.length; i += 2) {
    const before = headers[fields[i]!];
    headers[fields[i]!] = before === undefined ? fields[i + 1]! : [before, fields[i + 1]!].flat();
  }
  return headers;
}

/** Before compression, as clients of HTTP/1.1 would count it. */
function sizeOf(fields: readonly string[]): number {
  let size = 0;
  for (const text of fields) size += text.length + 2;
  return size;
}
