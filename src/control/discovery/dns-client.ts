import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { monotonicMs } from "../../lib/clock.ts";
import type { Address } from "../../settings/settings.ts";
import { decodeResponse, encodeQuery, type DnsResponse, type RecordType } from "./dns-message.ts";

/** A server has answered, and could or would not say: that is no silence. */
export class DnsRefusal extends Error {}

/** Asks DNS servers: over UDP, and over TCP what does not fit (RFC 7766). */
export interface DnsClient {
  /**
   * Rejects with the reason where no server gives an answer that can be used (`code` 0 and 3
   * can): a `DnsRefusal` where one of them has answered.
   */
  query(name: string, type: RecordType): Promise<DnsResponse>;
}

/** Times that every server is asked. */
const ROUNDS = 2;
/** After so long without an answer the next server is asked as well. */
const SLOW_MS = 1_000;
/** How long a server that gave no answer is asked after the others only. */
const SHUNNED_MS = 30_000;
/** Bytes of one response over TCP. */
const MAX_TCP = 65_535;

const codes: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED" };
const NO_SUCH_NAME = 3;

/** Servers that gave no answer, and until when (on the monotonic clock) they come after the others. */
export type ShunnedServers = Map<string, number>;

/**
 * @param timeoutMs for one answer of one server.
 * @param shunned is kept from client to client, so that a dead server costs its timeout now and then only.
 */
export function createDnsClient(
  servers: readonly Address[],
  timeoutMs: number,
  shunned: ShunnedServers = new Map(),
): DnsClient {
  return {
    async query(name, type) {
      const question = new Question(encodeQuery(name, type), timeoutMs, shunned);
      for (let i = 0; i < ROUNDS; i++) {
        const response = await question.ask(inOrder(servers, shunned));
        if (response !== null) return response;
      }
      throw question.failure;
    },
  };
}

/** One question to several servers, one after the other; also while one that is slow may still answer. */
class Question {
  failure: Error = new Error("no DNS server is known");
  readonly #query: Buffer;
  readonly #timeoutMs: number;
  readonly #shunned: ShunnedServers;

  constructor(query: Buffer, timeoutMs: number, shunned: ShunnedServers) {
    this.#query = query;
    this.#timeoutMs = timeoutMs;
    this.#shunned = shunned;
  }

  /** The first answer that can be used; `null`: there was none, and `failure` says why. Never rejects. */
  ask(servers: readonly Address[]): Promise<DnsResponse | null> {
    const { promise, resolve } = Promise.withResolvers<DnsResponse | null>();
    const over = new AbortController();
    /** Servers that have not answered yet, and since when they are asked. */
    const silent = new Map<Address, number>();
    let asked = 0;
    let timer: NodeJS.Timeout | undefined;
    const next = (): void => {
      clearTimeout(timer);
      const server = servers[asked];
      if (server === undefined) {
        if (silent.size === 0) resolve(null);
        return;
      }
      asked++;
      silent.set(server, monotonicMs());
      timer = setTimeout(next, SLOW_MS);
      void this.#askOne(server, over.signal).then((response) => {
        silent.delete(server);
        if (over.signal.aborted) return;
        if (response !== null) resolve(response);
        else next();
      });
    };
    next();
    return promise.finally(() => {
      clearTimeout(timer);
      over.abort();
      // Somebody else was quicker by so much that it is better asked first.
      for (const [server, since] of silent) if (monotonicMs() - since >= SLOW_MS) this.#shun(server);
    });
  }

  async #askOne(server: Address, signal: AbortSignal): Promise<DnsResponse | null> {
    const name = formatServer(server);
    try {
      const response = await ask(server, this.#query, this.#timeoutMs, signal);
      this.#shunned.delete(name);
      if (response.code === 0 || response.code === NO_SUCH_NAME) return response;
      this.failure = new DnsRefusal(`${codes[response.code] ?? `code ${response.code}`} from ${name}`);
    } catch (thrown) {
      if (signal.aborted) return null;
      this.#shun(server);
      const reason = `${thrown instanceof Error ? thrown.message : String(thrown)} from ${name}`;
      this.failure = this.failure instanceof DnsRefusal ? new DnsRefusal(reason) : new Error(reason);
    }
    return null;
  }

  #shun(server: Address): void {
    this.#shunned.set(formatServer(server), monotonicMs() + SHUNNED_MS);
  }
}

/** As they are configured, but those that gave no answer lately last. */
function inOrder(servers: readonly Address[], shunned: ShunnedServers): readonly Address[] {
  if (shunned.size === 0 || servers.length < 2) return servers;
  const now = monotonicMs();
  const isShunned = (server: Address): boolean => (shunned.get(formatServer(server)) ?? now) > now;
  return [...servers.filter((server) => !isShunned(server)), ...servers.filter(isShunned)];
}

function formatServer({ ip, port }: Address): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

async function ask(server: Address, query: Buffer, timeoutMs: number, signal: AbortSignal): Promise<DnsResponse> {
  const response = await askUdp(server, query, timeoutMs, signal);
  return response.truncated ? await askTcp(server, query, timeoutMs, signal) : response;
}

/** Rejects once the answer is not waited for any more; the result ends that. */
function stopOn(signal: AbortSignal, reject: (error: Error) => void): () => void {
  const stop = (): void => reject(new Error("not waited for any more"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  return () => signal.removeEventListener("abort", stop);
}

/** A socket of its own, and so a random port, for every question: answers are harder to forge. */
function askUdp(server: Address, query: Buffer, timeoutMs: number, signal: AbortSignal): Promise<DnsResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  const socket = createSocket(isIPv6(server.ip) ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(new Error("no answer")), timeoutMs);
  const stop = stopOn(signal, reject);
  socket.on("error", reject);
  socket.on("message", (message) => {
    const response = decodeResponse(message, query);
    // What does not fit the question is somebody else's, or forged: the right one may still come.
    if (response !== null) resolve(response);
  });
  // Connected, the socket takes messages of this server alone. The callback is told, too, that there is no way there.
  socket.connect(server.port, server.ip, (error?: Error | null) => (error ? reject(error) : socket.send(query)));
  return promise.finally(() => {
    clearTimeout(timer);
    stop();
    socket.close();
  });
}

function askTcp(server: Address, query: Buffer, timeoutMs: number, signal: AbortSignal): Promise<DnsResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  const socket = connect({ host: server.ip, port: server.port });
  const timer = setTimeout(() => reject(new Error("no answer over TCP")), timeoutMs);
  const stop = stopOn(signal, reject);
  let received = Buffer.alloc(0);
  socket.once("error", (error) => reject(error));
  socket.once("close", () => reject(new Error("no answer over TCP")));
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (received.length < length + 2 && received.length <= MAX_TCP) return;
    const response = decodeResponse(received.subarray(2, length + 2), query);
    if (response === null) reject(new Error("an answer that cannot be read"));
    else resolve(response);
  });
  const head = Buffer.alloc(2);
  head.writeUInt16BE(query.length);
  socket.write(Buffer.concat([head, query]));
  return promise.finally(() => {
    clearTimeout(timer);
    stop();
    socket.destroy();
  });
}
