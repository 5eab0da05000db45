import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

/** A running origin. */
export interface Origin {
  readonly port: number;
  /** `127.0.0.1:<port>`, as upstream nodes are written. */
  readonly node: string;
  readonly server: Server;
  /** Requests received so far. */
  readonly requests: () => number;
}

/** Starts an HTTP origin; without a handler it answers its name and the request line. */
export async function startOrigin(
  t: TestContext,
  name = "origin",
  handler?: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Origin> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    if (handler !== undefined) handler(request, response);
    else response.end(`${name} ${request.method} ${request.url}\n`);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, node: `127.0.0.1:${port}`, server, requests: () => requests };
}
