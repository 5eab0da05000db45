import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** Passes connections to `from` on to `to`, both on 127.0.0.1; the function returned cuts all of them. */
export async function forward(t: TestContext, from: number, to: number): Promise<() => void> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const origin = connect(to, "127.0.0.1");
    for (const socket of [client, origin]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    }
    client.pipe(origin).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(from, "127.0.0.1", resolve);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return cut;
}
