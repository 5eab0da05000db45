import { isIP } from "node:net";
import { parseNodeKey, type Nodes } from "../schema/nodes.ts";
import type { InlineUpstream } from "../schema/upstream.ts";

/**
 * What the control thread finds out for upstreams: the addresses of names, and the nodes
 * of services. It travels to the workers under keys: `name/HOST`, and
 * `TYPE/SERVICE` for discovery.
 */
export interface Target {
  /** An address; a name where discovery gives one. */
  readonly host: string;
  /** `null`: the port that the node or the scheme says. */
  readonly port: number | null;
  readonly weight: number;
  readonly priority: number;
}

/** Each address with its port once, the last of several; sorted, so that equal lists are equal texts. */
export function distinctTargets(targets: readonly Target[]): readonly Target[] {
  const byAddress = new Map(targets.map((target) => [`${target.host} ${target.port}`, target]));
  return [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
}

/** What a key stands for now; `null`: nothing is known any more. */
export type TargetEntry = readonly [key: string, targets: readonly Target[] | null];

/** What is known now, by key. */
export interface Targets {
  /** `undefined`: nothing was found out yet. */
  get(key: string): readonly Target[] | undefined;
}

/** A node as it is written, in either form of `nodes`. */
export interface WrittenNode {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number | null;
  readonly weight: number;
  readonly priority: number;
}

/** Weights above are taken for this one: sums of them are still numbers. */
const MAX_WEIGHT = 2 ** 40;

/** The nodes of a list or map. Throws an Error with the reason where a key is no address. */
export function writtenNodes(nodes: Nodes): readonly WrittenNode[] {
  if (isList(nodes)) {
    return nodes.map(({ host, port, weight, priority }) => ({
      host: withoutBrackets(host),
      port: port ?? null,
      weight: Math.min(weight, MAX_WEIGHT),
      priority: priority ?? 0,
    }));
  }
  return Object.entries(nodes).map(([key, weight]) => {
    const address = parseNodeKey(key);
    if (typeof address === "string") throw new Error(address);
    return {
      host: withoutBrackets(address.host),
      port: address.port,
      weight: Math.min(weight, MAX_WEIGHT),
      priority: 0,
    };
  });
}

/** The key of a host's addresses; `null` for what is an address itself. */
export function nameKey(host: string): string | null {
  return isIP(host) === 0 ? `name/${host.toLowerCase()}` : null;
}

/** The key of a service's nodes; `null` where the upstream names its nodes itself. */
export function serviceKey(upstream: InlineUpstream): string | null {
  const { nodes, service_name: service, discovery_type: type } = upstream;
  return nodes !== undefined || service === undefined || type === undefined ? null : `${type}/${service}`;
}

/** Every key that an upstream depends on. */
export function targetKeys(upstream: InlineUpstream): readonly string[] {
  const service = serviceKey(upstream);
  if (service !== null) return [service];
  const keys = writtenNodes(upstream.nodes ?? []).map(({ host }) => nameKey(host));
  return [...new Set(keys.filter((key) => key !== null))];
}

/**
 * The addresses of an upstream as they are known now: names in their place where nothing
 * is known of them yet. A name's weight is shared by its addresses. A name that was looked
 * up in vain gets nothing where there is another node.
 */
export function expandNodes(upstream: InlineUpstream, targets: Targets): readonly ExpandedNode[] {
  const service = serviceKey(upstream);
  if (service !== null) {
    return (targets.get(service) ?? []).map((target) => ({ ...target, name: target.host }));
  }
  const written = distinctNodes(upstream).map((node) => {
    const key = nameKey(node.host);
    const found = key === null ? undefined : targets.get(key);
    return { node, found: found === undefined ? [node.host] : found.map(({ host }) => host) };
  });
  const spared = written.some(({ node, found }) => found.length > 0 && node.weight > 0);
  const scale = commonMultiple(written.map(({ found }) => Math.max(1, found.length)));
  return written.flatMap(({ node, found }) => {
    const hosts = found.length > 0 || spared ? found : [node.host];
    const weight = node.weight === 0 ? 0 : Math.max(1, Math.round((node.weight * scale) / hosts.length));
    return hosts.map((host) => ({ ...node, host, weight, name: node.host }));
  });
}

/** The nodes of an upstream, each once in its priority: of several the last one counts, as in APISIX. */
function distinctNodes({ nodes = [], scheme }: InlineUpstream): readonly WrittenNode[] {
  const written = writtenNodes(nodes);
  if (written.length < 2) return written;
  const keyOf = ({ host, port, priority }: WrittenNode): string =>
    `${host.toLowerCase()} ${port ?? defaultPort(scheme)} ${priority}`;
  const last = new Map(written.map((node) => [keyOf(node), node]));
  return last.size === written.length ? written : [...last.values()];
}

/** One address of an upstream, and the name that led to it. */
export interface ExpandedNode extends Target {
  readonly name: string;
}

/**
 * What tells the nodes of an upstream apart: `host:port`, and behind it the name where another
 * one leads to the same address. Virtual hosts of one server are nodes of their own.
 */
export function identitiesOf(nodes: readonly ExpandedNode[], scheme: InlineUpstream["scheme"]): readonly string[] {
  const addresses = nodes.map(({ host, port }) => formatAddress(host, port ?? defaultPort(scheme)));
  if (nodes.every(({ host, name }) => host === name)) return addresses;
  const names = new Map<string, Set<string>>();
  nodes.forEach(({ name }, i) => {
    const known = names.get(addresses[i]!);
    if (known === undefined) names.set(addresses[i]!, new Set([name]));
    else known.add(name);
  });
  return nodes.map(({ host, name }, i) => {
    const address = addresses[i]!;
    return host === name || names.get(address)!.size === 1 ? address : `${address} ${name}`;
  });
}

/** The port of a scheme where a node names none; 0 for schemes of streams, whose nodes must name one. */
export function defaultPort(scheme: InlineUpstream["scheme"]): number {
  if (scheme === "http" || scheme === "grpc") return 80;
  return scheme === "https" || scheme === "grpcs" ? 443 : 0;
}

/** `host:port`, IPv6 in brackets. */
export function formatAddress(host: string, port: number): string {
  return `${shownHost(host)}:${port}`;
}

/** IPv6 in brackets. */
export function shownHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Weights are multiplied by at most so much. */
const MAX_SCALE = 1_000;

/** The least common multiple of the counts, 1,000 at most. */
export function commonMultiple(counts: readonly number[]): number {
  let multiple = 1;
  for (const count of counts) {
    multiple = (multiple / commonDivisor(multiple, count)) * count;
    if (multiple > MAX_SCALE) return MAX_SCALE;
  }
  return multiple;
}

/** The greatest common divisor; of 0 and a number, the number. */
export function commonDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}

function isList(nodes: Nodes): nodes is Exclude<Nodes, Readonly<Record<string, number>>> {
  return Array.isArray(nodes);
}

function withoutBrackets(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

/** The key of an upstream inside the plugin of a resource; `part` tells it from others there. */
export function pluginUpstreamKey(owner: string, plugin: string, part: string): string {
  return `${owner}/${plugin}/${part}`;
}
