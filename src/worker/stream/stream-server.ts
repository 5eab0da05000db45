import { createServer, type Server, type Socket } from "node:net";
import type { WorkerRecord } from "../../board/board.ts";
import { WorkerCell } from "../../board/metric-memory.ts";
import type { MetricWriter } from "../../board/metric-writer.ts";
import type { StreamEnds, StreamPlan } from "../../compile/stream/stream-plan.ts";
import { TimerWheel } from "../../lib/timer-wheel.ts";
import type { ProxiedEnds } from "../../plugin/context.ts";
import type { Address, Settings, StreamListener, StreamSettings } from "../../settings/settings.ts";
import type { CertificateLookup } from "../../tls/certificate-index.ts";
import { normaliseName } from "../../tls/client-hello.ts";
import { TicketKeys, type TicketSeed } from "../../tls/ticket-keys.ts";
import { TlsAcceptor } from "../../tls/tls-acceptor.ts";
import type { AccessLogSink, LogSink } from "../environment.ts";
import { addressFailure, formatListen } from "../listen-failure.ts";
import { withoutMapping } from "../peer.ts";
import { ProxyHeaderReader } from "../proxy-protocol/read-header.ts";
import { Complaints } from "../complaints.ts";
import { tlsPeer } from "../tls-peer.ts";
import { closeListeners, quietTurn } from "../quiet-turn.ts";
import { type StreamEnvironment } from "./stream-environment.ts";
import { HIGH_WATER, TcpStream } from "./tcp-stream.ts";
import type { StreamPeer } from "./stream-context.ts";
import { UdpListener } from "./udp-listener.ts";

/** What a server is made of. It owns its sockets and its timer; the rest belongs to the caller. */
export interface StreamServerParts {
  readonly settings: StreamSettings;
  readonly workerConnections: Settings["http"]["workerConnections"];
  readonly match: (ends: StreamEnds) => StreamPlan | null;
  /** The certificates of listeners with TLS. */
  readonly certificates: CertificateLookup;
  /** Of the keys of session tickets. */
  readonly tickets: TicketSeed;
  readonly record: WorkerRecord;
  /** `null`: nobody exports metrics. */
  readonly metrics: MetricWriter | null;
  /** The worker id. */
  readonly slot: number;
  readonly accessLog: AccessLogSink | null;
  readonly log: LogSink;
}

/** A connection that is no stream yet. */
interface Arriving {
  /** The thread is to end soon. */
  drain(): void;
  destroy(): void;
}

const BACKLOG = 511;
/** How long a PROXY header may take, as in nginx. */
const PROXY_HEADER_MS = 30_000;
/** How long a draining worker waits for answers to datagrams. */
const UDP_DRAIN_MS = 1_000;

let lastConnectionId = 0;

/** TCP and UDP streams of one worker; `close` or `drain` ends it. */
export class StreamServer {
  readonly #settings: StreamSettings;
  readonly #limit: number;
  readonly #record: WorkerRecord;
  readonly #metrics: MetricWriter | null;
  readonly #slot: number;
  readonly #env: StreamEnvironment;
  readonly #wheel = new TimerWheel();
  readonly #log: LogSink;
  readonly #tcp: Server[] = [];
  readonly #udp: UdpListener[] = [];
  readonly #streams = new Set<TcpStream>();
  /** Connections of which the PROXY header or the TLS handshake is still to come. */
  readonly #arriving = new Set<Arriving>();
  /** `null`: no listener speaks TLS. */
  readonly #acceptor: TlsAcceptor | null;
  /** The name that routes are matched with where a client asks for none. */
  readonly #fallbackSni: string | null;
  #sessions = 0;
  #accepted = 0;
  #refused = 0;
  #emptied: (() => void) | null = null;
  /** Is told where no UDP session is left. */
  #answered: (() => void) | null = null;

