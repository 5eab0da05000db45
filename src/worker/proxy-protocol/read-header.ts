import type { Socket } from "node:net";
import type { Timed, TimerWheel } from "../../lib/timer-wheel.ts";
import { parseProxyHeader, type ProxyHeader } from "./header.ts";

/** What came of a connection that should begin with a PROXY header. */
export interface ProxyHeaderOwner {
  /** The header is there. `rest`: what came after it; the socket is paused. */
  headerRead(header: ProxyHeader, rest: Buffer): void;
  /** It will not come: why not; `""` where the other end went without a word. The socket is destroyed. */
  headerFailed(fault: string): void;
}

/** How long a draining thread waits for a header. */
const DRAIN_MS = 2_000;

/** Reads the header from a paused socket; the owner is told once. */
export class ProxyHeaderReader implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly #socket: Socket;
  readonly #wheel: TimerWheel;
  readonly #owner: ProxyHeaderOwner;
  #bytes: Buffer = Buffer.alloc(0);
  #done = false;
  /** What it does, in the words of nginx. */
  readonly activity = "reading";

  /** @param limitMs how long the header may take; 0: no limit. */
  constructor(socket: Socket, wheel: TimerWheel, limitMs: number, owner: ProxyHeaderOwner) {
    this.#socket = socket;
    this.#wheel = wheel;
    this.#owner = owner;
    wheel.set(this, limitMs);
    socket.on("data", this.#read);
    socket.on("end", this.#ended);
    socket.on("close", this.#ended);
    // What went wrong is told by `close`, also to whoever takes over.
    socket.on("error", () => undefined);
    socket.resume();
  }

  /** The thread is to end soon: who has not said a word by now is not waited for long. */
  drain(): void {
    this.#wheel.set(this, DRAIN_MS);
  }

  /** Gives up the socket, which is destroyed; the owner hears nothing. */
  destroy(): void {
    this.#finish();
    this.#socket.destroy();
  }

  expired(): void {
    this.#fail("PROXY header did not come in time");
  }

  readonly #read = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const header = parseProxyHeader(this.#bytes);
    if (header === null) return;
    if ("fault" in header) {
      this.#fail(header.fault);
      return;
    }
    const rest = this.#bytes.subarray(header.length);
    this.#socket.pause();
    this.#finish();
    this.#owner.headerRead(header, rest);
  };

  readonly #ended = (): void => this.#fail(this.#bytes.length === 0 ? "" : "PROXY header broke off");

  #fail(fault: string): void {
    if (this.#done) return;
    this.#finish();
    // Said before the other end can notice.
    this.#owner.headerFailed(fault);
    this.#socket.destroy();
  }

  #finish(): void {
    this.#done = true;
    this.#wheel.forget(this);
    this.#socket.off("data", this.#read);
    this.#socket.off("end", this.#ended);
    this.#socket.off("close", this.#ended);
  }
}
