import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Address } from "../../settings/settings.ts";
import { decodeResponse, encodeQuery, type DnsResponse, type RecordType } from "./dns-message.ts";

/** Asks DNS servers: over UDP, and over TCP what does not fit (RFC 7766). */
export interface DnsClient {
  /** Rejects with the reason where no server gives an answer that can be used; `code` 0 and 3 can. */
  query(name: string, type: RecordType): Promise<DnsResponse>;
}

/** Times that every server is asked. */
const ROUNDS = 2;
/** Bytes of one response over TCP. */
const MAX_TCP = 65_535;

const codes: Readonly<Record<number, string>> = { 1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED" };
const NO_SUCH_NAME = 3;

/** @param timeoutMs for one answer of one server. */
export function createDnsClient(servers: readonly Address[], timeoutMs: number): DnsClient {
  return {
    async query(name, type) {
      const query = encodeQuery(name, type);
      let reason = "no DNS server is known";
      for (let round = 0; round < ROUNDS; round++) {
        for (const server of servers) {
          try {
            const response = await ask(server, query, timeoutMs);
            if (response.code === 0 || response.code === NO_SUCH_NAME) return response;
            reason = `${codes[response.code] ?? `code ${response.code}`} from ${formatServer(server)}`;
          } catch (thrown) {
            reason = `${thrown instanceof Error ? thrown.message : String(thrown)} from ${formatServer(server)}`;
          }
        }
      }
      throw new Error(reason);
    },
  };
}

function formatServer({ ip, port }: Address): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

async function ask(server: Address, query: Buffer, timeoutMs: number): Promise<DnsResponse> {
  const response = await askUdp(server, query, timeoutMs);
  return response.truncated ? await askTcp(server, query, timeoutMs) : response;
}

/** A socket of its own, and so a random port, for every question: answers are harder to forge. */
function askUdp(server: Address, query: Buffer, timeoutMs: number): Promise<DnsResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  const socket = createSocket(isIPv6(server.ip) ? "udp6" : "udp4");
  const timer = setTimeout(() => reject(new Error("no answer")), timeoutMs);
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
    socket.close();
  });
}

function askTcp(server: Address, query: Buffer, timeoutMs: number): Promise<DnsResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<DnsResponse>();
  const socket = connect({ host: server.ip, port: server.port });
  const timer = setTimeout(() => reject(new Error("no answer over TCP")), timeoutMs);
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
    socket.destroy();
  });
}
