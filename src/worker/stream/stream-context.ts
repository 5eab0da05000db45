import type { StreamEnds } from "../../compile/stream/stream-plan.ts";
import type {
  Attempt,
  ProxiedEnds,
  RequestContext,
  RouteInfo,
  TlsInfo,
  UpstreamRequest,
} from "../../plugin/context.ts";
import type { ProxiedPeer } from "../peer.ts";

const NO_ROUTE: RouteInfo = { id: "", name: "", serviceId: "", serviceName: "" };
const NO_HEADERS: readonly never[] = [];

/** There is no request to a node. */
const NO_REQUEST: UpstreamRequest = {
  method: "",
  target: "",
  host: null,
  bufferBody: false,
  body: null,
  choice: null,
  header: () => undefined,
  setHeader: () => undefined,
  addHeader: () => undefined,
  removeHeader: () => undefined,
};

/** What goes to nodes, and where it comes from and arrives. */
export interface StreamPeer extends StreamEnds {
  readonly protocol: "TCP" | "UDP";
  readonly remotePort: number;
  /** Address of the other end of the connection itself; differs from `remoteAddr` behind a PROXY header. */
  readonly socketAddr: string;
  /** `null`: no PROXY header has told of addresses. */
  readonly proxied: ProxiedPeer | null;
  readonly connectionId: number;
  /** `null`: clear text. */
  readonly tls: TlsInfo | null;
}

/**
 * A TCP or UDP stream as plugins, matchers and log formats see it: a request of which
 * everything that belongs to HTTP is empty. `values` holds nginx's variables of streams.
 */
export class StreamContext implements RequestContext {
  readonly #peer: StreamPeer;
  readonly #startedTicks = performance.now();
  route: RouteInfo = NO_ROUTE;
  /** nginx's status of a session: 200, 400, 403, 500, 502, 503. */
  status = 0;
  /** Bytes from the client. */
  received = 0;
  /** Bytes to the client. */
  bytesSent = 0;
  attempts: Attempt[] = [];
  readonly nodeBodyBytes = 0;
  #endedTicks = 0;
  #values: Map<string, unknown> | null = null;

  readonly method = "";
  readonly target = "";
  readonly uri = "";
  readonly routePath = "";
  readonly query = "";
  readonly host = "";
  readonly scheme = "http";
  readonly peerTrusted = false;
  readonly realIpHeader = "";
  readonly connectionRequests = 1;
  readonly completed = false;
  readonly consumer = null;
  readonly upstream = NO_REQUEST;
  readonly capturedBody = null;
  readonly capturedAnswer = null;

  constructor(peer: StreamPeer) {
    this.#peer = peer;
  }

  get tls(): TlsInfo | null {
    return this.#peer.tls;
  }

  get protocol(): string {
    return this.#peer.protocol;
  }

  get remoteAddr(): string {
    return this.#peer.remoteAddr;
  }

  get remotePort(): number {
    return this.#peer.remotePort;
  }

  get realipRemoteAddr(): string {
    return this.#peer.socketAddr;
  }

  get realipRemotePort(): number {
    return this.#peer.proxied === null ? this.#peer.remotePort : this.#peer.proxied.socketPort;
  }

  get proxied(): ProxiedEnds | null {
    return this.#peer.proxied;
  }

  get serverAddr(): string {
    return this.#peer.serverAddr;
  }

  get serverPort(): number {
    return this.#peer.serverPort;
  }

  get connectionId(): number {
    return this.#peer.connectionId;
  }

  /** A stream is its connection. */
  get connectionTime(): number {
    return this.requestTime;
  }

  get startedAt(): number {
    return performance.timeOrigin + this.#startedTicks;
  }

  get requestLength(): number {
    return this.received;
  }

  get bodyBytesSent(): number {
    return this.bytesSent;
  }

  get requestTime(): number {
    return ((this.#endedTicks === 0 ? performance.now() : this.#endedTicks) - this.#startedTicks) / 1_000;
  }

  get values(): Map<string, unknown> {
    return (this.#values ??= new Map<string, unknown>([["protocol", this.#peer.protocol]]));
  }

  /** Sets what is known at the end. */
  end(): void {
    this.#endedTicks = performance.now();
    this.values.set("bytes_received", this.received);
    this.values.set("session_time", this.requestTime.toFixed(3));
    // Bytes pass to and from the node that has taken the stream, which is the last that was asked.
    const taken = this.attempts.length - 1;
    if (taken < 0) return;
    const perAttempt = (bytes: number): string => this.attempts.map((_, i) => (i === taken ? bytes : 0)).join(", ");
    this.values.set("upstream_bytes_sent", perAttempt(this.received));
    this.values.set("upstream_bytes_received", perAttempt(this.bytesSent));
  }

  header(): undefined {
    return undefined;
  }

  headers(): readonly never[] {
    return NO_HEADERS;
  }

  argument(): undefined {
    return undefined;
  }

  cookie(): undefined {
    return undefined;
  }

  bodyFor(): null {
    return null;
  }

  readBody(): Promise<null> {
    return Promise.resolve(null);
  }

  captureBody(): void {
    // A stream has no body.
  }

  captureAnswer(): void {
    // A stream has no body.
  }

  limitBody(): void {
    // A stream has no body.
  }

  setRemote(): void {
    // The address of a stream is known before any plugin runs.
  }

  authenticate(): void {
    // Nobody can say who they are.
  }

  nodeHeader(): undefined {
    return undefined;
  }

  nodeCookie(): undefined {
    return undefined;
  }

  responseHeader(): undefined {
    return undefined;
  }

  takeTrailers(): readonly never[] {
    return NO_HEADERS;
  }

  responseHeaders(): readonly never[] {
    return NO_HEADERS;
  }
}
