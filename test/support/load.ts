import { connect, type Socket } from "node:net";

/** What a load saw. */
export interface LoadResult {
  readonly answers: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Connections that ended before the answer to a request that had been sent. */
  readonly failed: readonly string[];
  /** Connections that could not be opened. */
  readonly refused: number;
}

/** Keeps `connections` keep-alive clients busy until it is stopped. */
export interface Load {
  /** Answers so far. */
  readonly answers: () => number;
  /** Resolves once that many answers were read in all. */
  reached(answers: number): Promise<void>;
  /** Lets every client finish its request and resolves with what was seen. */
  stop(): Promise<LoadResult>;
}

/**
 * Clients that send GET requests one after the other, read each answer whole, and open a new
 * connection when the answer says `Connection: close`. A client whose connection is refused stops.
 */
export function startLoad(port: number, connections: number, path = "/"): Load {
  const statuses: Record<number, number> = {};
  const failed: string[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  let answers = 0;
  let refused = 0;
  let stopping = false;

  async function client(): Promise<void> {
    while (!stopping) {
      const socket = await open(port);
      if (socket === null) {
        refused++;
        return;
      }
      await useConnection(socket);
      socket.destroy();
    }
  }

  async function useConnection(socket: Socket): Promise<void> {
    for (;;) {
      if (stopping) return;
      const answer = await exchange(socket, path);
      if (answer.status === 0) {
        failed.push(answer.head);
        return;
      }
      answers++;
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      for (const waiter of waiting) if (answers >= waiter.count) waiter.resolve();
      if (/\r\nconnection: close/i.test(answer.head)) return;
    }
  }

  const clients = Array.from({ length: connections }, () => client());
  return {
    answers: () => answers,
    async reached(count) {
      if (answers >= count) return;
      await new Promise<void>((resolve) => waiting.push({ count, resolve }));
    },
    async stop() {
      stopping = true;
      await Promise.all(clients);
      return { answers, statuses, failed, refused };
    },
  };
}

/** A connection, or `null` where it is refused. */
export async function open(port: number, host = "127.0.0.1"): Promise<Socket | null> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host, noDelay: true });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      socket.on("error", () => undefined);
      resolve(socket);
    });
    socket.once("error", () => resolve(null));
  });
}

/** One request and its answer with Content-Length; status 0 and the reason where the connection ended. */
export async function exchange(socket: Socket, path: string): Promise<{ status: number; head: string; body: string }> {
  return await new Promise((resolve) => {
    let text = "";
    const done = (status: number, head: string, body: string): void => {
      socket.removeListener("data", onData);
      socket.removeListener("close", onClose);
      resolve({ status, head, body });
    };
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? Number.NaN);
      const body = text.slice(end + 4);
      if (Number.isNaN(length) ? body.endsWith("0\r\n\r\n") : body.length >= length) {
        done(Number(text.slice(9, 12)), text.slice(0, end), body);
      }
    };
    const onClose = (): void => done(0, `closed after ${JSON.stringify(text)}`, "");
    socket.on("data", onData);
    socket.on("close", onClose);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  });
}

/** Opens that many new connections at once and asks each for the path. */
export async function burst(port: number, count: number, path: string): Promise<Readonly<Record<string, number>>> {
  const seen: Record<string, number> = {};
  const one = async (): Promise<void> => {
    const socket = await open(port);
    const { status, body } = socket === null ? { status: -1, body: "refused" } : await exchange(socket, path);
    socket?.destroy();
    const what = `${status} ${body.trim()}`;
    seen[what] = (seen[what] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: count }, one));
  return seen;
}
