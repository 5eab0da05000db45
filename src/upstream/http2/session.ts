import type { ClientHttp2Session, OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { loadHttp2 } from "../../lib/lazy-http2.ts";
import type { Timed, TimerWheel } from "../../lib/timer-wheel.ts";
import { connectSecurely, type NodeTls } from "../node-tls.ts";
import type { UpstreamNode } from "../upstream.ts";
import { type StreamOwner, type StreamSink, type StreamTimes, UpstreamStream } from "./stream.ts";

/**
 * One HTTP/2 connection to a node.
 *
 *   connecting ──SETTINGS──▶ open ──GOAWAY, spent──▶ closing ──last stream──▶ closed
 *       └──────failed, too late──────┴────────────connection lost──────────────▲
 */

/** What a session needs of its pool. */
export interface SessionOwner {
  /** The node has said what it allows: streams may be opened. */
  opened(session: UpstreamSession): void;
  /** A stream has ended. */
  streamEnded(session: UpstreamSession): void;
  /** The session is gone; where it is not `open` it never was. */
  closed(session: UpstreamSession): void;
}

/** Streams on one connection at most, whatever the node allows: then another one is opened. */
const MAX_STREAMS = 100;
/** Bytes of an answer that may be on their way while its client does not read. */
const STREAM_WINDOW = 262_144;
/** The same for all streams of a connection; what is read is given back at once. */
const CONNECTION_WINDOW = 4_194_304;
/** Megabytes that a session may hold; beyond, it refuses streams. */
const SESSION_MEMORY = 64;
/** Bytes of a header section beyond which an answer is refused. */
const MAX_HEADER_LIST = 16_384;
/** Silence after which TCP asks whether the node is still there. */
const KEEPALIVE_PROBE_MS = 15_000;

export class UpstreamSession implements Timed, StreamOwner {
  deadline = Infinity;
  dueTick = -1;
  open = false;
  /** It takes no more streams. */
  closing = false;
  /** Streams that are under way. */
  streams = 0;
  /** Streams so far. */
  requests = 0;
  lastStreamId = Infinity;
  error = "";
  timedOut = false;
  readonly #session: ClientHttp2Session;
  readonly #owner: SessionOwner;
  readonly #wheel: TimerWheel;
  #gone = false;

  /** @param tlsName the name asked for in TLS; `tls` is `null` for clear text (prior knowledge). */
  constructor(
    node: UpstreamNode,
    tls: NodeTls | null,
    tlsName: string,
    owner: SessionOwner,
    wheel: TimerWheel,
    connectMs: number,
  ) {
    this.#owner = owner;
    this.#wheel = wheel;
    const { host, port, lookup, address } = node;
    const options = { host, port, lookup, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_PROBE_MS };
    const socket =
      tls === null
        ? connectTcp(options)
        : connectSecurely(tls, tlsName, address, { ...options, ALPNProtocols: ["h2"] });
    const session = loadHttp2().connect(`http://${address}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: MAX_HEADER_LIST },
      maxSessionMemory: SESSION_MEMORY,
    });
    this.#session = session;
    session.once("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW));
    session.once("remoteSettings", () => this.#opened());
    session.on("goaway", (code, lastStreamId) => this.#goingAway(code, lastStreamId));
    session.on("error", (error: Error) => {
      this.error = error.message;
    });
    session.on("close", () => this.#closed());
    wheel.set(this, connectMs);
  }

  /** Streams that may be opened now. */
  get room(): number {
    if (!this.open || this.closing || this.#session.destroyed || this.#session.closed) return 0;
    const allowed = Math.min(MAX_STREAMS, this.#session.remoteSettings.maxConcurrentStreams ?? MAX_STREAMS);
    return allowed - this.streams;
  }

  /** Sends a request; `complete`: it has no body. Throws where the headers cannot be sent. */
  request(headers: OutgoingHttpHeaders, complete: boolean, sink: StreamSink, times: StreamTimes): UpstreamStream {
    const stream = this.#session.request(headers, { endStream: complete });
    this.streams++;
    this.requests++;
    this.#wheel.clear(this);
    const made = new UpstreamStream(stream, sink, this, times, this.#wheel);
    if (complete) made.sent();
    return made;
  }

  ended(): void {
    this.streams--;
    this.#owner.streamEnded(this);
  }

  /** Waits for requests for at most `ms`; 0: as long as the node lets it. */
  rest(ms: number): void {
    this.#wheel.set(this, ms);
  }

  /** Takes no more streams and ends with the last one. */
  retire(): void {
    this.closing = true;
    if (!this.#session.destroyed && !this.#session.closed) this.#session.close();
  }

  expired(): void {
    if (!this.open) {
      this.timedOut = true;
      this.#session.destroy();
    } else if (this.streams === 0) this.retire();
  }

  #opened(): void {
    if (this.#gone) return;
    this.open = true;
    this.#wheel.clear(this);
    this.#owner.opened(this);
  }

  /** Node closes the session itself; streams that the node has not looked at are reset. */
  #goingAway(code: number, lastStreamId: number): void {
    this.closing = true;
    this.lastStreamId = lastStreamId;
    if (code !== 0 && this.error === "") this.error = `the node closed the connection (GOAWAY, code ${code})`;
  }

  #closed(): void {
    this.#gone = true;
    this.closing = true;
    this.#wheel.forget(this);
    this.#owner.closed(this);
  }
}
