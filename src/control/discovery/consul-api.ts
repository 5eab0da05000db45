import type { RequestOptions } from "node:https";
import { loadHttps } from "../../lib/lazy-https.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import { distinctTargets, type Target } from "../../upstream/targets.ts";

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
  /** Weight of an instance; one that has a weight of its own in Consul has so many times as much. */
  readonly weight: number;
  /** Certificates that those of servers are checked by. */
  readonly authorities: () => readonly string[];
  /** For an answer that is not held back. */
  readonly answerMs: number;
  /** The answer may be held back until there is another index, for so long; `null`: it may not. */
  readonly after: { readonly index: number; readonly waitMs: number } | null;
}

/** Asks for the instances of a service. Rejects with an Error where there is no such answer. */
export async function askConsul(question: ConsulQuestion, signal: AbortSignal): Promise<ConsulAnswer> {
  const { server, service, token, weight, authorities, answerMs, after } = question;
  const held = after === null ? "" : `&index=${after.index}&wait=${Math.ceil(after.waitMs / 1_000)}s`;
  // Consul adds up to a sixteenth, so that not all clients come back at once.
  const limitMs = answerMs + (after === null ? 0 : after.waitMs * (17 / 16));
  const ask = (path: string): Promise<HttpAnswer> =>
    get(`${server}/v1/${path}${encodeURIComponent(service)}?passing=true${held}`, {
      headers: { Accept: "application/json", ...(token === null ? {} : { "X-Consul-Token": token }) },
      agent: false,
      signal,
      ...(server.startsWith("https:") ? { ca: [...authorities()] } : {}),
      limitMs,
    });
  let answer = await ask("health/service/");
  // Other registries that speak Consul's protocol may have its catalogue alone.
  if (answer.status === 404) answer = await ask("catalog/service/");
  const { status, text, index } = answer;
  if (status !== 200) throw new Error(`status ${status}`);
  return { targets: readService(JSON.parse(text), weight), index };
}

interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  /** 0: none was told. */
  readonly index: number;
}

/** One row of `/v1/catalog/service`, as far as it is read. */
interface CatalogRow {
  readonly Address?: unknown;
  readonly ServiceAddress?: unknown;
  readonly ServicePort?: unknown;
  readonly ServiceWeights?: { readonly Passing?: unknown } | null;
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
  const targets: Target[] = [];
  for (const { Node: node, Service: service } of (answer as readonly (Row & CatalogRow)[]).map(nested)) {
    const host = typeof service?.Address === "string" && service.Address !== "" ? service.Address : node?.Address;
    // An instance without a port is registered with 0: as in APISIX it is asked at 80.
    const port = service?.Port === 0 || service?.Port === undefined ? 80 : service.Port;
    if (typeof host !== "string" || host === "" || typeof port !== "number" || port < 1 || port > 65_535) continue;
    const given = service?.Weights?.Passing;
    // 1 is what Consul says of an instance that was given none.
    const own = typeof given === "number" && given >= 1 ? given * weight : weight;
    targets.push({ host, port, weight: own, priority: 0 });
  }
  return distinctTargets(targets);
}

/** A row of the catalogue in the form of the other. */
function nested(row: Row & CatalogRow): Row {
  if (row.ServicePort === undefined) return row;
  const { Address: node, ServiceAddress: address, ServicePort: port, ServiceWeights: weights } = row;
  return {
    Node: { Address: node },
    Service: { Address: address, Port: port, ...(weights === undefined ? {} : { Weights: weights }) },
  };
}

function get(url: string, { limitMs, ...options }: RequestOptions & { readonly limitMs: number }): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const send = url.startsWith("https:") ? loadHttps().request : httpRequest;
  const outgoing = send(url, options, (response) => {
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
      const text = Buffer.concat(parts).toString("utf8");
      resolve({ status: response.statusCode ?? 0, text, index: Number.isSafeInteger(index) ? index : 0 });
    });
  });
  const timer = setTimeout(() => outgoing.destroy(new Error("no answer")), limitMs);
  outgoing.once("error", reject);
  outgoing.end();
  return promise.finally(() => clearTimeout(timer));
}
