import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Clients and origins that speak exactly the bytes a test gives them. */

/** A client whose every received byte is kept. */
export class RawClient {
  readonly socket: Socket;
  received = "";
  closed = false;
  #waiters: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.socket.on("data", (data: Buffer) => {
      this.received += data.toString("latin1");
      this.#wake();
    });
    this.socket.on("end", () => this.socket.end());
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(text: string): this {
    this.socket.write(text, "latin1");
    return this;
  }

  /** Waits until what was received matches; fails when the connection ends before. */
  async until(pattern: RegExp | string): Promise<string> {
    const matches = (): boolean =>
      typeof pattern === "string" ? this.received.includes(pattern) : pattern.test(this.received);
    while (!matches()) {
      if (this.closed) throw new Error(`closed before ${pattern}: ${JSON.stringify(this.received)}`);
      await this.#change();
    }
    return this.received;
  }

  /** Waits for the end of the connection and answers with everything received. */
  async end(): Promise<string> {
    while (!this.closed) await this.#change();
    return this.received;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}

/** Sends bytes on a fresh connection and answers with all that came back until its end. */
export async function exchangeBytes(port: number, text: string): Promise<string> {
  const client = new RawClient(port);
  client.send(text);
  return client.end();
}

/** A connection to a raw origin. */
export interface OriginConnection {
  readonly socket: Socket;
  /** Which connection this is, from 1. */
  readonly number: number;
  /** Requests on it so far. */
  requests: number;
  /** Bytes that no handler has taken yet. */
  pending: string;
}

export interface RawOrigin {
  readonly port: number;
  /** The requests as received, head and the body that its Content-Length announces. */
  readonly requests: string[];
  readonly connections: OriginConnection[];
  close(): Promise<void>;
}

/** An origin: `answer` is called for each request with its head and body. */
export async function startOrigin(answer: (request: string, connection: OriginConnection) => void): Promise<RawOrigin> {
  const requests: string[] = [];
  const connections: OriginConnection[] = [];
  const server: Server = createServer({ noDelay: true }, (socket) => {
    const connection: OriginConnection = { socket, number: connections.length + 1, requests: 0, pending: "" };
    connections.push(connection);
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      connection.pending += data.toString("latin1");
      for (let request = takeRequest(connection); request !== null; request = takeRequest(connection)) {
        connection.requests++;
        requests.push(request);
        answer(request, connection);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    requests,
    connections,
    async close() {
      server.close();
      for (const { socket } of connections) socket.destroy();
      await once(server, "close");
    },
  };
}

/** One whole request from the pending bytes; chunked bodies end at their last chunk. */
function takeRequest(connection: OriginConnection): string | null {
  const text = connection.pending;
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  let end = headEnd + 4;
  const head = text.slice(0, end);
  const length = /^content-length: (\d+)/im.exec(head);
  if (length !== null) end += Number(length[1]);
  else if (/^transfer-encoding: chunked/im.test(head)) {
    const last = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(end));
    if (last === null) return null;
    end += last.index + last[0].length;
  }
  if (text.length < end) return null;
  connection.pending = text.slice(end);
  return text.slice(0, end);
}

/** A response with a length. */
export function plainResponse(body: string, headers = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
}
