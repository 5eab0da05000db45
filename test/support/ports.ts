import { createServer } from "node:net";

/** Below the range from which the kernel takes ports for outgoing connections. */
const FIRST = 12_000;
const LAST = 31_000;
/** Ports that belong together to one process at a time. */
const BLOCK = 100;
const BLOCKS = (LAST - FIRST) / BLOCK;

/** The ports of this process that were not handed out yet. */
let mine: number[] = [];
let claiming: Promise<void> | null = null;

/**
 * A TCP port that nothing listens on at the moment, and that no other test process is handed
 * out as long as this one runs. A gateway listens on its ports with several sockets and must
 * know them beforehand, so port 0 is no way here.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < LAST - FIRST; tries++) {
    const port = mine.pop();
    if (port === undefined) {
      claiming ??= claimBlock().finally(() => (claiming = null));
      await claiming;
    } else if (await isFree(port)) return port;
  }
  throw new Error("no free port");
}

/**
 * Takes a block of ports that no other process has, for as long as this one runs: the name of
 * its block is an abstract socket, which ends with the process, however that ends.
 */
async function claimBlock(): Promise<void> {
  const start = Math.floor(Math.random() * BLOCKS);
  for (let i = 0; i < BLOCKS; i++) {
    const block = (start + i) % BLOCKS;
    const claim = createServer().unref();
    const claimed = await new Promise<boolean>((resolve) => {
      claim.once("error", () => resolve(false));
      claim.listen(`\0turnpike-test-ports-${block}`, () => resolve(true));
    });
    if (!claimed) continue;
    mine = Array.from({ length: BLOCK }, (_, at) => FIRST + block * BLOCK + at);
    return;
  }
  throw new Error("every block of ports is taken");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0" }, () => server.close(() => resolve(true)));
  });
}
