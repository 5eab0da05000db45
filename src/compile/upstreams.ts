import { parseNodeKey, type Nodes } from "../schema/nodes.ts";
import type { Timeout } from "../schema/timeout.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { UpstreamSettings } from "../settings/settings.ts";
import { createRoundRobin } from "../upstream/round-robin.ts";
import type { Upstream, UpstreamNode } from "../upstream/upstream.ts";

/** Seconds that APISIX gives to connecting, sending and reading where nothing is configured. */
const DEFAULT_TIMEOUT: Timeout = { connect: 60, send: 60, read: 60 };

const DEFAULT_PORTS = { http: 80, grpc: 80, https: 443, grpcs: 443 } as const;

/**
 * An upstream as the data path uses it. `key` names the resource that holds it and
 * is the identity of its live state. Throws an Error with the reason where it
 * cannot serve HTTP.
 */
export function compileUpstream(key: string, conf: InlineUpstream, defaults: UpstreamSettings): Upstream {
  const { scheme } = conf;
  if (!isHttpScheme(scheme)) throw new Error(`scheme ${scheme} cannot serve HTTP routes`);
  const nodes = compileNodes(conf.nodes ?? [], DEFAULT_PORTS[scheme]);
  const pool = conf.keepalive_pool;
  return {
    key,
    scheme,
    passHost: conf.pass_host,
    upstreamHost: conf.upstream_host ?? "",
    retries: conf.retries ?? Math.max(0, nodes.length - 1),
    retryTimeoutMs: milliseconds(conf.retry_timeout ?? 0),
    ...timeouts(conf.timeout ?? DEFAULT_TIMEOUT),
    keepalive: pool?.size ?? defaults.keepalive,
    keepaliveTimeoutMs: pool === undefined ? defaults.keepaliveTimeoutMs : milliseconds(pool.idle_timeout),
    keepaliveRequests: pool?.requests ?? defaults.keepaliveRequests,
    nodes,
    picker: createRoundRobin(key, nodes),
  };
}

/** The same upstream with a route's own timeouts; nodes and turns are shared. */
export function withTimeout(upstream: Upstream, timeout: Timeout): Upstream {
  return { ...upstream, ...timeouts(timeout) };
}

/** Whether HTTP routes can use the upstream; the schemes of streams are none of theirs. */
export function servesHttp(conf: InlineUpstream): boolean {
  return isHttpScheme(conf.scheme);
}

function isHttpScheme(scheme: InlineUpstream["scheme"]): scheme is Upstream["scheme"] {
  return scheme in DEFAULT_PORTS;
}

function timeouts(timeout: Timeout): Readonly<Pick<Upstream, "connectTimeoutMs" | "sendTimeoutMs" | "readTimeoutMs">> {
  return {
    connectTimeoutMs: milliseconds(timeout.connect),
    sendTimeoutMs: milliseconds(timeout.send),
    readTimeoutMs: milliseconds(timeout.read),
  };
}

/** Rounded up, so that a limit that was asked for never becomes none. */
function milliseconds(seconds: number): number {
  return Math.ceil(seconds * 1000);
}

function compileNodes(nodes: Nodes, defaultPort: number): UpstreamNode[] {
  if (isList(nodes)) {
    return nodes.map(({ host, port, weight, priority }) =>
      compileNode(host, port ?? defaultPort, weight, priority ?? 0, defaultPort),
    );
  }
  return Object.entries(nodes).map(([key, weight]) => {
    const address = parseNodeKey(key);
    if (typeof address === "string") throw new Error(address);
    return compileNode(address.host, address.port ?? defaultPort, weight, 0, defaultPort);
  });
}

function isList(nodes: Nodes): nodes is Exclude<Nodes, Readonly<Record<string, number>>> {
  return Array.isArray(nodes);
}

function compileNode(text: string, port: number, weight: number, priority: number, defaultPort: number): UpstreamNode {
  const host = text.startsWith("[") ? text.slice(1, -1) : text;
  const shown = host.includes(":") ? `[${host}]` : host;
  const address = `${shown}:${port}`;
  return { host, port, weight, priority, address, hostHeader: port === defaultPort ? shown : address };
}
