import { createSocket, type Socket } from "node:dgram";
import { addressFailure } from "../listen-failure.ts";
import type { Address } from "../../settings/settings.ts";
import { withoutMapping } from "../peer.ts";
import type { StreamEnvironment } from "./stream-environment.ts";
import { MAX_QUEUED, UdpSession } from "./udp-session.ts";

/** What a listener and its owner have to do with each other. */
export interface UdpListenerOwner {
  readonly env: StreamEnvironment;
  /** Whether one more session may begin; complains where it may not. */
  mayOpen(): boolean;
  opened(): void;
  gone(): void;
  connectionId(): number;
}

/** Bytes that the kernel keeps for this thread while it is busy, as far as it allows. */
const RECEIVE_BUFFER = 4_194_304;

/** One UDP address and the sessions of its clients. */
export class UdpListener {
  readonly #owner: UdpListenerOwner;
  readonly #socket: Socket;
  readonly #address: Address;
  readonly #sessions = new Map<string, UdpSession>();
  #draining = false;
  #received = 0;

  private constructor(owner: UdpListenerOwner, socket: Socket, address: Address) {
    this.#owner = owner;
    this.#socket = socket;
    this.#address = address;
    socket.on("message", (datagram, { address: from, port }) => this.#receive(datagram, from, port));
    // An answer that could not be sent: its client may have gone.
    socket.on("error", (error) => owner.env.complaints.add("UDP listener", error.message));
  }

  /** Binds; port 0: any free one. Rejects with `ADDRESS_IN_USE`. */
  static async open(owner: UdpListenerOwner, { ip, port }: Address): Promise<UdpListener> {
    const ipv6 = ip.includes(":");
    // Only Linux spreads datagrams over sockets that share a port, by both of their ends.
    const reusePort = process.platform === "linux" && port !== 0;
    const socket = createSocket({
      type: ipv6 ? "udp6" : "udp4",
      reusePort,
      ipv6Only: ipv6,
      recvBufferSize: RECEIVE_BUFFER,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => reject(addressFailure({ ip, port }, error)));
      socket.bind({ address: ip, port }, () => {
        socket.removeAllListeners("error");
        resolve();
      });
    });
    return new UdpListener(owner, socket, { ip, port: socket.address().port });
  }

  get address(): Address {
    return this.#address;
  }

  /** Datagrams that have come. */
  get received(): number {
    return this.#received;
  }

  /**
   * Ends sessions that wait for nothing, and others once they have their answer. Until the
   * socket is closed the kernel leads new clients here as well: they are served the same way.
   */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions.values()) if (!session.awaits) session.close();
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#socket.close();
  }

  #receive(datagram: Buffer, from: string, port: number): void {
    this.#received++;
    const key = `${from} ${port}`;
    let session = this.#sessions.get(key) ?? null;
    if (session?.isOutdated() === true) {
      session.close();
      session = null;
    }
    (session ?? this.#begin(key, from, port))?.send(datagram);
  }

  #begin(key: string, from: string, port: number): UdpSession | null {
    const { env } = this.#owner;
    if (!this.#owner.mayOpen()) return null;
    const peer = {
      protocol: "UDP",
      remoteAddr: withoutMapping(from),
      remotePort: port,
      socketAddr: withoutMapping(from),
      serverAddr: this.#address.ip,
      serverPort: this.#address.port,
      proxied: null,
      sni: null,
      tls: null,
      connectionId: this.#owner.connectionId(),
    } as const;
    let over = false;
    this.#owner.opened();
    const session = new UdpSession(
      env,
      peer,
      (answer) => this.#answer(answer, from, port),
      () => {
        over = true;
        this.#sessions.delete(key);
        this.#owner.gone();
      },
    );
    // It may have been refused already.
    if (over) return null;
    this.#sessions.set(key, session);
    return session;
  }

  #answer(datagram: Buffer, to: string, port: number): void {
    const session = this.#sessions.get(`${to} ${port}`);
    if (this.#socket.getSendQueueSize() > MAX_QUEUED) {
      this.#owner.env.complaints.add("datagrams dropped", "the way to clients is full");
    } else this.#socket.send(datagram, port, to, ignoreFailure);
    if (this.#draining && session?.awaits === false) session.close();
  }
}

/** UDP may lose what it is given. */
const ignoreFailure = (): void => undefined;
