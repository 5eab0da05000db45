import { connect, type Socket } from "node:net";
import type { StreamPlan } from "../../compile/stream/stream-plan.ts";
import type { Timed } from "../../lib/timer-wheel.ts";
import { WriteProgress } from "../../lib/write-progress.ts";
import type { StreamUpstream, UpstreamNode } from "../../upstream/upstream.ts";
import { formatProxyHeader } from "../proxy-protocol/header.ts";
import { hostName } from "../../lib/host-name.ts";
import { connectSecurely, type NodeTls } from "../../upstream/node-tls.ts";
import { NodeChoice } from "./node-choice.ts";
import { StreamContext, type StreamPeer } from "./stream-context.ts";
import type { StreamEnvironment } from "./stream-environment.ts";
import { admit, conclude } from "./stream-phases.ts";

/**
 * Bytes that may wait in one direction before its sender has to. One more than a read
 * brings: what the kernel takes at once stops nobody.
 */
export const HIGH_WATER = 65_537;
/** Silence after which TCP asks whether the other end is still there. */
const KEEPALIVE_PROBE_MS = 15_000;

const socketOptions = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
  highWaterMark: HIGH_WATER,
};

/**
 * One TCP connection of a client on its way to a node, and what passes between the two.
 * Nothing is read from the client before a node has taken the connection: so another
 * node may be asked as long as none has.
 *
 *   admitted ──▶ connecting ──▶ relaying ──▶ closed
 *       └─────────────┴── closed (no route, refused, no node)
 *
 * An end of one side's bytes is passed on as such; a side that breaks off resets the
 * other, so that nobody takes a part for the whole.
 */
