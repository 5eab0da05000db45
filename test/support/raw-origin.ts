import { createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** An origin whose every byte a test decides. */
export interface RawOrigin {
  readonly node: string;
  /** Heads of requests that came, in order. */
  readonly heads: readonly string[];
  /** Connections that were accepted. */
  readonly connections: () => number;
}

/**
 * Starts an origin that hands over each request, once its head is there, with the socket to
 * answer on; what follows the head is left to the handler (`rest` is what came along with it).
 */
export async function startRawOrigin(
  t: TestContext,
  answer: (socket: Socket, head: string, rest: string) => void,
): Promise<RawOrigin> {
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const end = received.indexOf("\r\n\r\n");
      if (end < 0 || !/^[A-Z]+ \S+ HTTP/.test(received)) return;
      const head = received.slice(0, end);
      const rest = received.slice(end + 4);
      received = "";
      heads.push(head);
      answer(socket, head, rest);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { node: `127.0.0.1:${(server.address() as AddressInfo).port}`, heads, connections: () => connections };
}