  constructor(parts: StreamServerParts) {
    this.#settings = parts.settings;
    this.#limit = parts.workerConnections;
    this.#record = parts.record;
    this.#metrics = parts.metrics;
    this.#slot = parts.slot;
    this.#log = parts.log;
    const { settings, certificates, log } = parts;
    const { tls } = settings;
    const fallback = tls?.fallbackSni ?? null;
    this.#fallbackSni = fallback === null ? null : normaliseName(fallback);
    const tickets = new TicketKeys(parts.tickets);
    this.#acceptor =
      tls === null ? null : new TlsAcceptor({ settings: tls, certificates, tickets, wheel: this.#wheel, log });
    this.#env = {
      match: parts.match,
      wheel: this.#wheel,
      accessLog: parts.accessLog,
      complaints: new Complaints(parts.log, this.#wheel),
      proxyProtocolToUpstream: parts.settings.proxyProtocolToUpstream,
      upstreamConnections: 0,
      connectFailures: 0,
    };
  }

  /** Listens on every address. Rejects with `ADDRESS_IN_USE`, naming the address; nothing is left listening then. */
  async listen(): Promise<readonly Address[]> {
    const bound: Address[] = [];
    try {
      for (const listener of this.#settings.tcp) bound.push(await this.#openTcp(listener));
      for (const address of this.#settings.udp) bound.push(await this.#openUdp(address));
    } catch (error) {
      this.close();
      throw error;
    }
    return bound;
  }

  /** Takes no connections any more; streams that are open and datagrams go on. */
  async stopListening(): Promise<void> {
    await closeListeners(this.#tcp, () => this.#accepted);
  }

  /**
   * Stops listening and lets what is open finish; resolves when nothing is left. What is
   * left after `timeoutMs` is cut, datagrams that nobody has answered earlier.
   */
  async drain(timeoutMs: number): Promise<void> {
    await this.stopListening();
    for (const arriving of this.#arriving) arriving.drain();
    const datagrams = this.#drainUdp(Math.min(timeoutMs, UDP_DRAIN_MS));
    if (this.#open > 0) await this.#untilEmpty(timeoutMs);
    await datagrams;
    this.close();
  }

  /** Cuts everything. */
  close(): void {
    for (const listener of this.#tcp.splice(0)) listener.close();
    this.#closeUdp();
    this.#cut();
    this.#wheel.close();
    this.#flushMetrics();
  }

  /** Adds the streams to the numbers on the board, which the server for HTTP has just written. */
  addCounters(): void {
    this.#record.connections += this.#open;
    this.#record.upstreamConnections += this.#env.upstreamConnections;
    this.#record.connectFailures += this.#env.connectFailures;
    this.#flushMetrics();
  }

  #flushMetrics(): void {
    this.#metrics?.total(WorkerCell.streamsRefused, this.#refused);
    this.#metrics?.total(WorkerCell.streamConnectFailures, this.#env.connectFailures);
  }

  /** TCP streams and UDP sessions. */
  get #open(): number {
    return this.#streams.size + this.#arriving.size + this.#sessions;
  }

  #openTcp({ ip, port, tls }: StreamListener): Promise<Address> {
    const { promise, resolve, reject } = Promise.withResolvers<Address>();
    const options = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER };
    const listener = createServer(options, (socket) => this.#accept(socket, tls));
    const failed = (error: Error): void => reject(addressFailure({ ip, port }, error));
    listener.once("error", failed);
    // Only Linux spreads connections over sockets that share a port.
    const reusePort = process.platform === "linux" && port !== 0;
    listener.listen({ host: ip, port, backlog: BACKLOG, reusePort, ipv6Only: ip.includes(":") }, () => {
      listener.off("error", failed);
      listener.on("error", (error) => this.#log.error(`listener ${formatListen({ ip, port })}: ${error.message}`));
      this.#tcp.push(listener);
      const address = listener.address();
      resolve({ ip, port: address !== null && typeof address === "object" ? address.port : port });
    });
    return promise;
  }

  async #openUdp(address: Address): Promise<Address> {
    const listener = await UdpListener.open(
      {
        env: this.#env,
        mayOpen: () => this.#mayOpen(),
        opened: () => this.#sessions++,
        gone: () => {
          if (--this.#sessions === 0) this.#answered?.();
          this.#gone();
        },
        connectionId: () => this.#connectionId(),
      },
      address,
    );
    this.#udp.push(listener);
    return listener.address;
  }

  #accept(socket: Socket, tls: boolean): void {
    this.#accepted++;
    // The client may have gone between the kernel's accept and now.
    if (socket.remoteAddress === undefined || !this.#mayOpen()) {
      socket.destroy();
      return;
    }
    const ends = endsOf(socket, this.#connectionId());
    if (this.#settings.proxyProtocol) this.#readProxyHeader(socket, ends, tls);
    else this.#arrived(socket, ends, tls);
  }

  #readProxyHeader(socket: Socket, ends: StreamPeer, tls: boolean): void {
    const reader = new ProxyHeaderReader(socket, this.#wheel, PROXY_HEADER_MS, {
      headerRead: ({ ends: proxied }, rest) => {
        this.#arriving.delete(reader);
        if (rest.length > 0) socket.unshift(rest);
        this.#arrived(socket, proxied === null ? ends : behindProxy(ends, proxied), tls);
      },
      headerFailed: (fault) => {
        if (fault !== "") this.#env.complaints.add("stream refused", `${fault}, client ${ends.socketAddr}`);
        this.#left(reader);
      },
    });
    this.#arriving.add(reader);
  }

  #arrived(socket: Socket, ends: StreamPeer, tls: boolean): void {
    if (!tls) {
      this.#begin(socket, ends);
      return;
    }
    const handshake = this.#acceptor!.accept(socket, [], {
      secured: (secured) => {
        this.#arriving.delete(handshake);
        const { socket: secure, certificate, serverName, client } = secured;
        // There are no paths here that could be free.
        if (certificate.client !== null && !client.verified) {
          secure.destroy();
          this.#gone();
        } else this.#begin(secure, { ...ends, sni: serverName ?? this.#fallbackSni, tls: tlsPeer(secured) });
      },
      failed: () => this.#left(handshake),
    });
    this.#arriving.add(handshake);
  }

  #begin(socket: Socket, peer: StreamPeer): void {
    const stream = new TcpStream(this.#env, socket, peer, (gone) => {
      this.#streams.delete(gone);
      this.#gone();
    });
    this.#streams.add(stream);
  }

