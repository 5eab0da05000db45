import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import type { Asked, Message, Reading } from "./message.ts";

/**
 * `node:http` as reader, on sockets that are not there: its server reads requests, its
 * client reads a response. Both are strict, as they are by default.
 */

/** An end of a connection: what is written to it is dropped. */
class DeafSocket extends Duplex {
  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/** Collects the message once its body has ended. */
function collect(incoming: IncomingMessage, done: (message: Message) => void): void {
  let body = "";
  incoming.on("data", (data: Buffer) => {
    body += data.toString("latin1");
  });
  incoming.on("error", () => {});
  incoming.on("end", () => {
    if (!incoming.complete) return;
    done({
      method: incoming.method ?? "",
      target: incoming.url ?? "",
      status: incoming.statusCode ?? 0,
      minor: incoming.httpVersionMinor,
      fields: pairs(incoming.rawHeaders),
      body,
      trailers: pairs(incoming.rawTrailers),
      keepAlive: true,
    });
  });
}

function pairs(cells: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < cells.length; i += 2) list.push([cells[i]!, cells[i + 1]!.replace(/[ \t]+$/, "")]);
  return list;
}

/** Turns of the event loop after which a server has read what there is and answered it. */
async function settle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}

/** What a `node:http` server makes of streams of requests; whether a connection is kept is not told. */
export class NodeServer {
  readonly #server: Server;
  #messages: Message[] = [];
  #begun = 0;
  #refused: string | null = null;

  constructor() {
    const take = (incoming: IncomingMessage, response: ServerResponse): void => {
      this.#begun++;
      collect(incoming, (message) => {
        this.#messages.push(message);
        response.end();
      });
    };
    this.#server = createServer({ keepAliveTimeout: 0 }, take);
    // An expectation that it does not know is a matter of its answer (417), not of reading.
    this.#server.on("checkExpectation", take);
    this.#server.on("clientError", (error: NodeJS.ErrnoException & { reason?: string }) => {
      // The socket stays: requests before the fault are still being handed over.
      this.#refused ??= error.reason ?? error.message;
    });
  }

  async read(text: string): Promise<Reading> {
    this.#messages = [];
    this.#begun = 0;
    this.#refused = null;
    const socket = new DeafSocket();
    socket.on("error", () => {});
    this.#server.emit("connection", socket);
    socket.push(Buffer.from(text, "latin1"));
    await settle(4);
    const reading = {
      messages: this.#messages,
      refused: this.#refused,
      partial: this.#begun > this.#messages.length,
    };
    socket.destroy();
    return reading;
  }
}

/** What a `node:http` client makes of the response to a request: the last message that it gives. */
export async function readResponse(text: string, asked: Asked, ended: boolean): Promise<Reading> {
  const messages: Message[] = [];
  let refused: string | null = null;
  let begun = 0;
  const socket = new DeafSocket();
  const outgoing = request({
    method: asked.toHead ? "HEAD" : "GET",
    createConnection: () => socket,
    headers: { Host: "a" },
  });
  outgoing.on("error", (error: NodeJS.ErrnoException & { reason?: string }) => {
    refused ??= error.reason ?? error.message;
  });
  outgoing.on("response", (incoming) => {
    begun++;
    collect(incoming, (message) => messages.push(message));
  });
  outgoing.end();
  await settle(1);
  socket.push(Buffer.from(text, "latin1"));
  if (ended) socket.push(null);
  await settle(4);
  socket.destroy();
  return { messages, refused, partial: begun > messages.length };
}
