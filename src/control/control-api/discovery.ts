import type { ConsulSettings, DiscoverySettings, KubernetesSettings } from "../../settings/settings.ts";
import type { Target } from "../../upstream/targets.ts";
import { refuse, type ControlAnswer, type Endpoint } from "./endpoint.ts";

/** What the endpoints of discovery read. */
export interface DiscoveryDeps {
  readonly discovery: DiscoverySettings;
  readonly discovered: {
    /** What services stand for, by `consul/<service>` and the like. */
    targets(): readonly (readonly [key: string, targets: readonly Target[] | null])[];
    /** The nodes of each port by `namespace/name`, for each cluster of `discovery.kubernetes`. */
    clusters(): readonly ReadonlyMap<string, Readonly<Record<string, readonly Target[]>>>[];
  };
}

/** `GET /v1/discovery/consul/dump` and `GET /v1/discovery/kubernetes/dump`, each where it is configured. */
export function discoveryEndpoints({ discovery, discovered }: DiscoveryDeps): readonly Endpoint[] {
  const { consul, kubernetes } = discovery;
  const dumps = new Map<string, () => object>();
  if (consul !== null) dumps.set("consul", () => dumpConsul(consul, discovered));
  if (kubernetes.length > 0) dumps.set("kubernetes", () => dumpKubernetes(kubernetes, discovered));
  if (dumps.size === 0) return [];
  const answer = ([type = "", action]: readonly string[]): ControlAnswer => {
    const dump = action === "dump" ? dumps.get(type) : undefined;
    if (dump !== undefined) return { status: 200, body: dump() };
    const known = Array.from(dumps.keys(), (one) => `GET /v1/discovery/${one}/dump`);
    return refuse(404, "not found", { endpoints: known });
  };
  return [{ method: "GET", path: "/v1/discovery/", answer: ({ rest }) => answer(rest) }];
}

const nodesOf = (targets: readonly Target[] | null): object[] =>
  (targets ?? []).map(({ host, port, weight }) => ({ host, port, weight }));

/** Shown as that it is there, never what it is. */
const masked = (token: string | null): string => (token === null ? "" : "***");

function dumpConsul(settings: ConsulSettings, discovered: DiscoveryDeps["discovered"]): object {
  const { servers, token, waitMs, intervalMs, weight, skipped, fallback } = settings;
  const services = discovered
    .targets()
    .filter(([key]) => key.startsWith("consul/"))
    .map(([key, found]) => [key.slice("consul/".length), nodesOf(found)] as const);
  const config = {
    servers,
    token: masked(token),
    keepalive: waitMs !== null,
    ...(waitMs === null ? {} : { timeout: { wait: waitMs / 1000 } }),
    fetch_interval: intervalMs / 1000,
    weight,
    ...(skipped.length === 0 ? {} : { skip_services: skipped }),
    ...(fallback === null ? {} : { default_service: serviceOf(fallback) }),
  };
  return { config, services: Object.fromEntries(services) };
}

const serviceOf = ({ host, port, weight }: NonNullable<ConsulSettings["fallback"]>): object => ({
  host,
  port,
  metadata: { weight },
});

function dumpKubernetes(settings: readonly KubernetesSettings[], discovered: DiscoveryDeps["discovered"]): object {
  const endpoints = discovered.clusters().map((cluster, index) => ({
    ...idOf(settings[index]),
    // A text within the text, as APISIX keeps it.
    endpoints: Array.from(cluster, ([name, ports]) => ({
      name,
      value: JSON.stringify(Object.fromEntries(Object.entries(ports).map(([port, nodes]) => [port, nodesOf(nodes)]))),
    })),
  }));
  return { endpoints, config: settings.map(configOf) };
}

const idOf = (settings: KubernetesSettings | undefined): object =>
  settings === undefined || settings.id === null ? {} : { id: settings.id };

function configOf(settings: KubernetesSettings): object {
  const { secure, host, port, token, tokenFile, weight, labelSelector, slices } = settings;
  return {
    ...idOf(settings),
    service: { schema: secure ? "https" : "http", host, port: String(port) },
    client: tokenFile === null ? { token: masked(token) } : { token_file: tokenFile },
    default_weight: weight,
    ...(labelSelector === null ? {} : { label_selector: labelSelector }),
    ...(slices ? { watch_endpoint_slices: true } : {}),
  };
}