export class TcpStream implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #env: StreamEnvironment;
  readonly #client: Socket;
  readonly #ctx: StreamContext;
  readonly #gone: (stream: TcpStream) => void;
  readonly #clientProgress: WriteProgress;
  #plan: StreamPlan | null = null;
  #choice: NodeChoice | null = null;
  #upstream: StreamUpstream | null = null;
  /** The connection to the node; with TLS the secured one. */
  #node: Socket | null = null;
  #nodeProgress: WriteProgress | null = null;
  #address = "";
  #relaying = false;
  #timedOut = false;
  #clientClosed = false;
  #nodeClosed = true;
  #nodeError = "";

  /** Takes over a socket that is paused and has `allowHalfOpen`. `gone` is told once, at the end. */
  constructor(env: StreamEnvironment, client: Socket, peer: StreamPeer, gone: (stream: TcpStream) => void) {
    this.#env = env;
    this.#client = client;
    this.#ctx = new StreamContext(peer);
    this.#gone = gone;
    this.#clientProgress = new WriteProgress(client);
    client.on("error", () => undefined);
    client.on("close", (hadError) => {
      this.#clientClosed = true;
      if (this.#node !== null) breakOff(this.#node, client, hadError);
      this.#settle();
    });
    this.#start(peer);
  }

  /** Ends it at once; both sides see that it was cut. */
  destroy(): void {
    reset(this.#client);
    if (this.#node !== null) reset(this.#node);
  }

  /** Nobody has moved a byte for too long, or a node does not take the connection. */
  expired(): void {
    if (!this.#relaying) {
      this.#timedOut = true;
      this.#node?.destroy();
      return;
    }
    // A peer that reads slowly still reads.
    const moved = [this.#clientProgress.made(), this.#nodeProgress!.made()];
    if (moved.includes(true)) {
      this.#touch();
      return;
    }
    this.#env.complaints.add("stream timed out", `${this.#address}, stream route ${this.#ctx.route.id}`);
    this.destroy();
  }

  #start(peer: StreamPeer): void {
    const ctx = this.#ctx;
    this.#plan = this.#env.match(peer);
    if (this.#plan === null) {
      this.#refuse(404, "no stream route", `port ${peer.serverPort}, client ${peer.remoteAddr}`);
      return;
    }
    ctx.route = this.#plan.route;
    const status = admit(this.#plan, ctx, this.#env);
    if (typeof status === "number") this.#admitted(status);
    else void status.then((later) => this.#admitted(later));
  }

  #admitted(status: number): void {
    if (this.#clientClosed) return;
    const { upstream } = this.#plan!;
    if (status !== 0) this.#refuse(status, "", "");
    else if (upstream === null) this.#refuse(503, "no upstream", `stream route ${this.#ctx.route.id}`);
    else {
      this.#upstream = upstream;
      this.#choice = new NodeChoice(upstream, this.#ctx);
      this.#connect("the upstream has no usable node", 503);
    }
  }

  /** Connects to the next node, or gives up for the reason of the last. */
  #connect(reason: string, status: number): void {
    const node = this.#choice!.next(reason, status, (...why) => this.#refuse(...why));
    if (node === null) return;
    this.#address = node.address;
    this.#nodeError = "";
    this.#timedOut = false;
    const { tls, connectTimeoutMs } = this.#upstream!;
    const raw = this.#dial(node);
    const socket = tls === null ? raw : this.#secure(raw, tls, node);
    this.#node = socket;
    this.#nodeClosed = false;
    this.#env.upstreamConnections++;
    socket.once(tls === null ? "connect" : "secureConnect", () => this.#relay(socket));
    socket.on("error", (error) => (this.#nodeError = error.message));
    socket.on("close", (hadError) => this.#nodeGone(socket, hadError));
    this.#env.wheel.set(this, connectTimeoutMs);
  }

  #dial({ host, port, lookup }: UpstreamNode): Socket {
    const options = { ...socketOptions, host, port, lookup };
    const socket = connect(options);
    // Before TLS hears of the connection: the header goes first, and in clear text.
    if (this.#env.proxyProtocolToUpstream) socket.once("connect", () => socket.write(this.#proxyHeader()));
    return socket;
  }

  /** The name asked for is the one that the client has asked for, else the node's own. */
  #secure(raw: Socket, tls: NodeTls, node: UpstreamNode): Socket {
    const own = hostName(node.hostHeader).replace(/^\[|\]$/g, "");
    const name = this.#ctx.tls?.serverName || own;
    // Whatever ends the connection ends the secured one, which tells of it.
    raw.on("error", (error) => (this.#nodeError = error.message));
    // `proxy_ssl_server_name` is about requests.
    const socket = connectSecurely(tls, name, node.address, { socket: raw }, true);
    socket.once("close", () => raw.destroy());
    return socket;
  }

  #nodeGone(socket: Socket, hadError: boolean): void {
    this.#nodeClosed = true;
    this.#env.upstreamConnections--;
    if (this.#relaying) {
      breakOff(this.#client, socket, hadError);
      this.#settle();
      return;
    }
    this.#node = null;
    // The client has gone first: nothing is known of the node.
    if (this.#clientClosed) {
      this.#settle();
      return;
    }
    this.#env.connectFailures++;
    this.#choice!.failed(this.#timedOut ? "timeout" : "tcp");
    if (this.#timedOut) this.#connect(`${this.#address} did not take the connection in time`, 504);
    else this.#connect(`${this.#address}: ${this.#nodeError}`, 502);
  }

  #relay(node: Socket): void {
    const client = this.#client;
    this.#relaying = true;
    this.#nodeProgress = new WriteProgress(node);
    this.#choice!.connected();
    this.#ctx.status = 200;
    this.#pass(client, node, (count) => (this.#ctx.received += count));
    this.#pass(node, client, (count) => (this.#ctx.bytesSent += count));
    this.#touch();
  }

  #proxyHeader(): string {
    const { remoteAddr, remotePort, serverAddr, serverPort } = this.#ctx;
    return formatProxyHeader({ ip: remoteAddr, port: remotePort }, { ip: serverAddr, port: serverPort });
  }

  /** Passes on what comes from one side, no faster than the other takes it. */
  #pass(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on("data", (chunk: Buffer) => {
      count(chunk.length);
      if (!to.write(chunk)) from.pause();
      this.#touch();
    });
    to.on("drain", () => {
      from.resume();
      this.#touch();
    });
    from.on("end", () => to.end());
    from.resume();
  }

  /** Somebody has moved something. */
  #touch(): void {
    this.#env.wheel.set(this, this.#upstream!.readTimeoutMs);
    if (this.#client.writableLength > 0) this.#clientProgress.mark();
    if (this.#node!.writableLength > 0) this.#nodeProgress!.mark();
  }

  /** Closes without a node; an empty `kind` is nothing to log. */
  #refuse(status: number, kind: string, detail: string): void {
    this.#ctx.status = status;
    if (kind !== "") this.#env.complaints.add(kind, detail);
    this.#client.destroy();
  }

  #settle(): void {
    if (!this.#clientClosed) return;
    if (!this.#nodeClosed) {
      if (!this.#relaying) this.#node!.destroy();
      return;
    }
    this.#env.wheel.forget(this);
    this.#choice?.ended();
    conclude(this.#plan, this.#ctx, this.#env);
    this.#gone(this);
  }
}

/** One side is gone: what does that mean for the other? */
function breakOff(other: Socket, gone: Socket, hadError: boolean): void {
  if (!hadError) return;
  // It had said all it would: what is left of that still reaches the other.
  if (gone.readableEnded) other.destroySoon();
  else reset(other);
}

function reset(socket: Socket): void {
  // What TLS has not closed by itself is known to be cut.
  if (socket.connecting || "encrypted" in socket) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}
