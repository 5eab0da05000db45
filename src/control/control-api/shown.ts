import { isIP } from "node:net";
import { parseNodeKey, type NodeEntry, type Nodes } from "../../schema/nodes.ts";
import type { ResourceIndexes } from "./indexes.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A loaded resource as the Control API shows it, in APISIX's form. */
export interface ShownResource extends ResourceIndexes {
  readonly key: string;
  readonly value: Fields;
  /** Whether a node of its upstream is named and not numbered. */
  readonly has_domain: boolean;
  /** Of routes only: what `modifiedIndex` is in the source. */
  readonly orig_modifiedIndex?: number;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, grpc: 80, https: 443, grpcs: 443 };

/**
 * Shows what is loaded: defaults filled in, nodes as a list. Private keys are left out;
 * references to secrets stand as they were written.
 */
export function showResource(key: string, loaded: Fields, indexes: ResourceIndexes): ShownResource {
  const inline = loaded["upstream"] as Fields | undefined;
  const own = key.includes("/upstreams/");
  const value: Record<string, unknown> = own ? showUpstream(loaded) : { ...loaded };
  if (inline !== undefined) value["upstream"] = showUpstream(inline);
  if (loaded["plugins"] !== undefined) value["plugins"] = showPlugins(loaded["plugins"] as Record<string, Fields>);
  const upstream = (own ? value : (value["upstream"] ?? {})) as { readonly nodes?: readonly NodeEntry[] };
  const { modifiedIndex } = indexes;
  const original = key.includes("/routes/") && modifiedIndex !== undefined;
  return {
    key,
    value,
    has_domain: (upstream.nodes ?? []).some(({ host }) => isIP(host.replace(/^\[(.*)\]$/, "$1")) === 0),
    ...indexes,
    ...(original ? { orig_modifiedIndex: modifiedIndex } : {}),
  };
}

function showUpstream(upstream: Fields): Record<string, unknown> {
  const { nodes, tls, ...rest } = upstream as Fields & { readonly nodes?: Nodes; readonly tls?: Fields };
  const shown: Record<string, unknown> = rest;
  if (nodes !== undefined) shown["nodes"] = listNodes(nodes, DEFAULT_PORTS[String(upstream["scheme"])]);
  if (tls !== undefined) {
    const { client_key: _, ...others } = tls;
    shown["tls"] = others;
  }
  return shown;
}

function listNodes(nodes: Nodes, defaultPort: number | undefined): readonly object[] {
  const port = (own: number | null | undefined): object => {
    const number = own ?? defaultPort;
    return number === undefined ? {} : { port: number };
  };
  if (Array.isArray(nodes)) return (nodes as readonly NodeEntry[]).map((node) => ({ ...node, ...port(node.port) }));
  return Object.entries(nodes).map(([key, weight]) => {
    const address = parseNodeKey(key);
    // It has passed its checks.
    if (typeof address === "string") return { host: key, weight };
    return { host: address.host, ...port(address.port), weight };
  });
}

/** APISIX adds an empty `_meta` to each configuration it has loaded. */
function showPlugins(plugins: Readonly<Record<string, Fields>>): Record<string, Fields> {
  return Object.fromEntries(Object.entries(plugins).map(([name, conf]) => [name, { _meta: {}, ...conf }]));
}
