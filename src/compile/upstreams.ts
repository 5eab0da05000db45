import type { LookupFunction } from "node:net";
import type { Timeout } from "../schema/timeout.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { UpstreamSettings } from "../settings/settings.ts";
import { notingBodyUses } from "../plugin/body-variables.ts";
import { createPicker } from "../upstream/picker.ts";
import {
  defaultPort,
  expandNodes,
  formatAddress,
  identitiesOf,
  nameKey,
  shownHost,
  targetKeys,
  type ExpandedNode,
  type Targets,
} from "../upstream/targets.ts";
import type { CertificatePair, NodeTls, NodeTlsSource } from "../upstream/node-tls.ts";
import type { NodeHealth, StreamUpstream, Upstream, UpstreamNode } from "../upstream/upstream.ts";
import type { BodyUse, UpstreamChoice } from "../plugin/context.ts";
import type { Plan } from "./plan.ts";
import { compileBalancing } from "./balancing.ts";
import { shownCertificate } from "./client-certificates.ts";

/** Seconds that APISIX gives to connecting, sending and reading where nothing is configured. */
const DEFAULT_TIMEOUT: Timeout = { connect: 60, send: 60, read: 60 };

const NO_USES: readonly BodyUse[] = [];

/** Finds the health of the node `identity` of the upstream `key`; `null` where it is not checked. */
export type HealthLookup = (key: string, identity: string) => NodeHealth | null;

/** What an upstream is compiled with besides its configuration. */
export interface UpstreamSurroundings {
  readonly defaults: UpstreamSettings;
  readonly targets: Targets;
  /** Finds the addresses of names that `targets` has nothing of, see `NameLookup`; without it the system is asked. */
  readonly lookup?: LookupFunction;
  /** The lookup for an upstream with `checks`; `null` where it has none, or none are made. */
  readonly health: ((conf: InlineUpstream) => HealthLookup | null) | null;
  readonly tls: NodeTlsSource;
  /** The certificate of `ssls/ID` for nodes; a text says why there is none. */
  clientCertificate(id: string): CertificatePair | string;
}

/**
 * An upstream as the data path uses it. `key` names the resource that holds it and
 * is the identity of its live state. Throws an Error with the reason where it
 * cannot serve HTTP.
 */
export function compileUpstream(key: string, conf: InlineUpstream, surroundings: UpstreamSurroundings): Upstream {
  const { scheme } = conf;
  const { defaults } = surroundings;
  if (!isHttpScheme(scheme)) throw new Error(`scheme ${scheme} cannot serve HTTP routes`);
  const health = surroundings.health?.(conf) ?? null;
  const nodes = compileNodes(key, conf, surroundings, health);
  const pool = conf.keepalive_pool;
  const uses = new Set<BodyUse>();
  const balancing = notingBodyUses(uses, () => compileBalancing(conf));
  return {
    key,
    scheme,
    grpc: scheme === "grpc" || scheme === "grpcs",
    tls: scheme === "https" || scheme === "grpcs" ? compileTls(conf, surroundings) : null,
    passHost: conf.pass_host,
    upstreamHost: conf.upstream_host ?? "",
    retries: conf.retries ?? Math.max(0, nodes.length - 1),
    retryTimeoutMs: milliseconds(conf.retry_timeout ?? 0),
    ...timeouts(conf.timeout ?? DEFAULT_TIMEOUT),
    keepalive: pool?.size ?? defaults.keepalive,
    keepaliveTimeoutMs: pool === undefined ? defaults.keepaliveTimeoutMs : milliseconds(pool.idle_timeout),
    keepaliveRequests: pool?.requests ?? defaults.keepaliveRequests,
    nodes,
    picker: createPicker(key, nodes, balancing),
    bodyUses: uses.size === 0 ? NO_USES : [...uses],
  };
}

/**
 * An upstream as streams use it, whatever its scheme: the schemes of HTTP are plain TCP
 * here, as in APISIX. Throws an Error with the reason where it cannot serve streams.
 */
