import { resolve } from "node:path";
import { canonicalIp } from "./address.ts";
import type { CheckedConfig, ConsulConfig, DiscoveryConfig, KubernetesConfig } from "./checked-config.ts";
import { type KeyPath, pathsTouch } from "./key-path.ts";
import { kubernetesSettings, unsetVariables } from "./kubernetes-settings.ts";
import type { Report } from "./report.ts";
import type { Address, ConsulSettings, DiscoverySettings } from "./settings.ts";

/** `discovery`. */
export function discoverySettings(
  { dns, consul, kubernetes }: DiscoveryConfig,
  prefix: string,
  env: NodeJS.ProcessEnv,
): DiscoverySettings {
  const { servers, resolv_conf: file } = dns ?? {};
  return {
    kubernetes: clustersOf(kubernetes).map((cluster) => kubernetesSettings(cluster, env)),
    dns:
      dns === undefined || (servers === undefined && file === undefined)
        ? null
        : {
            servers: servers?.map(dnsServer) ?? null,
            resolvConf: file === undefined ? null : resolve(prefix, file),
            order: dns.order,
          },
    consul: consul?.servers === undefined ? null : consulSettings(consul, consul.servers),
  };
}

function consulSettings(consul: ConsulConfig, servers: readonly string[]): ConsulSettings {
  const { default_service: fallback, timeout } = consul;
  return {
    servers: servers.map((server) => server.replace(/\/$/, "")),
    token: consul.token ?? null,
    answerMs: Number(timeout.connect) + Number(timeout.read),
    waitMs: consul.keepalive ? Math.max(1, Number(timeout.wait)) * 1_000 : null,
    intervalMs: Math.max(1, Number(consul.fetch_interval)) * 1_000,
    weight: Number(consul.weight),
    skipped: consul.skip_services,
    fallback:
      fallback?.host === undefined || fallback.port === undefined
        ? null
        : { host: fallback.host, port: fallback.port, weight: Number(fallback.metadata.weight) },
  };
}

/** `8.8.8.8`, `8.8.8.8:53`, `[::1]`, `[::1]:53` or `::1`; the schema has refused everything else. */
export function dnsServer(text: string): Address {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([^:]+)(?::(\d+))?$/.exec(text);
  return { ip: canonicalIp(bracketed?.[1] ?? text), port: Number(bracketed?.[2] ?? 53) };
}

function clustersOf(kubernetes: DiscoveryConfig["kubernetes"] = []): readonly KubernetesConfig[] {
  return Array.isArray(kubernetes) ? (kubernetes as readonly KubernetesConfig[]) : [kubernetes as KubernetesConfig];
}

/** Reports what is incomplete or at odds with itself. `invalid`: keys that are reported already. */
export function reportDiscovery(
  { discovery = {} }: CheckedConfig,
  invalid: readonly KeyPath[],
  env: NodeJS.ProcessEnv,
  report: Report,
): void {
  const { dns, consul, kubernetes } = discovery;
  const error = (path: KeyPath, message: string): void => {
    const at = ["discovery", ...path];
    if (!invalid.some((other) => pathsTouch(other, at))) report.error(at, message);
  };
  if (dns !== undefined && dns.servers === undefined && dns.resolv_conf === undefined) {
    error(["dns"], "expected servers or resolv_conf");
  }
  if (dns?.servers !== undefined && dns.resolv_conf !== undefined) {
    error(["dns", "resolv_conf"], "expected servers or resolv_conf, not both");
  }
  if (consul !== undefined && consul.servers === undefined) error(["consul"], "expected servers");
  const fallback = consul?.default_service;
  if (fallback !== undefined && (fallback.host === undefined || fallback.port === undefined)) {
    error(["consul", "default_service"], "expected a mapping with host and port");
  }
  const listed = Array.isArray(kubernetes);
  const ids = new Set<string>();
  for (const [index, cluster] of clustersOf(kubernetes).entries()) {
    const at = listed ? ["kubernetes", index] : ["kubernetes"];
    reportCluster(cluster, at, listed, env, error);
    if (cluster.id !== undefined && ids.has(cluster.id)) error([...at, "id"], `${cluster.id} is there twice`);
    if (cluster.id !== undefined) ids.add(cluster.id);
  }
}

function reportCluster(
  cluster: KubernetesConfig,
  at: KeyPath,
  listed: boolean,
  env: NodeJS.ProcessEnv,
  error: (path: KeyPath, message: string) => void,
): void {
  if (listed && cluster.id === undefined) error(at, "expected an id: there is a list of clusters");
  if (!listed && cluster.id !== undefined)
    error([...at, "id"], "a single cluster has none; write a list with one entry");
  const { client } = cluster;
  if (client.token !== undefined && client.token_file !== undefined) {
    error([...at, "client", "token_file"], "expected token or token_file, not both");
  }
  for (const { path, name } of unsetVariables(cluster, env)) {
    error(
      [...at, ...path],
      `needs the environment variable ${name}, which is not set; write the value outside of a pod`,
    );
  }
}
