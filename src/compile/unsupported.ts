import { compileAddresses } from "../lib/cidr.ts";
import { reasonOf } from "../lib/errors.ts";
import { pairFault } from "../schema/certificates.ts";
import type { Kind } from "../schema/kinds.ts";
import { parseNodeKey } from "../schema/nodes.ts";
import type { Plugins } from "../schema/plugins.ts";
import type { Route } from "../schema/route.ts";
import type { Service } from "../schema/service.ts";
import type { StreamRoute } from "../schema/stream-route.ts";
import type { InlineUpstream } from "../schema/upstream.ts";
import { compileExpression } from "../plugin/expression.ts";
import { defaultPort, writtenNodes } from "../upstream/targets.ts";
import { compileFilterFunction } from "./filter-function.ts";
import { servesHttp } from "./upstreams.ts";

/**
 * What the schemas accept and this version cannot do yet. Such a resource is
 * rejected with the reason: serving it without the field would let through what
 * the field was meant to keep out.
 */

/** The reason why a resource cannot be served, or `null`. `conf` has passed its schema. */
export function checkSupport(kind: Kind, conf: unknown): string | null {
  switch (kind) {
    case "routes":
      return checkRoute(conf as Route);
    case "services":
      return checkService(conf as Service);
    case "upstreams":
      return checkUpstream(conf as InlineUpstream);
    case "stream_routes":
      return checkStreamRoute(conf as StreamRoute);
    case "consumers":
    case "credentials":
    case "consumer_groups":
    case "global_rules":
    case "plugin_configs":
      return checkPlugins((conf as { readonly plugins?: Plugins }).plugins);
    default:
      return null;
  }
}

/** The reason why a route cannot be served, or `null`. */
export function checkRoute(route: Route): string | null {
  if (route.script !== undefined) return 'property "script" is not supported: Lua is not run';
  if (route.script_id !== undefined) return 'property "script_id" is not supported: Lua is not run';
  return (
    checkAddresses(route) ??
    checkExpression(route.vars) ??
    checkFilterFunction(route.filter_func) ??
    checkPlugins(route.plugins) ??
    checkInline(route.upstream) ??
    checkScheme(route.upstream)
  );
}

/** An upstream that stands by itself, or in a service, may be there for streams; this one is not. */
function checkScheme(upstream: InlineUpstream | undefined): string | null {
  if (upstream === undefined || servesHttp(upstream)) return null;
  return `property "upstream" validation failed: property "scheme": ${upstream.scheme} cannot serve HTTP routes`;
}

function checkAddresses({ remote_addr: one, remote_addrs: several }: Route): string | null {
  return several === undefined ? checkRange("remote_addr", one) : checkRange("remote_addrs", ...several);
}

/** The reason in APISIX's words, which admin clients may look for. */
function checkExpression(rules: readonly unknown[] | undefined): string | null {
  try {
    compileExpression(rules ?? []);
    return null;
  } catch (thrown) {
    return `failed to validate the 'vars' expression: ${reasonOf(thrown)}`;
  }
}

function checkFilterFunction(source: string | undefined): string | null {
  try {
    if (source !== undefined) compileFilterFunction(source, () => undefined);
    return null;
  } catch (thrown) {
    return `property "filter_func" validation failed: ${reasonOf(thrown)}`;
  }
}

function checkService(service: Service): string | null {
  if (service.script !== undefined) return 'property "script" is not supported: Lua is not run';
  return checkPlugins(service.plugins) ?? checkInline(service.upstream);
}

function checkStreamRoute({
  plugins,
  upstream,
  protocol,
  remote_addr: remote,
  server_addr: server,
}: StreamRoute): string | null {
  if (protocol !== undefined) return 'property "protocol" is not supported: nothing above TCP and UDP is read';
  return (
    checkRange("remote_addr", remote) ??
    checkRange("server_addr", server) ??
    checkPlugins(plugins) ??
    checkInline(upstream) ??
    checkPorts(upstream)
  );
}

/** What the schema's pattern lets through, as in `::/129`. */
function checkRange(field: string, ...ranges: readonly (string | undefined)[]): string | null {
  try {
    compileAddresses(ranges.filter((range) => range !== undefined));
    return null;
  } catch (thrown) {
    return `property "${field}" validation failed: ${reasonOf(thrown)}`;
  }
}

/** A stream knows no port of its own: one that nobody names is a mistake. */
function checkPorts(upstream: InlineUpstream | undefined): string | null {
  if (upstream?.nodes === undefined || defaultPort(upstream.scheme) !== 0) return null;
  const portless = writtenNodes(upstream.nodes).find(({ port }) => port === null);
  return portless === undefined
    ? null
    : `property "upstream" validation failed: property "nodes": ${portless.host} has no port`;
}

function checkInline(upstream: InlineUpstream | undefined): string | null {
  const reason = upstream === undefined ? null : checkUpstream(upstream);
  return reason === null ? null : `property "upstream" validation failed: ${reason}`;
}

/** Where services can be looked up. */
const discoveryTypes: ReadonlySet<string> = new Set(["dns", "consul", "kubernetes"]);

/** The reason why an upstream cannot be used, or `null`. */
export function checkUpstream(upstream: InlineUpstream): string | null {
  if (upstream.nodes === undefined && !discoveryTypes.has(upstream.discovery_type ?? "")) {
    return `property "discovery_type": ${upstream.discovery_type} is not supported yet`;
  }
  for (const key of Array.isArray(upstream.nodes) ? [] : Object.keys(upstream.nodes ?? {})) {
    const address = parseNodeKey(key);
    if (typeof address === "string") return `property "nodes" validation failed: ${address}`;
  }
  const { client_cert: cert, client_key: key } = upstream.tls ?? {};
  const fault = cert === undefined || key === undefined ? null : pairFault(cert, key);
  return fault === null ? null : `property "tls": ${fault}`;
}

function checkPlugins(plugins: Plugins | undefined): string | null {
  for (const [name, conf] of Object.entries(plugins ?? {})) {
    const meta = conf._meta;
    if (meta === undefined || meta.disable === true) continue;
    const reason = checkExpression(meta.filter);
    if (reason !== null) return `plugin ${name}: property "_meta.filter": ${reason}`;
    if (meta.pre_function !== undefined) {
      return `plugin ${name}: property "_meta.pre_function" is not supported: Lua is not run`;
    }
  }
  return null;
}
