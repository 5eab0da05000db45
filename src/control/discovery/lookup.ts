import { isIP } from "node:net";
import type { DiscoverySettings, DnsSettings } from "../../settings/settings.ts";
import { createConsul } from "./consul.ts";
import { createKubernetes, type Kubernetes } from "./kubernetes.ts";
import { createResolver, type Resolver } from "./resolver.ts";
import type { Lookup } from "./target-watch.ts";

/** How long an address counts that was written as one. */
const ADDRESS_TTL_MS = 3_600_000;
const MAX_PORT = 65_535;

/** Where keys are looked up. */
export interface Lookups {
  /** Never rejects. */
  look(key: string): Promise<Lookup>;
  /** The key is not asked for any more: nothing has to be followed for it. */
  forget(key: string): void;
  /** Whether a source has delivered what it tells unasked: Kubernetes the list of a cluster, the others nothing. */
  isListed(type: string): boolean;
  /** What each cluster of Kubernetes has told, in the order of `discovery.kubernetes`. */
  clusters(): readonly ReturnType<Kubernetes["endpoints"]>[];
  close(): void;
}

export interface LookupParts {
  /** A key stands for something else now: it is to be looked up again. */
  readonly changed: (key: string) => void;
  /** `isListed` may say something else now. */
  readonly listed: () => void;
  /** Certificates of `apisix.ssl.ssl_trusted_certificate`, or those that the system trusts. */
  readonly authorities: () => readonly string[];
  readonly log: { warn(message: string): void };
}

/** What is looked up where: names in the DNS, services in what `discovery` says. */
export function createLookup(dns: DnsSettings, discovery: DiscoverySettings, parts: LookupParts): Lookups {
  const resolver = createResolver(dns);
  const { consul: consulSettings, dns: dnsSettings } = discovery;
  // The answer's own TTL counts for services: `dns_resolver_valid` is about names of nodes.
  const services =
    dnsSettings === null
      ? null
      : createResolver(
          { ...dns, validMs: null, servers: dnsSettings.servers, search: dnsSettings.servers === null && dns.search },
          {
            order: dnsSettings.order,
            files: dnsSettings.resolvConf === null ? {} : { resolv: dnsSettings.resolvConf },
          },
        );
  const consul =
    consulSettings === null
      ? null
      : createConsul({
          settings: consulSettings,
          authorities: parts.authorities,
          changed: (service) => parts.changed(`consul/${service}`),
        });
  const clusters = new Map(
    discovery.kubernetes.map((settings) => {
      const before = settings.id === null ? "kubernetes/" : `kubernetes/${settings.id}/`;
      const changed = (endpoints: string): void => parts.changed(`${before}${endpoints}`);
      return [before, createKubernetes({ ...parts, settings, changed })];
    }),
  );
  const look = async (key: string): Promise<Lookup> => {
    const slash = key.indexOf("/");
    const [type, name] = [key.slice(0, slash), key.slice(slash + 1)];
    if (type === "name") return await lookUpName(resolver, name);
    if (type === "dns" && services !== null) return await lookUpDnsService(services, name);
    if (type === "consul" && consul !== null) return await consul.look(name);
    for (const [before, cluster] of clusters) {
      if (key.startsWith(before)) return await cluster.look(key.slice(before.length));
    }
    return { failure: `discovery.${type} is not configured in config.yaml`, gone: true };
  };
  return {
    look,
    forget(key) {
      if (key.startsWith("consul/")) consul?.forget(key.slice("consul/".length));
    },
    isListed: (type) => type !== "kubernetes" || [...clusters.values()].some((cluster) => cluster.isListed),
    clusters: () => Array.from(clusters.values(), (cluster) => cluster.endpoints()),
    close() {
      consul?.close();
      for (const cluster of clusters.values()) cluster.close();
    },
  };
}

async function lookUpName(resolver: Resolver, name: string): Promise<Lookup> {
  const found = await resolver.resolve(name);
  if ("failure" in found) return { failure: found.failure };
  const targets = found.addresses.map((host) => ({ host, port: null, weight: 1, priority: 0 }));
  return { targets, ttlMs: found.ttlMs };
}

/** `name` or `name:port`; a port in the name wins over that of SRV records. An address stands for itself. */
async function lookUpDnsService(resolver: Resolver, service: string): Promise<Lookup> {
  const [, bracketed, plain = service, written] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(service) ?? [];
  const name = bracketed ?? plain;
  const given = written === undefined ? null : Number(written);
  if (given === 0 || (given ?? 0) > MAX_PORT) return { failure: `${written} is no port`, answered: true };
  if (isIP(name) !== 0) {
    return { targets: [{ host: name, port: given, weight: 1, priority: 0 }], ttlMs: ADDRESS_TTL_MS };
  }
  const found = await resolver.resolveService(name);
  if ("failure" in found) {
    return found.unanswered === true ? { failure: found.failure } : { failure: found.failure, answered: true };
  }
  const targets = found.records.map(({ host, port, weight, priority }) => ({
    host,
    port: given ?? port,
    weight,
    // A lower number is preferred in the DNS, a higher one in an upstream.
    priority: priority === 0 ? 0 : -priority,
  }));
  return { targets, ttlMs: found.ttlMs };
}
