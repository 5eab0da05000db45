import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { planFor, settingsWith, startServer, upstreamOf } from "../src/worker/fixtures.ts";
import type { HttpServer } from "../src/worker/http-server.ts";
import { readRequests } from "./llhttp.ts";
import type { Message } from "./message.ts";

/**
 * The data plane as it runs, on real sockets, between a client and an origin that send
 * exactly the bytes they are given. What the origin got is read by llhttp.
 */

/** What the origin does with a request; the default is a short 200. */
export type Script = (socket: Socket, request: Message) => void;

/** How long an exchange may take before it counts as hanging. */
const HANGS_AFTER_MS = 5_000;

export class Gateway {
  /** Requests that reached the origin whole, in order. */
  arrived: Message[] = [];
  /** Bytes that reached the origin, connections one after the other. */
  arrivedBytes = "";
  /** Connections that the origin has accepted so far. */
  connections = 0;
  /** What the origin could not read. */
  unreadable: string[] = [];
  /** Errors that the data plane logged, and what it threw. */
  readonly logged: string[];
  readonly #server: HttpServer;
  readonly #port: number;
  readonly #origin: Server;
  readonly #originSockets: Set<Socket>;
  readonly #setScript: (script: Script) => void;

  private constructor(
    started: { server: HttpServer; port: number; logged: string[] },
    origin: Server,
    sockets: Set<Socket>,
    setScript: (script: Script) => void,
  ) {
    this.#server = started.server;
    this.#port = started.port;
    this.logged = started.logged;
    this.#origin = origin;
    this.#originSockets = sockets;
    this.#setScript = setScript;
  }

  /** Starts both on free ports; `close` ends them. */
  static async start(enableWebsocket = false): Promise<Gateway> {
    const sockets = new Set<Socket>();
    let script: Script = plainAnswer;
    let gateway: Gateway | null = null;
    const origin = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      gateway!.connections++;
      let pending = "";
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
      socket.on("data", (data: Buffer) => {
        pending += data.toString("latin1");
        gateway!.arrivedBytes += data.toString("latin1");
        const { messages, refused, partial } = readRequests(pending);
        if (refused !== null) {
          gateway!.unreadable.push(`${refused}: ${JSON.stringify(pending)}`);
          socket.destroy();
          return;
        }
        if (messages.length === 0 || partial) return;
        pending = "";
        for (const message of messages) {
          gateway!.arrived.push(message);
          script(socket, message);
        }
      });
    });
    origin.listen(0, "127.0.0.1");
    await once(origin, "listening");
    const upstream = upstreamOf([portOf(origin)]);
    const started = await startServer(() => planFor(upstream, { enableWebsocket }), settingsWith());
    gateway = new Gateway(started, origin, sockets, (next) => {
      script = next;
    });
    return gateway;
  }

  /** What the origin does from now on. */
  answerWith(script: Script): void {
    this.#setScript(script);
  }

  /** Forgets what has arrived. */
  reset(): void {
    this.arrived = [];
    this.arrivedBytes = "";
    this.unreadable = [];
    this.answerWith(plainAnswer);
  }

  /**
   * Sends the pieces on a connection of their own, ends our half, and answers with
   * everything that came back, latin1; rejects where the connection does not end.
   */
  async exchange(pieces: readonly string[]): Promise<string> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    let received = "";
    let hangs = false;
    socket.on("data", (data: Buffer) => {
      received += data.toString("latin1");
    });
    socket.on("end", () => socket.end());
    socket.on("error", () => {});
    const closed = once(socket, "close");
    const timer = setTimeout(() => {
      hangs = true;
      socket.destroy();
    }, HANGS_AFTER_MS);
    await sendPieces(socket, pieces);
    socket.end();
    await closed;
    clearTimeout(timer);
    if (hangs) throw new Error(`hangs after ${JSON.stringify(received)}`);
    return received;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#origin.close();
    for (const socket of this.#originSockets) socket.destroy();
    await once(this.#origin, "close");
  }
}

/** Writes the pieces so that each is likely to arrive on its own. */
export async function sendPieces(socket: Socket, pieces: readonly string[]): Promise<void> {
  if (socket.connecting) await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {});
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece, "latin1");
    if (pieces.length > 1) await new Promise(setImmediate);
  }
}

function plainAnswer(socket: Socket): void {
  socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "latin1");
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
