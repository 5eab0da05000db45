import { createServer, type Server, type Socket } from "node:net";
import type { WorkerRecord } from "../board/board.ts";
import { WorkerCell } from "../board/metric-memory.ts";
import type { MetricWriter } from "../board/metric-writer.ts";
import type { Engine } from "../compile/plan.ts";
import { TimerWheel } from "../lib/timer-wheel.ts";
import type { Address, HttpListen, Settings } from "../settings/settings.ts";
import type { CertificateLookup } from "../tls/certificate-index.ts";
import { TicketKeys, type TicketSeed } from "../tls/ticket-keys.ts";
import type { TlsAcceptor } from "../tls/tls-acceptor.ts";
import { UpstreamPools } from "../upstream/pools.ts";
import { Complaints } from "./complaints.ts";
import { type AccessLogSink, createEnvironment, type Environment, httpDate, type LogSink } from "./environment.ts";
import { Http1Connection } from "./http1/connection.ts";
import type { Http2Connection } from "./http2/connection.ts";
import { addressFailure, formatListen } from "./listen-failure.ts";
import type { ProxiedEnds } from "../plugin/context.ts";
import { type Peer, withoutMapping } from "./peer.ts";
import { statusPage } from "../lib/status-pages.ts";
import { closeListeners } from "./quiet-turn.ts";
import { loadHttp2, loadProxyHeader, loadTlsAcceptor } from "./rare-parts.ts";
import { tlsPeer } from "./tls-peer.ts";

/** What a server is made of. It owns its sockets, pools and timer; the rest belongs to the caller. */
export interface HttpServerParts {
  readonly settings: Settings;
  readonly engine: Engine;
  /** The certificates of listeners with TLS, and what demands certificates of clients. */
  readonly certificates: CertificateLookup;
  /** Of the keys of session tickets. */
  readonly tickets: TicketSeed;
  readonly record: WorkerRecord;
  /** Where numbers are counted on from those of the thread before; `null`: nowhere. */
  readonly metrics?: MetricWriter | null;
  /** The worker id. */
  readonly slot: number;
  readonly accessLog: AccessLogSink | null;
  readonly log: LogSink;
}

/** The HTTP data plane of one worker. */
export interface HttpServer {
  /**
   * Listens on every address (port 0: any free one) and answers with those that came of it.
   * Rejects with `ADDRESS_IN_USE`, naming the address; nothing is left listening then.
   */
  listen(addresses: readonly HttpListen[]): Promise<Address[]>;
  /** Takes no connections any more; those that there are go on as before. */
  stopListening(): Promise<void>;
  /**
   * Stops listening and finishes what is in flight; resolves when no connection is left.
   * What is left after `timeoutMs` is cut.
   */
  drain(timeoutMs: number): Promise<void>;
  /** Cuts everything. */
  close(): void;
  /** Writes the numbers of connections, to clients and nodes, and of requests to the board and the metrics. */
  flushCounters(): void;
}

const BACKLOG = 511;
/** Connections above `worker_connections` that are being told so. */
const MAX_TURNED_AWAY = 256;
/** Time between two lines that say so in the log. */
const FULL_WARNING_MS = 10_000;

/** What ALPN is answered with, the preferred one first. */
const WITH_HTTP2 = ["h2", "http/1.1", "http/1.0"];
const WITHOUT_HTTP2 = ["http/1.1", "http/1.0"];

/** Makes the data plane of a worker; `close` or `drain` ends it. */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  return new RawHttpServer(parts);
}

let lastConnectionId = 0;

/** A connection of a client, or one that is about to be. */
interface Connection {
  /** What it does at the moment, in the words of nginx. */
  readonly activity: "reading" | "writing" | "waiting";
  drain(): void;
  destroy(): void;
}

class RawHttpServer implements HttpServer {
  readonly #env: Environment;
  readonly #record: WorkerRecord;
  readonly #metrics: MetricWriter | null;
  #refused = 0;
  readonly #slot: number;
  readonly #connections = new Set<Connection>();
  readonly #makeAcceptor: () => TlsAcceptor;
  /** Made with the first connection over TLS. */
  #acceptor: TlsAcceptor | null = null;
  readonly #listeners: Server[] = [];
  readonly #complaints: Complaints;
  /** Connections accepted so far, to see whether a turn of the loop brought any. */
  #accepted = 0;
  #emptied: (() => void) | null = null;
  readonly #left = (connection: Connection): void => this.#gone(connection);
  /** On the clock of the wheel. */
  #nextFullWarning = 0;

