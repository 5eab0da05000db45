import { loadHttps } from "../../lib/lazy-https.ts";
import { reasonOf } from "../../lib/errors.ts";
import { request as httpRequest } from "../../lib/node-http.ts";
import type { ConsulSettings } from "../../settings/settings.ts";
import type { Target } from "../../upstream/targets.ts";
import type { Lookup } from "./target-watch.ts";

/** Milliseconds for one answer of a server. */
const TIMEOUT_MS = 5_000;
/** Bytes of an answer. */
const MAX_ANSWER = 16_777_216;

/**
 * Looks services up in Consul: the instances whose checks pass. The servers are asked in
 * turn until one answers. Never rejects.
 */
export function createConsul(settings: ConsulSettings): (service: string) => Promise<Lookup> {
  const { servers, intervalMs } = settings;
  return async (service) => {
    let failure = "no server is configured";
    for (const server of servers) {
      try {
        const path = `/v1/health/service/${encodeURIComponent(service)}?passing=true`;
        const targets = readService(JSON.parse(await get(`${server}${path}`, settings.token)), settings.weight);
        if (targets.length > 0) return { targets, ttlMs: intervalMs };
        failure = `${server} knows no passing instance of ${service}`;
      } catch (thrown) {
        failure = `${server}: ${reasonOf(thrown)}`;
      }
    }
    return { failure };
  };
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

function get(url: string, token: string | null): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const send = url.startsWith("https:") ? loadHttps().request : httpRequest;
  const headers = { Accept: "application/json", ...(token === null ? {} : { "X-Consul-Token": token }) };
  const outgoing = send(url, { headers, agent: false }, (response) => {
    const parts: Buffer[] = [];
    let length = 0;
    response.on("data", (part: Buffer) => {
      parts.push(part);
      length += part.length;
      if (length > MAX_ANSWER) outgoing.destroy(new Error("the answer is too long"));
    });
    response.once("error", reject);
    response.once("end", () => {
      if (response.statusCode === 200) resolve(Buffer.concat(parts).toString("utf8"));
      else reject(new Error(`status ${response.statusCode}`));
    });
  });
  const timer = setTimeout(() => outgoing.destroy(new Error("no answer")), TIMEOUT_MS);
  outgoing.once("error", reject);
  outgoing.end();
  return promise.finally(() => clearTimeout(timer));
}