export function compileStreamUpstream(
  key: string,
  conf: InlineUpstream,
  surroundings: UpstreamSurroundings,
): StreamUpstream {
  const { scheme } = conf;
  const health = surroundings.health?.(conf) ?? null;
  const nodes = compileNodes(key, conf, surroundings, health);
  const portless = nodes.find(({ port }) => port === 0);
  if (portless !== undefined)
    throw new Error(`node ${portless.host} has no port, and scheme ${scheme} has none either`);
  return {
    key,
    tls: scheme === "tls" ? compileTls(conf, surroundings) : null,
    retries: conf.retries ?? Math.max(0, nodes.length - 1),
    retryTimeoutMs: milliseconds(conf.retry_timeout ?? 0),
    ...timeouts(conf.timeout ?? DEFAULT_TIMEOUT),
    nodes,
    picker: createPicker(key, nodes, compileBalancing(conf)),
  };
}

/** The same upstream with a route's own timeouts; nodes and turns are shared. */
export function withTimeout(upstream: Upstream, timeout: Timeout): Upstream {
  return { ...upstream, ...timeouts(timeout) };
}

/** The route's upstream, or what a plugin has chosen instead; with the route's timeouts in any case. */
export function chosenUpstream(
  plan: Pick<Plan, "upstream" | "timeout">,
  choice: UpstreamChoice | null,
): Upstream | null {
  if (choice === null) return plan.upstream;
  return plan.timeout === null ? (choice as Upstream) : withTimeout(choice as Upstream, plan.timeout);
}

/**
 * Everything outside of its resource that an upstream is compiled from: targets (`targetKeys`),
 * and the certificate `ssls/ID` that is shown to its nodes.
 */
export function sourcesOf(conf: InlineUpstream): readonly string[] {
  const targets = targetKeys(conf).map((key) => `targets/${key}`);
  const id = conf.tls?.client_cert_id;
  return id === undefined ? targets : [...targets, `ssls/${id}`];
}

/** Whether HTTP routes can use the upstream; the schemes of streams are none of theirs. */
export function servesHttp(conf: InlineUpstream): boolean {
  return isHttpScheme(conf.scheme);
}

function compileTls(conf: InlineUpstream, { tls, clientCertificate }: UpstreamSurroundings): NodeTls {
  return tls.get(conf.tls?.verify ?? false, shownCertificate(conf, clientCertificate));
}

function isHttpScheme(scheme: InlineUpstream["scheme"]): scheme is Upstream["scheme"] {
  return scheme === "http" || scheme === "https" || scheme === "grpc" || scheme === "grpcs";
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

function compileNodes(
  key: string,
  conf: InlineUpstream,
  { targets, lookup }: UpstreamSurroundings,
  health: HealthLookup | null,
): readonly UpstreamNode[] {
  const nodes = expandNodes(conf, targets);
  const identities = identitiesOf(nodes, conf.scheme);
  return nodes.map((node, i) => {
    // Names that discovery gives are in no target of their own.
    const isName = conf.nodes !== undefined && nameKey(node.host) !== null;
    return compileNode(node, identities[i]!, key, conf, health, isName ? lookup : undefined);
  });
}

function compileNode(
  node: ExpandedNode,
  identity: string,
  upstreamKey: string,
  { scheme, keepalive_pool: pool }: InlineUpstream,
  health: HealthLookup | null,
  lookup: LookupFunction | undefined,
): UpstreamNode {
  const schemePort = defaultPort(scheme);
  const { host, weight, priority } = node;
  const port = node.port ?? schemePort;
  const address = formatAddress(host, port);
  const name = shownHost(node.name);
  return {
    host,
    lookup,
    port,
    weight,
    priority,
    address,
    identity,
    hostHeader: port === schemePort ? name : `${name}:${port}`,
    poolKey: pool === undefined ? address : `${address} ${pool.size}/${pool.idle_timeout}/${pool.requests}`,
    health: health?.(upstreamKey, identity) ?? null,
  };
}