  #left(arriving: Arriving): void {
    this.#arriving.delete(arriving);
    this.#gone();
  }

  #mayOpen(): boolean {
    if (this.#open < this.#limit) return true;
    this.#refused++;
    this.#env.complaints.add("streams refused", `${this.#limit} worker_connections are not enough`);
    return false;
  }

  #connectionId(): number {
    return ++lastConnectionId * 256 + (this.#slot % 256);
  }

  #gone(): void {
    if (this.#open === 0) this.#emptied?.();
  }

  #cut(): void {
    for (const arriving of this.#arriving) arriving.destroy();
    this.#arriving.clear();
    for (const stream of this.#streams) stream.destroy();
    this.#gone();
  }

  /** Serves datagrams until no answer is awaited and none has just come, for at most `limitMs`. */
  async #drainUdp(limitMs: number): Promise<void> {
    for (const listener of this.#udp) listener.drain();
    const limit = setTimeout(() => this.#closeUdp(), limitMs);
    while (this.#udp.length > 0) {
      if (this.#sessions > 0) {
        await new Promise<void>((resolve) => {
          this.#answered = resolve;
        });
      }
      // What waits in a socket that is closed is lost.
      await quietTurn(() => this.#udp.reduce((sum, { received }) => sum + received, 0));
      if (this.#sessions === 0) this.#closeUdp();
    }
    clearTimeout(limit);
  }

  #closeUdp(): void {
    for (const listener of this.#udp.splice(0)) listener.close();
  }

  #untilEmpty(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#closeUdp();
        this.#cut();
      }, timeoutMs);
      this.#emptied = () => {
        clearTimeout(timer);
        this.#emptied = null;
        resolve();
      };
    });
  }
}

function endsOf(socket: Socket, connectionId: number): StreamPeer {
  const remoteAddr = withoutMapping(socket.remoteAddress ?? "");
  return {
    protocol: "TCP",
    remoteAddr,
    remotePort: socket.remotePort ?? 0,
    socketAddr: remoteAddr,
    proxied: null,
    serverAddr: withoutMapping(socket.localAddress ?? ""),
    serverPort: socket.localPort ?? 0,
    sni: null,
    tls: null,
    connectionId,
  };
}

/** The peer of which a PROXY header has told. */
function behindProxy(ends: StreamPeer, proxied: ProxiedEnds): StreamPeer {
  const { ip, port } = proxied.source;
  return { ...ends, remoteAddr: ip, remotePort: port, proxied: { ...proxied, socketPort: ends.remotePort } };
}
