import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { certificate, privateKey } from "./certificate.ts";

/** Servers that keep what gateways send them, for tests of log and trace plugins. */

/** What arrived, in order; `next` waits for it. */
export class Inbox<Item> {
  readonly #items: Item[] = [];
  readonly #waiting: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting(item);
  }

  next(): Promise<Item> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A request that a sink received. */
export interface Posted {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  readonly json: () => unknown;
}

export interface HttpSink {
  readonly url: string;
  readonly port: number;
  readonly inbox: Inbox<Posted>;
  /** Status, and body, of the answers from now on. */
  answer: (posted: Posted) => readonly [status: number, body?: string];
}

/** Answers 200 and keeps the request. */
export async function startHttpSink(t: TestContext, tls = false): Promise<HttpSink> {
  const inbox = new Inbox<Posted>();
  const server = tls ? createHttpsServer({ cert: certificate, key: privateKey }) : createHttpServer();
  server.on("request", (request, response) => {
    void buffer(request).then((body) => {
      const text = body.toString("utf8");
      const { method = "", url = "", headers } = request;
      const posted = { method, url, headers, body, text, json: () => JSON.parse(text) as unknown };
      const [status, answer = ""] = sink.answer(posted);
      response.writeHead(status).end(answer);
      inbox.put(posted);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const sink: HttpSink = { url: `http${tls ? "s" : ""}://127.0.0.1:${port}`, port, inbox, answer: () => [200] };
  return sink;
}

/** Keeps what each connection said until its end (`whole`), or line by line. */
export async function startTcpSink(t: TestContext, how: { whole: boolean; tls?: boolean }) {
  const inbox = new Inbox<string>();
  const sockets = new Set<Socket>();
  const receive = (socket: Socket): void => {
    let text = "";
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (piece: Buffer) => {
      text += piece.toString("utf8");
      if (how.whole) return;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) inbox.put(line);
    });
    socket.on("end", () => {
      if (how.whole) inbox.put(text);
    });
    socket.on("close", () => sockets.delete(socket));
  };
  const server =
    how.tls === true ? createTlsServer({ cert: certificate, key: privateKey }, receive) : createServer(receive);
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, inbox, connections: () => sockets.size, cut };
}

/** Keeps datagrams. */
export async function startUdpSink(t: TestContext) {
  const inbox = new Inbox<string>();
  const socket = createSocket("udp4", (datagram) => inbox.put(datagram.toString("utf8")));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return { port: socket.address().port, inbox };
}
