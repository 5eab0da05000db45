import { createHash } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { freePort } from "./ports.ts";

/** A TCP server of a test: `node` is its `host:port`. */
export interface TcpPeer {
  readonly node: string;
  readonly server: Server;
  readonly sockets: Set<Socket>;
}

/** Serves TCP as told, with half-open connections; closed after the test. */
export async function startTcp(t: TestContext, serve: (socket: Socket) => void, port = 0): Promise<TcpPeer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { node: `127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets };
}

/** Sends back what comes. */
export const echo = (socket: Socket): void => void socket.pipe(socket);

/** Sends its name, and then back what comes. */
export const named =
  (name: string) =>
  (socket: Socket): void => {
    socket.write(`${name}\n`);
    socket.pipe(socket);
  };

/** A client's connection, closed after the test. Errors end it like everything else does. */
export function dial(t: TestContext, port: number, host = "127.0.0.1"): Socket {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

/** Everything that comes until the other side ends; `reset` where it broke off. */
export async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  let failed = false;
  socket.on("error", () => (failed = true));
  await Promise.race([once(socket, "end"), once(socket, "close")]).catch(() => undefined);
  return failed ? `${text}[reset]` : text;
}

/** The next bytes, as text, until they have come to `length`. */
export async function readText(socket: Socket, length: number): Promise<string> {
  let text = "";
  while (text.length < length) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) text += chunk.toString("latin1");
    else if (socket.readableEnded || socket.destroyed) break;
    else await Promise.race([once(socket, "readable"), once(socket, "close")]).catch(() => undefined);
  }
  return text;
}

/** Sends `bytes` of a pattern and resolves with whether the same came back, whole and in order. */
export async function echoed(socket: Socket, bytes: number): Promise<boolean> {
  const block = Buffer.from(Array.from({ length: 65_521 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  socket.on("data", (chunk: Buffer) => received.update(chunk));
  const ended = once(socket, "end");
  for (let left = bytes; left > 0; left -= block.length) {
    const piece = left < block.length ? block.subarray(0, left) : block;
    sent.update(piece);
    if (!socket.write(piece)) await once(socket, "drain");
  }
  socket.end();
  await ended;
  return sent.digest("hex") === received.digest("hex");
}

/** A UDP server of a test. */
export interface UdpPeer {
  readonly node: string;
  readonly socket: UdpSocket;
  /** `host:port` of everybody who has sent something. */
  readonly senders: Set<string>;
}

/** Answers each datagram with what `answer` makes of it; closed after the test. */
export async function startUdp(
  t: TestContext,
  answer: (datagram: Buffer) => Buffer | null = (datagram) => datagram,
  port = 0,
  host = "127.0.0.1",
): Promise<UdpPeer> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 });
  const senders = new Set<string>();
  socket.on("message", (datagram, from) => {
    senders.add(`${from.address}:${from.port}`);
    const reply = answer(datagram);
    if (reply !== null) socket.send(reply, from.port, from.address);
  });
  socket.bind(port, host);
  await once(socket, "listening");
  t.after(() => socket.close());
  return { node: `${host}:${socket.address().port}`, socket, senders };
}

/** A client that sends to one port of the gateway. */
export async function udpClient(t: TestContext, port: number): Promise<UdpSocket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 });
  socket.on("error", () => undefined);
  socket.connect(port, "127.0.0.1");
  await once(socket, "connect");
  t.after(() => socket.close());
  return socket;
}

/** Sends a datagram and resolves with the next that comes. */
export async function ask(socket: UdpSocket, text: string): Promise<string> {
  const answer = once(socket, "message");
  socket.send(text);
  return String((await answer)[0]);
}

/** A port where nobody listens. */
export async function deadNode(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}
