import { createSocket, type Socket as Datagrams } from "node:dgram";
import { connect, isIP, type Socket } from "node:net";
import { loadTls } from "../lib/lazy-tls.ts";

/** Sending text over TCP, TLS and UDP, for log plugins. */

export interface LineTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Name to verify the certificate by; `null`: no TLS. */
  readonly tlsName: string | null;
  /** Whether one connection serves all batches; otherwise each gets its own, which ends with it. */
  readonly kept: boolean;
}

/** Opens connections when they are needed. */
export class LineSender {
  readonly #target: LineTarget;
  #kept: Socket | null = null;
  #closed = false;

  constructor(target: LineTarget) {
    this.#target = target;
  }

  /** Resolves when the system has taken the text over; rejects where that does not happen in time. */
  async send(text: string): Promise<void> {
    const kept = this.#kept;
    if (kept === null) {
      await this.#sendAnew(text);
      return;
    }
    try {
      await this.#write(kept, text);
    } catch {
      // The server may have closed it while it was idle.
      await this.#sendAnew(text);
    }
  }

  close(): void {
    this.#closed = true;
    this.#kept?.end();
    this.#kept = null;
  }

  async #sendAnew(text: string): Promise<void> {
    const socket = await this.#open();
    await this.#write(socket, text);
    if (this.#target.kept && !this.#closed) this.#keep(socket);
    else endLater(socket, this.#target.timeoutMs);
  }

  #open(): Promise<Socket> {
    const { host, port, timeoutMs, tlsName } = this.#target;
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const socket =
      tlsName === null
        ? connect(port, host)
        : // Loaded when it is needed: TLS costs a thread 40 ms of its start.
          loadTls().connect({ host, port, ...(isIP(tlsName) === 0 ? { servername: tlsName } : {}) });
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once(tlsName === null ? "connect" : "secureConnect", () => {
      clearTimeout(timer);
      // What a server says is of no interest, but reading shows that it goes away.
      socket.resume();
      resolve(socket);
    });
    return promise;
  }

  #write(socket: Socket, text: string): Promise<void> {
    const { timeoutMs } = this.#target;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`not sent within ${timeoutMs} ms`)), timeoutMs);
      const failed = (error?: Error): void => {
        clearTimeout(timer);
        reject(error ?? new Error("the server closed the connection"));
      };
      socket.once("error", failed);
      socket.once("close", failed);
      socket.write(text, (error) => {
        socket.off("error", failed);
        socket.off("close", failed);
        if (error == null) {
          clearTimeout(timer);
          resolve();
        } else failed(error);
      });
    });
  }

  #keep(socket: Socket): void {
    const forget = (): void => {
      if (this.#kept === socket) this.#kept = null;
      socket.destroy();
    };
    this.#kept = socket;
    socket.setTimeout(IDLE_MS, forget);
    socket.on("error", forget);
    socket.on("end", forget);
    socket.on("close", forget);
    socket.unref();
  }
}

/** A connection over which nothing went for so long is closed. */
const IDLE_MS = 60_000;

/** Ends a connection after what was written to it, and cuts it where the server does not let go. */
function endLater(socket: Socket, timeoutMs: number): void {
  socket.on("error", () => undefined);
  socket.end();
  const timer = setTimeout(() => socket.destroy(), timeoutMs).unref();
  socket.once("close", () => clearTimeout(timer));
}

/** Bytes of a datagram over IPv4. */
export const MAX_DATAGRAM = 65_507;

/** Sends datagrams; the socket is opened with the first. */
export class DatagramSender {
  readonly #host: string;
  readonly #port: number;
  #socket: Datagrams | null = null;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** Resolves when the system has taken the datagram over; nobody knows whether it arrives. */
  send(datagram: Buffer): Promise<void> {
    const socket = (this.#socket ??= this.#open());
    return new Promise((resolve, reject) => {
      socket.send(datagram, this.#port, this.#host, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  #open(): Datagrams {
    const socket = createSocket(isIP(this.#host) === 6 ? "udp6" : "udp4");
    socket.unref();
    // Errors reach whoever sends; a socket without a listener would end the thread.
    socket.on("error", () => undefined);
    return socket;
  }
}
