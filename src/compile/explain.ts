import type { Consumer, RequestContext } from "../plugin/context.ts";
import { compileVariable } from "../plugin/variables.ts";
import type { Plugins } from "../schema/plugins.ts";
import type { Route } from "../schema/route.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { ownerOf } from "./consumers.ts";
import { compileConditions, methodBit, parseHost, satisfies, type Conditions } from "./conditions.ts";
import { imagineContext, type ImaginedRequest } from "./explain-context.ts";
import { compileExpression } from "./expression.ts";
import { matchesTokens, parsePathPattern } from "./path-pattern.ts";
import type { RouteEntry } from "./route-entry.ts";

/**
 * Why a request goes where it goes: the route that matches, routes that nearly do and
 * what keeps them from it, the plugins with the resources they come from, and the node.
 */
export interface Explanation {
  /** `null`: no route matches, and the answer is 404. */
  readonly route: { readonly id: string; readonly name: string; readonly service_id: string } | null;
  /** Routes of this path, or nearly of it, that were not taken; the nearest first. */
  readonly near_misses: readonly NearMiss[];
  /** In the order in which they run within a phase. */
  readonly plugins: readonly ExplainedPlugin[];
  readonly upstream: ExplainedUpstream | null;
}

export interface NearMiss {
  readonly id: string;
  readonly uri: string;
  /** Every condition that fails; empty where only precedence decided. */
  readonly failed: readonly FailedCondition[];
  /** What is wrong, for people. */
  readonly why: string;
}

export interface FailedCondition {
  readonly condition: "status" | "uri" | "host" | "methods" | "remote_addr" | "vars" | "filter_func";
  readonly detail: string;
}

export interface ExplainedPlugin {
  readonly name: string;
  readonly priority: number;
  /** `routes/1`, `services/1`, `plugin_configs/1`, `consumers/jack`, `consumer_groups/1`, `global_rules/1`. */
  readonly from: string;
  /** Turned off by `_meta.disable`. */
  readonly disabled: boolean;
  /** `_meta.filter` does not hold for this request. */
  readonly filtered: boolean;
}

export interface ExplainedUpstream {
  /** The resource that holds it. */
  readonly from: string;
  readonly scheme: string;
  readonly pass_host: string;
  readonly retries: number;
  /** Milliseconds. */
  readonly timeout: { readonly connect: number; readonly send: number; readonly read: number };
  readonly nodes: readonly {
    readonly address: string;
    readonly weight: number;
    readonly priority: number;
    readonly healthy: boolean;
  }[];
  /** The node that would be asked first; `null`: there is none. Only `chash` always picks the same one. */
  readonly node: string | null;
}

/** What an explanation needs of an engine. */
export interface Explainable {
  /** The route that matches; `null`: none. */
  winner(ctx: RequestContext): RouteEntry | null;
  /** Every route, those that are turned off too. */
  entries(): Iterable<RouteEntry>;
  /** Whether hosts are sorted by, and parameters known, in paths. */
  readonly routerKind: "radixtree_host_uri" | "radixtree_uri" | "radixtree_uri_with_parameter";
  /** The plugins of a route with where they come from, global rules first; `null`: the route alone has none. */
  inherited(route: Route | null): readonly InheritedPlugin[];
  upstreamOf(entry: RouteEntry): Upstream | null;
  consumer(username: string): Consumer | undefined;
}

export interface InheritedPlugin {
  readonly name: string;
  readonly owner: string;
  readonly priority: number;
  readonly conf: Plugins[string];
}

/** Near misses that are told. */
const MAX_NEAR_MISSES = 20;

/**
 * Explains a request that is only thought of; `consumer` is who it is taken to come
 * from. Throws an Error with the reason where it cannot be a request. It looks at every
 * route once and changes nothing, the turns of balancing included.
 */
export function explain(
  engine: Explainable,
  request: Omit<ImaginedRequest, "consumer"> & { readonly consumer?: string },
): Explanation {
  const { consumer: username, ...rest } = request;
  const consumer = username === undefined ? undefined : engine.consumer(username);
  if (username !== undefined && consumer === undefined) throw new Error(`there is no consumer ${username}`);
  const ctx = imagineContext({ ...rest, ...(consumer === undefined ? {} : { consumer }) });
  const winner = engine.winner(ctx);
  const route = winner === null ? null : (JSON.parse(winner.text) as Route);
  return {
    route: route === null ? null : { id: route.id, name: route.name ?? "", service_id: route.service_id ?? "" },
    near_misses: nearMisses(engine, ctx, winner),
    plugins: explainPlugins(engine, ctx, route, consumer),
    upstream: winner === null ? null : explainUpstream(engine.upstreamOf(winner), ctx),
  };
}

function nearMisses(engine: Explainable, ctx: RequestContext, winner: RouteEntry | null): readonly NearMiss[] {
  const misses: NearMiss[] = [];
  for (const entry of engine.entries()) {
    if (entry === winner) continue;
    const near = nearUri(entry.uris, ctx.routePath, engine.routerKind === "radixtree_uri_with_parameter");
    if (near === null) continue;
    const failed = [...(near.failed === null ? [] : [near.failed]), ...failedConditions(entry, ctx)];
    const why =
      failed.length > 0
        ? failed.map(({ condition, detail }) => `${condition}: ${detail}`).join("; ")
        : `route ${winner?.id ?? ""} comes first: by host, then by uri, then by priority`;
    misses.push({ id: entry.id, uri: near.uri, failed, why });
  }
  return misses.sort((a, b) => a.failed.length - b.failed.length || (a.id < b.id ? -1 : 1)).slice(0, MAX_NEAR_MISSES);
}