  constructor(parts: HttpServerParts) {
    const { settings, engine, certificates, accessLog, log } = parts;
    const wheel = new TimerWheel();
    const pools = new UpstreamPools(wheel, settings.upstream.maxHead);
    this.#record = parts.record;
    this.#metrics = parts.metrics ?? null;
    this.#slot = parts.slot;
    this.#env = createEnvironment(
      { settings, engine, certificates, accessLog, log, wheel, pools },
      parts.slot,
      () => parts.record.revision,
    );
    this.#complaints = new Complaints(log, wheel);
    this.#makeAcceptor = () => {
      const answerPlain = (socket: Socket): void => answerClearText(socket, this.#env.serverName);
      const tickets = new TicketKeys(parts.tickets);
      const { TlsAcceptor } = loadTlsAcceptor();
      return new TlsAcceptor({ settings: settings.tls!, certificates, tickets, wheel, log, answerPlain });
    };
  }

  async listen(addresses: readonly HttpListen[]): Promise<Address[]> {
    const bound: Address[] = [];
    try {
      for (const address of addresses) bound.push(await this.#open(address));
    } catch (error) {
      for (const listener of this.#listeners.splice(0)) listener.close();
      throw error;
    }
    return bound;
  }

  async stopListening(): Promise<void> {
    await closeListeners(this.#listeners, () => this.#accepted);
  }

  async drain(timeoutMs: number): Promise<void> {
    const env = this.#env;
    await this.stopListening();
    env.draining = true;
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size > 0) await this.#untilEmpty(timeoutMs);
    this.close();
  }

  close(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#env.draining = true;
    for (const connection of this.#connections) connection.destroy();
    this.#env.pools.close();
    this.#env.wheel.close();
    this.flushCounters();
  }

  flushCounters(): void {
    this.#record.connections = this.#connections.size;
    this.#record.requests = this.#env.requests;
    const { open, queued, connectFailures } = this.#env.pools.counters;
    this.#record.upstreamConnections = open;
    this.#record.upstreamQueued = queued;
    this.#record.connectFailures = connectFailures;
    if (this.#metrics !== null) this.#flushMetrics(this.#metrics, connectFailures);
  }

  #flushMetrics(metrics: MetricWriter, connectFailures: number): void {
    metrics.total(WorkerCell.requests, this.#env.requests);
    metrics.total(WorkerCell.accepted, this.#accepted);
    metrics.total(WorkerCell.refused, this.#refused);
    metrics.total(WorkerCell.connectFailures, connectFailures);
    let reading = 0;
    let writing = 0;
    for (const { activity } of this.#connections) {
      if (activity === "writing") writing++;
      else if (activity === "reading") reading++;
    }
    metrics.gauge(WorkerCell.reading, reading);
    metrics.gauge(WorkerCell.writing, writing);
    metrics.gauge(WorkerCell.waiting, this.#connections.size - reading - writing);
  }

  #open(address: HttpListen): Promise<Address> {
    const { ip, port } = address;
    const { promise, resolve, reject } = Promise.withResolvers<Address>();
    const options = { pauseOnConnect: true, noDelay: true, allowHalfOpen: true };
    const listener = createServer(options, (socket) => this.#accept(socket, address));
    const failed = (error: Error): void => reject(addressFailure({ ip, port }, error));
    listener.once("error", failed);
    // Only Linux spreads connections over sockets that share a port.
    const reusePort = process.platform === "linux" && port !== 0;
    listener.listen({ host: ip, port, backlog: BACKLOG, reusePort, ipv6Only: ip.includes(":") }, () => {
      listener.off("error", failed);
      listener.on("error", (error) => this.#env.log.error(`listener ${formatListen({ ip, port })}: ${error.message}`));
      this.#listeners.push(listener);
      const address = listener.address();
      resolve({ ip, port: address !== null && typeof address === "object" ? address.port : port });
    });
    return promise;
  }

  #accept(socket: Socket, listen: HttpListen): void {
    this.#accepted++;
    // The client may have gone between the kernel's accept and now.
    if (socket.remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    if (listen.proxyProtocol) this.#readProxyHeader(socket, listen);
    else this.#arrived(socket, listen, null, false);
  }

  /** Waits for the PROXY header. That counts as a connection, too. */
  #readProxyHeader(socket: Socket, listen: HttpListen): void {
    const { settings, wheel, realIp } = this.#env;
    if (this.#isFull(socket)) return;
    const from = withoutMapping(socket.remoteAddress ?? "");
    const reader = new (loadProxyHeader().ProxyHeaderReader)(socket, wheel, settings.http.clientHeaderTimeoutMs, {
      headerRead: ({ ends }, rest) => {
        this.#connections.delete(reader);
        if (rest.length > 0) socket.unshift(rest);
        this.#arrived(socket, listen, ends, realIp.believesProxy(from));
      },
      headerFailed: (fault) => {
        if (fault !== "") this.#complaints.add("connection refused", `${fault}, client ${from}`);
        this.#gone(reader);
      },
    });
    this.#connections.add(reader);
  }

  /**
   * @param proxied what a PROXY header has told.
   * @param believed whether its sender may say who the client is.
   */
  #arrived(socket: Socket, listen: HttpListen, proxied: ProxiedEnds | null, believed: boolean): void {
    const peer = this.#peerOf(socket, proxied, believed);
    if (listen.tls) this.#secure(socket, peer, listen.http2);
    else
      this.#take(new Http1Connection(this.#env, socket, peer, this.#left, listen.http2 ? this.#changed(peer) : null));
  }

  /** A connection in clear text has turned out to be one of HTTP/2. */
  #changed(peer: Peer): (socket: Socket, before: Http1Connection) => void {
    return (socket, before) => {
      this.#connections.delete(before);
      this.#take(new (loadHttp2().Http2Connection)(this.#env, socket, peer, this.#left));
    };
  }

  #take(connection: Http1Connection | Http2Connection): void {
    this.#connections.add(connection);
    if (this.#connections.size > this.#env.settings.http.workerConnections) this.#turnAway(connection);
    else if (this.#env.draining) connection.drain();
  }

  /** Has a handshake done. It counts as a connection, and of too many the newest is closed. */
  #secure(socket: Socket, peer: Peer, http2: boolean): void {
    if (this.#isFull(socket)) return;
    this.#acceptor ??= this.#makeAcceptor();
    const handshake = this.#acceptor.accept(socket, http2 ? WITH_HTTP2 : WITHOUT_HTTP2, {
      secured: (secured) => {
        this.#connections.delete(handshake);
        const known: Peer = { ...peer, scheme: "https", tls: tlsPeer(secured) };
        const { socket: secure, protocol } = secured;
        if (protocol === "h2") this.#take(new (loadHttp2().Http2Connection)(this.#env, secure, known, this.#left));
        else this.#take(new Http1Connection(this.#env, secure, known, this.#left, null));
      },
      failed: () => this.#gone(handshake),
    });
    this.#connections.add(handshake);
  }

  /** Closes the newest of too many connections. */
  #isFull(socket: Socket): boolean {
    if (this.#connections.size < this.#env.settings.http.workerConnections) return false;
    this.#refused++;
    socket.destroy();
    this.#warnOfTooMany();
    return true;
  }

  /** Says 503 to one too many; to a flood of them nothing, since each answer keeps its socket for a while. */
  #turnAway(connection: Http1Connection | Http2Connection): void {
    this.#refused++;
    const limit = this.#env.settings.http.workerConnections;
    if (this.#connections.size > limit + MAX_TURNED_AWAY) connection.destroy();
    else connection.turnAway();
    this.#warnOfTooMany();
  }

  #warnOfTooMany(): void {
    const { settings, wheel, log } = this.#env;
    if (wheel.now < this.#nextFullWarning) return;
    this.#nextFullWarning = wheel.now + FULL_WARNING_MS;
    log.error(`${settings.http.workerConnections} worker_connections are not enough`);
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#emptied?.();
  }

  #peerOf(socket: Socket, proxied: ProxiedEnds | null, believed: boolean): Peer {
    const socketAddress = withoutMapping(socket.remoteAddress ?? "");
    const socketPort = socket.remotePort ?? 0;
    const source = proxied !== null && believed ? proxied.source : null;
    const address = source?.ip ?? socketAddress;
    const env = this.#env;
    return {
      address,
      port: source?.port ?? socketPort,
      socketAddress,
      proxied: proxied === null ? null : { ...proxied, socketPort },
      serverAddress: withoutMapping(socket.localAddress ?? ""),
      serverPort: socket.localPort ?? 0,
      scheme: "http",
      http2: false,
      tls: null,
      connectionId: ++lastConnectionId * 256 + (this.#slot % 256),
      acceptedMs: Math.trunc(performance.now()),
      believed: env.realIp.header !== "" && env.realIp.believes(address),
      trusted: env.trusts(address),
      forwardedLines: `X-Real-IP: ${address}\r\nX-Forwarded-For: ${address}\r\n`,
    };
  }

  #untilEmpty(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const connection of this.#connections) connection.destroy();
      }, timeoutMs);
      this.#emptied = () => {
        clearTimeout(timer);
        this.#emptied = null;
        resolve();
      };
    });
  }
}

/** Tells a client that speaks HTTP where TLS is expected, as nginx does. */
function answerClearText(socket: Socket, serverName: string): void {
  const page = statusPage(400, serverName, "The plain HTTP request was sent to HTTPS port");
  const head =
    `HTTP/1.1 400 Bad Request\r\nServer: ${serverName}\r\nDate: ${httpDate()}\r\nContent-Type: text/html\r\n` +
    `Content-Length: ${Buffer.byteLength(page)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + page, () => socket.destroy());
}
