import { createServer } from "node:net";

/** Below the range from which the kernel takes ports for outgoing connections. */
const FIRST = 12_000;
const LAST = 31_000;
/** Handed out already, and perhaps not listened on yet. */
const given = new Set<number>();

/**
 * A TCP port that nothing listens on at the moment. A gateway listens on its ports with
 * several sockets and must know them beforehand, so port 0 is no way here.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0" }, () => server.close(() => resolve(true)));
  });
}
