import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { isIPv6 } from "node:net";
import type { StreamPlan } from "../../compile/stream/stream-plan.ts";
import type { Timed } from "../../lib/timer-wheel.ts";
import { isOut } from "../../upstream/tiers.ts";
import type { StreamUpstream, UpstreamNode } from "../../upstream/upstream.ts";
import { NodeChoice } from "./node-choice.ts";
import { StreamContext, type StreamPeer } from "./stream-context.ts";
import type { StreamEnvironment } from "./stream-environment.ts";
import { admit, conclude } from "./stream-phases.ts";

/** Datagrams that wait for a socket to the node, or for plugins that take their time. */
const MAX_WAITING = 32;
/** Bytes in the queue of a socket from which datagrams are dropped: UDP may lose them. */
export const MAX_QUEUED = 1_048_576;
/** How often a session looks whether its node is still the right one: each look matches a route. */
const LOOK_MS = 1_000;

/**
 * All that one client sends to one address until nothing has passed for a while. It
 * stays with its node, unless that node turns out not to listen: then the datagram that
 * was refused goes to the next one.
 */
export class UdpSession implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #env: StreamEnvironment;
  readonly #peer: StreamPeer;
  readonly #ctx: StreamContext;
  readonly #answer: (datagram: Buffer) => void;
  readonly #gone: (session: UdpSession) => void;
  #plan: StreamPlan | null = null;
  #upstream: StreamUpstream | null = null;
  #choice: NodeChoice | null = null;
  #node: UpstreamNode | null = null;
  #socket: Socket | null = null;
  #ready = false;
  #waiting: Buffer[] = [];
  /** The last datagram, until the node has said something: it can be sent once more. */
  #last: Buffer | null = null;
  #over = false;
  #lookedTicks = performance.now();

  /** `answer` sends to the client; `gone` is told once, at the end, which may be at once. */
  constructor(
    env: StreamEnvironment,
    peer: StreamPeer,
    answer: (datagram: Buffer) => void,
    gone: (session: UdpSession) => void,
  ) {
    this.#env = env;
    this.#peer = peer;
    this.#ctx = new StreamContext(peer);
    this.#answer = answer;
    this.#gone = gone;
    this.#start();
  }

  /** Whether a node has been sent something and has not answered since. */
  get awaits(): boolean {
    return !this.#over && (this.#last !== null || this.#waiting.length > 0);
  }

  /**
   * Whether the client's next datagram belongs to another session: its route has this node no
   * more, or the node is unhealthy and another is not. Nothing else tells of a node that is
   * gone, and a client that goes on sending would keep it for ever.
   */
  isOutdated(): boolean {
    const now = performance.now();
    if (!this.#ready || now - this.#lookedTicks < LOOK_MS) return false;
    this.#lookedTicks = now;
    const { address, hostHeader: named } = this.#node!;
    const nodes = this.#env.match(this.#peer)?.upstream?.nodes ?? [];
    const current = nodes.find((node) => node.address === address);
    // A name stays the same node when it is led elsewhere: the answers of a DNS may take turns.
    if (current === undefined) return !nodes.some(({ hostHeader }) => hostHeader === named);
    return isOut(current, [], true) && nodes.some((node) => node.weight > 0 && !isOut(node, [], true));
  }

  /** A datagram of the client. */
  send(datagram: Buffer): void {
    if (this.#over) return;
    this.#ctx.received += datagram.length;
    if (!this.#ready) {
      if (this.#waiting.length < MAX_WAITING) this.#waiting.push(datagram);
      else this.#env.complaints.add("datagrams dropped", "the node is not there yet");
      return;
    }
    this.#touch();
    this.#forward(datagram);
  }

  /** Ends it; the client is not told, as there is no way to. */
  close(): void {
    this.#end(200);
  }

  expired(): void {
    this.#end(200);
  }

  #start(): void {
    const peer = this.#peer;
    this.#plan = this.#env.match(peer);
    if (this.#plan === null) {
      this.#refuse(404, "no stream route", `UDP port ${peer.serverPort}, client ${peer.remoteAddr}`);
      return;
    }
    this.#ctx.route = this.#plan.route;
    const status = admit(this.#plan, this.#ctx, this.#env);
    if (typeof status === "number") this.#admitted(status);
    else void status.then((later) => this.#admitted(later));
  }

  #admitted(status: number): void {
    if (this.#over) return;
    const { upstream, route } = this.#plan!;
    if (status !== 0) this.#end(status);
    else if (upstream === null) this.#refuse(503, "no upstream", `stream route ${route.id}`);
    else if (upstream.tls !== null) this.#refuse(500, "upstream failed", `${upstream.key}: scheme tls is not for UDP`);
    else {
      this.#upstream = upstream;
      this.#choice = new NodeChoice(upstream, this.#ctx);
      this.#open("the upstream has no usable node", 503);
    }
  }

  /** Opens a socket to the next node, or gives up for the reason of the last. */
  #open(reason: string, status: number): void {
    const node = this.#choice!.next(reason, status, (...why) => this.#refuse(...why));
    if (node === null) return;
    this.#node = node;
    const socket = createSocket(socketOptions(node));
    this.#socket = socket;
    this.#env.upstreamConnections++;
    socket.on("message", (datagram) => this.#answered(datagram));
    socket.on("error", (error) => this.#nodeFailed(socket, error));
    socket.once("connect", () => this.#connected(socket));
    // Only the node is heard then, and the kernel tells where nobody listens.
    socket.connect(node.port, node.host);
    this.#touch();
  }

  #connected(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#ready = true;
    this.#ctx.status = 200;
    for (const datagram of this.#waiting.splice(0)) this.#forward(datagram);
  }

  #forward(datagram: Buffer): void {
    const socket = this.#socket!;
    if (socket.getSendQueueSize() > MAX_QUEUED) {
      this.#env.complaints.add("datagrams dropped", `the way to ${this.#node!.address} is full`);
      return;
    }
    this.#last = datagram;
    socket.send(datagram, (error) => {
      if (error !== null) this.#nodeFailed(socket, error);
    });
  }

  #answered(datagram: Buffer): void {
    this.#choice!.connected();
    this.#last = null;
    this.#ctx.bytesSent += datagram.length;
    this.#touch();
    this.#answer(datagram);
  }

  #nodeFailed(socket: Socket, error: NodeJS.ErrnoException): void {
    if (socket !== this.#socket || this.#over) return;
    // Says something of the datagram, not of the node.
    if (error.code === "EMSGSIZE") {
      this.#env.complaints.add("datagrams dropped", `${this.#node!.address}: ${error.message}`);
      return;
    }
    const { address } = this.#node!;
    this.#env.connectFailures++;
    this.#choice!.failed("tcp");
    this.#closeSocket();
    if (this.#last !== null) this.#waiting.unshift(this.#last);
    this.#last = null;
    this.#open(`${address}: ${error.message}`, 502);
  }

  #closeSocket(): void {
    if (this.#socket === null) return;
    this.#socket.close();
    this.#socket = null;
    this.#ready = false;
    this.#env.upstreamConnections--;
  }

  #touch(): void {
    this.#env.wheel.set(this, this.#upstream!.readTimeoutMs);
  }

  #refuse(status: number, kind: string, detail: string): void {
    this.#env.complaints.add(kind, detail);
    this.#end(status);
  }

  #end(status: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#ctx.status = status;
    this.#waiting = [];
    this.#last = null;
    this.#closeSocket();
    this.#env.wheel.forget(this);
    this.#choice?.ended();
    conclude(this.#plan, this.#ctx, this.#env);
    this.#gone(this);
  }
}

/** A name is looked up as one of IPv4. */
function socketOptions({ host, lookup }: UpstreamNode): SocketOptions {
  if (lookup === undefined) return { type: isIPv6(host) ? "udp6" : "udp4" };
  return {
    type: "udp4",
    lookup: (name, _, callback) => lookup(name, { family: 4 }, (error, address) => callback(error, String(address), 4)),
  };
}
