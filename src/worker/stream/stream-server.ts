import { createServer, type Server, type Socket } from "node:net";
import type { WorkerRecord } from "../../board/board.ts";
import type { StreamEnds, StreamPlan } from "../../compile/stream/stream-plan.ts";
import { TimerWheel } from "../../lib/timer-wheel.ts";
import type { Address, Settings, StreamListener, StreamSettings } from "../../settings/settings.ts";
import type { AccessLogSink, LogSink } from "../environment.ts";
import { addressFailure, formatListen } from "../listen-failure.ts";
import { withoutMapping } from "../peer.ts";
import { ProxyHeaderReader } from "../proxy-protocol/read-header.ts";
import { Complaints, type StreamEnvironment } from "./stream-environment.ts";
import { HIGH_WATER, TcpStream } from "./tcp-stream.ts";
import { UdpListener } from "./udp-listener.ts";

/** What a server is made of. It owns its sockets and its timer; the rest belongs to the caller. */
export interface StreamServerParts {
  readonly settings: StreamSettings;
  readonly workerConnections: Settings["http"]["workerConnections"];
  readonly match: (ends: StreamEnds) => StreamPlan | null;
  readonly record: WorkerRecord;
  /** The worker id. */
  readonly slot: number;
  readonly accessLog: AccessLogSink | null;
  readonly log: LogSink;
}

const BACKLOG = 511;
/** How long a PROXY header may take, as in nginx. */
const PROXY_HEADER_MS = 30_000;
/** How long a draining worker waits for answers to datagrams. */
const UDP_DRAIN_MS = 1_000;
/** Turns of the event loop for which a draining listener waits for its queue to be empty. */
const MAX_CLOSE_TURNS = 50;

let lastConnectionId = 0;

/** TCP and UDP streams of one worker; `close` or `drain` ends it. */
export class StreamServer {
  readonly #settings: StreamSettings;
  readonly #limit: number;
  readonly #record: WorkerRecord;
  readonly #slot: number;
  readonly #env: StreamEnvironment;
  readonly #wheel = new TimerWheel();
  readonly #log: LogSink;
  readonly #tcp: Server[] = [];
  readonly #udp: UdpListener[] = [];
  readonly #streams = new Set<TcpStream>();
  /** Connections of which the PROXY header is still to come. */
  readonly #readers = new Set<ProxyHeaderReader>();
  #sessions = 0;
  #accepted = 0;
  #emptied: (() => void) | null = null;

  constructor(parts: StreamServerParts) {
    this.#settings = parts.settings;
    this.#limit = parts.workerConnections;
    this.#record = parts.record;
    this.#slot = parts.slot;
    this.#log = parts.log;
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

  /**
   * Stops listening and lets what is open finish; resolves when nothing is left. What is
   * left after `timeoutMs` is cut, datagrams that nobody has answered earlier.
   */
  async drain(timeoutMs: number): Promise<void> {
    await this.#closeListeners();
    for (const listener of this.#udp) listener.drain();
    const answers = setTimeout(() => this.#closeUdp(), Math.min(timeoutMs, UDP_DRAIN_MS));
    if (this.#open > 0) await this.#untilEmpty(timeoutMs);
    clearTimeout(answers);
    this.close();
  }

  /** Cuts everything. */
  close(): void {
    for (const listener of this.#tcp.splice(0)) listener.close();
    this.#closeUdp();
    this.#cut();
    this.#wheel.close();
  }

  /** Adds the streams to the numbers on the board, which the server for HTTP has just written. */
  addCounters(): void {
    this.#record.connections += this.#open;
    this.#record.upstreamConnections += this.#env.upstreamConnections;
    this.#record.connectFailures += this.#env.connectFailures;
  }

  /** TCP streams and UDP sessions. */
  get #open(): number {
    return this.#streams.size + this.#readers.size + this.#sessions;
  }

  #openTcp({ ip, port }: StreamListener): Promise<Address> {
    const { promise, resolve, reject } = Promise.withResolvers<Address>();
    const options = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true, highWaterMark: HIGH_WATER };
    const listener = createServer(options, (socket) => this.#accept(socket));
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
          this.#sessions--;
          this.#gone();
        },
        connectionId: () => this.#connectionId(),
      },
      address,
    );
    this.#udp.push(listener);
    return listener.address;
  }

  #accept(socket: Socket): void {
    this.#accepted++;
    // The client may have gone between the kernel's accept and now.
    if (socket.remoteAddress === undefined || !this.#mayOpen()) {
      socket.destroy();
      return;
    }
    if (this.#settings.proxyProtocol) this.#readProxyHeader(socket);
    else this.#begin(socket, null);
  }

  #readProxyHeader(socket: Socket): void {
    const from = withoutMapping(socket.remoteAddress ?? "");
    const reader = new ProxyHeaderReader(socket, this.#wheel, PROXY_HEADER_MS, {
      headerRead: ({ source }, rest) => {
        this.#readers.delete(reader);
        if (rest.length > 0) socket.unshift(rest);
        this.#begin(socket, source);
      },
      headerFailed: (fault) => {
        this.#readers.delete(reader);
        if (fault !== "") this.#env.complaints.add("stream refused", `${fault}, client ${from}`);
        this.#gone();
      },
    });
    this.#readers.add(reader);
  }

  /** @param source the client, where a PROXY header has told of it. */
  #begin(socket: Socket, source: Address | null): void {
    const socketAddr = withoutMapping(socket.remoteAddress ?? "");
    const peer = {
      protocol: "TCP",
      remoteAddr: source?.ip ?? socketAddr,
      remotePort: source?.port ?? socket.remotePort ?? 0,
      socketAddr,
      serverAddr: withoutMapping(socket.localAddress ?? ""),
      serverPort: socket.localPort ?? 0,
      sni: null,
      connectionId: this.#connectionId(),
    } as const;
    const stream = new TcpStream(this.#env, socket, peer, (gone) => {
      this.#streams.delete(gone);
      this.#gone();
    });
    this.#streams.add(stream);
  }

  #mayOpen(): boolean {
    if (this.#open < this.#limit) return true;
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
    for (const reader of this.#readers) reader.close();
    this.#readers.clear();
    for (const stream of this.#streams) stream.destroy();
    this.#gone();
  }

  #closeUdp(): void {
    for (const listener of this.#udp.splice(0)) listener.close();
  }

  /** As for HTTP: closed in a turn of the loop in which accepting has just found nothing more. */
  async #closeListeners(): Promise<void> {
    for (let turn = 0; turn < MAX_CLOSE_TURNS; turn++) {
      const before = this.#accepted;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (this.#accepted === before) break;
    }
    for (const listener of this.#tcp.splice(0)) listener.close();
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
