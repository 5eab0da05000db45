import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { loadHttp2 } from "../../lib/lazy-http2.ts";
import type { Timed } from "../../lib/timer-wheel.ts";
import type { Environment } from "../environment.ts";
import { DRAIN_GRACE_MS, LINGER_MS } from "../http1/limits.ts";
import type { Peer } from "../peer.ts";
import { codes } from "./error-codes.ts";
import { FrameBudget } from "./frame-budget.ts";
import { requestHead } from "./request-head.ts";
import { RequestStream } from "./request-stream.ts";

/** Streams that one client may have open at a time, nginx's default. */
const MAX_STREAMS = 128;
/** Fields of one head; their bytes are bounded by the settings. */
const MAX_FIELDS = 1_000;
/** Memory of one connection in the library, in MB: heads, and data that waits for a window. */
const MAX_MEMORY_MB = 10;
/** Streams that may be reset, PINGs and SETTINGS that may come: at once, and then a second. */
const BURST = 200;
const PER_SECOND = 33;
const END_STREAM = 1;
/** Before the last stream is named, RFC 9113, section 6.8, has a GOAWAY that names the highest. */
const HIGHEST_STREAM = 2 ** 31 - 1;

/**
 * One HTTP/2 connection of a client (RFC 9113).
 *
 *   open ──drain, too many requests──▶ announced (GOAWAY) ──▶ ending (the last stream is named) ──▶ closed
 *     └──idle, flood, gone───────────────────────────────────────────────────────────────────────────┘
 */
export class Http2Connection implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #env: Environment;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #peer: Peer;
  readonly #closed: (connection: Http2Connection) => void;
  readonly #pings: FrameBudget;
  readonly #settings: FrameBudget;
  readonly #resets: FrameBudget;
  #open = 0;
  #requests = 0;
  #ending = false;

  /** @param socket whose first bytes, if they were read already, have been put back; the connection owns it. */
  constructor(env: Environment, socket: Socket, peer: Peer, closed: (connection: Http2Connection) => void) {
    this.#env = env;
    this.#socket = socket;
    this.#peer = { ...peer, http2: true };
    this.#closed = closed;
    this.#pings = new FrameBudget(BURST, PER_SECOND, env.wheel.now);
    this.#settings = new FrameBudget(BURST, PER_SECOND, env.wheel.now);
    this.#resets = new FrameBudget(BURST, PER_SECOND, env.wheel.now);
    // Loaded by those alone who are asked for it: it would cost every thread's start.
    const session = loadHttp2().performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: MAX_STREAMS,
        maxHeaderListSize: env.settings.http.maxHead,
        enablePush: false,
      },
      maxHeaderListPairs: MAX_FIELDS,
      maxSessionMemory: MAX_MEMORY_MB,
      maxSessionInvalidFrames: BURST,
      maxSessionRejectedStreams: BURST,
      streamResetBurst: BURST,
      streamResetRate: PER_SECOND,
      strictSingleValueFields: false,
    } as never) as ServerHttp2Session;
    this.#session = session;
    session.on("stream", (stream, _headers, flags, fields) => this.#request(stream, flags, fields));
    session.on("ping", () => this.#count(this.#pings));
    session.on("remoteSettings", () => this.#count(this.#settings));
    // What went wrong is told by `close`.
    session.on("error", () => {});
    session.on("close", () => this.#gone());
    socket.on("error", () => {});
    // A client that has ended its half asks for nothing more, and takes nothing more in this protocol.
    socket.on("end", () => session.destroy());
    env.wheel.set(this, env.settings.http.clientHeaderTimeoutMs);
  }

  /** What it does at the moment, in the words of nginx. */
  get activity(): "writing" | "waiting" {
    return this.#open > 0 ? "writing" : "waiting";
  }

  /** Lets what is under way end; a connection that is idle may still ask within a grace. */
  drain(): void {
    this.#announceEnd();
  }

  destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  /** Refuses the connection: there are too many. */
  turnAway(): void {
    this.#session.destroy(undefined, codes.enhanceYourCalm);
  }

  #request(stream: ServerHttp2Stream, flags: number, fields: readonly string[]): void {
    const env = this.#env;
    const endsHere = (flags & END_STREAM) !== 0;
    this.#requests++;
    this.#open++;
    env.wheel.clear(this);
    const request = new RequestStream(env, stream, endsHere);
    stream.once("close", () => this.#streamClosed(stream.rstCode));
    const head = requestHead(fields, endsHere, env.settings.http);
    if (head === null) stream.close(codes.protocolError);
    else request.start(head, this.#peer, this.#requests);
    const { keepaliveRequests: limit, keepaliveTimeoutMs } = env.settings.http;
    if (keepaliveTimeoutMs === 0 || (limit > 0 && this.#requests >= limit)) this.#announceEnd();
  }

  #streamClosed(code: number): void {
    this.#open--;
    // Whoever made it happen: a client can have the server reset streams as well as reset them itself.
    if (code !== codes.noError) this.#count(this.#resets);
    if (this.#open > 0) return;
    const { wheel, draining, settings } = this.#env;
    wheel.set(this, draining || this.#ending ? DRAIN_GRACE_MS : settings.http.keepaliveTimeoutMs);
  }

  #count(budget: FrameBudget): void {
    const session = this.#session;
    if (budget.take(performance.now()) || session.destroyed) return;
    session.goaway(codes.enhanceYourCalm);
    session.destroy();
  }

  /** Says that there will be an end, and names the last stream once that has reached the client. */
  #announceEnd(): void {
    const session = this.#session;
    if (this.#ending || session.destroyed || session.closed) return;
    this.#ending = true;
    session.goaway(codes.noError, HIGHEST_STREAM);
    session.ping(() => session.close());
    if (this.#open === 0) this.#env.wheel.set(this, DRAIN_GRACE_MS);
  }

  expired(): void {
    const session = this.#session;
    if (this.#open > 0 || session.destroyed) return;
    if (session.closed) {
      this.destroy();
      return;
    }
    // Idle for too long, or the answer to the PING has not come.
    session.close();
    this.#env.wheel.set(this, LINGER_MS);
  }

  #gone(): void {
    this.#env.wheel.forget(this);
    this.#socket.destroy();
    this.#closed(this);
  }
}
