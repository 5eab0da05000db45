import { request, type IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";

export interface AskOptions {
  readonly method?: string;
  /** `Host` among them, if it is not to be the address. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

/** An answer as it came; text is latin1, so that one character is one byte. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, in their order and case. */
  readonly rawHeaders: readonly string[];
  readonly text: string;
}

/**
 * One request on a connection of its own. Unlike `fetch` it leaves the target as it is
 * written (dots, doubled slashes, escapes) and lets a test name any Host.
 */
export async function ask(port: number, path: string, options: AskOptions = {}): Promise<Reply> {
  const { method = "GET", headers = {}, body } = options;
  return await new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (incoming) => {
      let text = "";
      incoming.setEncoding("latin1");
      incoming.on("data", (chunk: string) => (text += chunk));
      incoming.once("error", reject);
      incoming.once("end", () =>
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, rawHeaders: incoming.rawHeaders, text }),
      );
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** A raw connection: what a test writes goes out as it is, what came is there to be looked at. */
export class Wire {
  readonly socket: Socket;
  /** Resolves once the peer has closed or reset the connection. */
  readonly closed: Promise<void>;
  #received = "";
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake();
    });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.#wake();
        resolve();
      });
    });
  }

  /** Every byte that came so far, as latin1. */
  get received(): string {
    return this.#received;
  }

  send(bytes: string): void {
    this.socket.write(bytes, "latin1");
  }

  /** Waits until what came matches, and returns it; throws where the connection ends before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.socket.closed) throw new Error(`closed before ${pattern}: ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#received;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Sends these bytes and returns every byte that comes until the peer closes. */
export async function exchangeBytes(port: number, bytes: string): Promise<string> {
  const wire = new Wire(port);
  wire.send(bytes);
  await wire.closed;
  return wire.received;
}

/** The rest of the head of a request that is the last one on its connection. */
export const closing = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** What follows the first head of these bytes. */
export function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}
