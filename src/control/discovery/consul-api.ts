import { loadHttps } from "../../lib/lazy-https.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import type { Target } from "../../upstream/targets.ts";

/** Bytes of an answer. */
const MAX_ANSWER = 16_777_216;

/** What a server says of a service. */
export interface ConsulAnswer {
  /** Instances whose checks pass, sorted. */
  readonly targets: readonly Target[];
  /** What a further question can name to be answered once something is different; 0: nothing. */
  readonly index: number;
}

/** One question to one server. */
export interface ConsulQuestion {
  /** Without a slash at the end. */
  readonly server: string;
  readonly service: string;
  readonly token: string | null;
  /** Weight of an instance that says none. */
  readonly weight: number;
  /** For an answer that is not held back. */
  readonly answerMs: number;
  /** The answer may be held back until there is another index, for so long; `null`: it may not. */
  readonly after: { readonly index: number; readonly waitMs: number } | null;
}

/** Asks for the instances of a service. Rejects with an Error where there is no such answer. */
export async function askConsul(question: ConsulQuestion, signal: AbortSignal): Promise<ConsulAnswer> {
  const { server, service, token, weight, answerMs, after } = question;
  const held = after === null ? "" : `&index=${after.index}&wait=${Math.ceil(after.waitMs / 1_000)}s`;
  const url = `${server}/v1/health/service/${encodeURIComponent(service)}?passing=true${held}`;
  // Consul adds up to a sixteenth, so that not all clients come back at once.
  const limitMs = answerMs + (after === null ? 0 : after.waitMs * (17 / 16));
  const { text, index } = await get(url, token, limitMs, signal);
  return { targets: readService(JSON.parse(text), weight), index };
}

/** One row of `/v1/health/service`, as far as it is read. */
interface Row {
  readonly Node?: { readonly Address?: unknown };
  readonly Service?: {
    readonly Address?: unknown;
    readonly Port?: unknown;
    readonly Weights?: { readonly Passing?: unknown } | null;
  };
}

/** Sorted, so that their order says nothing; rows that name no address are left out. */
function readService(answer: unknown, weight: number): readonly Target[] {
  if (!Array.isArray(answer)) throw new Error("the answer is no list");
  const targets = new Map<string, Target>();
  for (const { Node: node, Service: service } of answer as readonly Row[]) {
    const host = typeof service?.Address === "string" && service.Address !== "" ? service.Address : node?.Address;
    const port = service?.Port;
    if (typeof host !== "string" || host === "" || typeof port !== "number" || port < 1 || port > 65_535) continue;
    const given = service?.Weights?.Passing;
    const own = typeof given === "number" && given >= 1 ? given : weight;
    targets.set(`${host} ${port}`, { host, port, weight: own, priority: 0 });
  }
  return [...targets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
}

function get(
  url: string,
  token: string | null,
  limitMs: number,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly index: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ readonly text: string; readonly index: number }>();
  const send = url.startsWith("https:") ? loadHttps().request : httpRequest;
  const headers = { Accept: "application/json", ...(token === null ? {} : { "X-Consul-Token": token }) };
  const outgoing = send(url, { headers, agent: false, signal }, (response) => {
    const parts: Buffer[] = [];
    let length = 0;
    response.on("data", (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length > MAX_ANSWER) outgoing.destroy(new Error("the answer is too long"));
    });
    response.once("error", reject);
    response.once("end", () => {
      const index = Number(response.headers["x-consul-index"] ?? 0);
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      else resolve({ text: Buffer.concat(parts).toString("utf8"), index: Number.isSafeInteger(index) ? index : 0 });
    });
  });
  const timer = setTimeout(() => outgoing.destroy(new Error("no answer")), limitMs);
  outgoing.once("error", reject);
  outgoing.end();
  return promise.finally(() => clearTimeout(timer));
}
