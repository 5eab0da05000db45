import { splitUpstreams } from "../plugins/traffic-split-upstreams.ts";
import type { Kind } from "../schema/kinds.ts";
import type { Plugins } from "../schema/plugins.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import type { StagedEntry } from "../store/stage.ts";
import { pluginUpstreamKey, serviceKey } from "../upstream/targets.ts";

/** The upstreams that stand in resources, read from their texts. */

/** Kinds that may have an upstream of their own. */
const holders = new Set<Kind>(["routes", "services", "upstreams", "stream_routes"]);

/** Whether resources of the kind may have an upstream of their own. */
export function mayHoldUpstream(kind: Kind): boolean {
  return holders.has(kind);
}

/** The upstream of a resource; `null` where it has none of its own. Looks at no more text than it must. */
export function upstreamOf(kind: Kind, text: string | null): InlineUpstream | null {
  if (text === null || (kind !== "upstreams" && !text.includes('"upstream":'))) return null;
  const conf = JSON.parse(text) as InlineUpstream & { readonly upstream?: InlineUpstream };
  return kind === "upstreams" ? conf : (conf.upstream ?? null);
}

/** The keys of services that a resource names; it may not have been checked yet. */
export function servicesOf({ kind, key, content }: StagedEntry): readonly string[] {
  if (content.state !== "read" || !content.raw.includes('"discovery_type"')) return [];
  try {
    const own = mayHoldUpstream(kind) ? upstreamOf(kind, content.raw) : null;
    const all = [...(own === null ? [] : [own]), ...pluginUpstreams(key, content.raw).map(([, upstream]) => upstream)];
    const named = all.filter(({ service_name: service }) => typeof service === "string");
    return named.map(serviceKey).filter((service) => service !== null);
  } catch {
    // What is wrong with it will be told by whoever checks it.
    return [];
  }
}

/** The upstreams inside the plugins of a resource. Looks at no more text than it must. */
export function pluginUpstreams(
  owner: string,
  text: string,
): readonly (readonly [key: string, upstream: InlineUpstream])[] {
  if (!text.includes('"traffic-split":')) return [];
  const conf = (JSON.parse(text) as { readonly plugins?: Plugins }).plugins?.["traffic-split"];
  if (conf === undefined || conf._meta?.disable === true) return [];
  return splitUpstreams(conf as object).map(([part, upstream]) => [
    pluginUpstreamKey(owner, "traffic-split", part),
    upstream,
  ]);
}