/** A uri that takes the path, or one that differs by case or a slash at the end. */
function nearUri(
  uris: readonly string[],
  path: string,
  parameters: boolean,
): { readonly uri: string; readonly failed: FailedCondition | null } | null {
  const plain = path.toLowerCase().replace(/\/$/, "");
  let near: string | null = null;
  for (const uri of uris) {
    const { exact, prefix, tokens } = parsePathPattern(uri, parameters);
    if (exact ? path === uri : path.startsWith(prefix) && (tokens === null || matchesTokens(tokens, path))) {
      return { uri, failed: null };
    }
    if (uri.toLowerCase().replace(/\/?\*?$/, "") === plain) near ??= uri;
  }
  return near === null ? null : { uri: near, failed: { condition: "uri", detail: `${near} does not take ${path}` } };
}

function failedConditions(entry: RouteEntry, ctx: RequestContext): readonly FailedCondition[] {
  const route = JSON.parse(entry.text) as Route;
  const failed: FailedCondition[] = [];
  if (!entry.enabled) failed.push({ condition: "status", detail: "the route is turned off" });
  if (entry.hosts !== null && !entry.hosts.some((host) => takesHost(host, ctx))) {
    failed.push({ condition: "host", detail: `${ctx.host} is none of ${entry.hosts.join(", ")}` });
  }
  const conditions = compileConditions(route, () => undefined);
  const without = (part: Partial<Conditions>): boolean =>
    satisfies(
      { methods: 0, addresses: null, hosts: null, vars: null, filter: null, selector: null, ...part },
      ctx,
      methodBit(ctx.method),
    );
  if (!without({ methods: conditions.methods })) {
    failed.push({ condition: "methods", detail: `${ctx.method} is none of ${route.methods?.join(", ")}` });
  }
  if (!without({ addresses: conditions.addresses })) {
    const wanted = route.remote_addrs ?? [route.remote_addr ?? ""];
    failed.push({ condition: "remote_addr", detail: `${ctx.remoteAddr} is none of ${wanted.join(", ")}` });
  }
  if (!without({ vars: conditions.vars }))
    failed.push({ condition: "vars", detail: failedRule(route.vars ?? [], ctx) });
  if (!without({ filter: conditions.filter })) {
    failed.push({ condition: "filter_func", detail: "the function decides against it" });
  }
  return failed;
}

function takesHost(host: string, ctx: RequestContext): boolean {
  const { text, wildcard, port } = parseHost(host);
  return wildcard ? ctx.host.endsWith(text) : text === (port ? ctx.header("host")?.toLowerCase() : ctx.host);
}

/** The first part of an expression that does not hold, with the value it met. */
function failedRule(rules: readonly unknown[], ctx: RequestContext): string {
  const parts = Array.isArray(rules[0]) ? rules : [rules];
  const part = parts.find(
    (rule) => !compileExpression(Array.isArray(rule) ? [rule] : rules)(ctx),
  ) as readonly unknown[];
  const [name] = part;
  const text = JSON.stringify(part);
  if (typeof name !== "string" || part.some(Array.isArray)) return text;
  const value = compileVariable(name)(ctx);
  return `${text}, and ${name} is ${value === undefined ? "absent" : JSON.stringify(value)}`;
}

function explainPlugins(
  engine: Explainable,
  ctx: RequestContext,
  route: Route | null,
  consumer: Consumer | undefined,
): readonly ExplainedPlugin[] {
  const plugins = new Map(
    engine.inherited(route).map((plugin) => [`${plugin.owner.startsWith("global_rules/")} ${plugin.name}`, plugin]),
  );
  for (const [name, conf] of Object.entries((consumer?.plugins ?? {}) as Plugins)) {
    const own = plugins.get(`false ${name}`);
    const priority = conf._meta?.priority ?? own?.priority ?? 0;
    if (consumer !== undefined) plugins.set(`false ${name}`, { name, owner: ownerOf(consumer, name), priority, conf });
  }
  const explained = Array.from(plugins.values(), ({ name, owner, priority, conf }) => ({
    name,
    priority,
    from: owner,
    disabled: conf._meta?.disable === true,
    filtered: (conf._meta?.filter ?? []).length > 0 && !compileExpression(conf._meta?.filter ?? [])(ctx),
  }));
  const isGlobal = ({ from }: ExplainedPlugin): number => (from.startsWith("global_rules/") ? 0 : 1);
  return explained.sort((a, b) => isGlobal(a) - isGlobal(b) || b.priority - a.priority || (a.name < b.name ? -1 : 1));
}

function explainUpstream(upstream: Upstream | null, ctx: RequestContext): ExplainedUpstream | null {
  if (upstream === null) return null;
  const { key, scheme, passHost, retries, nodes } = upstream;
  return {
    from: key,
    scheme,
    pass_host: passHost,
    retries,
    timeout: { connect: upstream.connectTimeoutMs, send: upstream.sendTimeoutMs, read: upstream.readTimeoutMs },
    nodes: nodes.map(({ address, weight, priority, health }) => ({
      address,
      weight,
      priority,
      healthy: health?.usable ?? true,
    })),
    node: upstream.picker.peek(ctx)?.address ?? null,
  };
}
