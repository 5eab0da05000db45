import type { RequestContext } from "../plugin/context.ts";
import type { Kind } from "../schema/kinds.ts";
import type { Route } from "../schema/route.ts";
import type { Service } from "../schema/service.ts";
import { matchesHost, methodBit, parseHost, type HostPattern } from "./conditions.ts";
import { compileExpression } from "../plugin/expression.ts";
import { matchesTokens, parsePathPattern } from "./path-pattern.ts";
import { RouteEntry } from "./route-entry.ts";
import { RouteTable } from "./route-table.ts";
import type { RouterKind } from "./router.ts";

/**
 * Why a request is routed as it is: which route matches, and what keeps the others
 * from it. The table is a copy of what the workers route with, so that asking costs
 * them nothing.
 */

/** The loaded resources, by kind and id. */
export interface LoadedResources {
  get(kind: Kind, id: string): Readonly<Record<string, unknown>> | undefined;
  ids(kind: Kind): readonly string[];
}

/** Why a route does not take the request. */
export interface Miss {
  /** `status`, `path`, `host`, `method`, `remote_addr`, `vars`, `filter_func`, or `precedence`: another one comes first. */
  readonly condition: string;
  readonly why: string;
}

export interface NearMiss {
  readonly entry: RouteEntry;
  readonly misses: readonly Miss[];
}

export interface Routing {
  /** `null`: no route takes the request, the answer is 404. */
  readonly matched: RouteEntry | null;
  /** The routes that come nearest, the nearest first. */
  readonly near: readonly NearMiss[];
  /** How many there are in all. */
  readonly nearCount: number;
}

/** Near misses that are told. */
const MAX_NEAR = 20;

/** A resource as it is shown: references to secrets stand as they were written. */
export interface ShownText {
  readonly kind: Kind;
  readonly id: string;
  readonly shown: string;
}

/** The routes of the configuration, kept up to date by what has changed. */
export class ExplainTable {
  readonly #table: RouteTable;
  readonly #router: RouterKind;
  /** The texts that the table was made from, by `<kind>/<id>`. */
  #texts = new Map<string, string>();
  readonly #hosts = new Map<string, readonly string[]>();

  constructor(router: RouterKind) {
    this.#router = router;
    this.#table = new RouteTable(
      router,
      (id) => this.#hosts.get(id) ?? null,
      () => undefined,
    );
  }

  /** Makes the table that of `resources`; what is the same as before costs a comparison. */
  sync(resources: Iterable<ShownText>): void {
    const texts = new Map<string, string>();
    const routes: ShownText[] = [];
    for (const resource of resources) {
      const { kind, id, shown } = resource;
      if (kind !== "routes" && kind !== "services") continue;
      const key = `${kind}/${id}`;
      texts.set(key, shown);
      if (this.#texts.get(key) === shown) continue;
      if (kind === "services") this.#setHosts(id, JSON.parse(shown) as Service);
      // Routes come last: they are put under the hosts that their services have then.
      else routes.push(resource);
    }
    for (const { id, shown } of routes) this.#table.set(id, shown, JSON.parse(shown) as Route);
    for (const key of this.#texts.keys()) if (!texts.has(key)) this.#drop(key);
    this.#texts = texts;
  }

  #setHosts(id: string, service: Service | null): void {
    if (service?.hosts === undefined) this.#hosts.delete(id);
    else this.#hosts.set(id, service.hosts);
    this.#table.serviceHostsChanged(id);
  }

  #drop(key: string): void {
    const id = key.slice(key.indexOf("/") + 1);
    if (key.startsWith("services/")) this.#setHosts(id, null);
    else this.#table.set(id, null, null);
  }

  /** Routes the request as a worker would. */
  explain(ctx: RequestContext): Routing {
    const matched = this.#table.match(ctx, null);
    const near = Array.from(this.#table.entries())
      .flatMap((entry): NearMiss[] => {
        if (entry === matched) return [];
        const misses = this.#missesOf(entry, ctx, matched);
        return misses === null ? [] : [{ entry, misses }];
      })
      .sort((a, b) => a.misses.length - b.misses.length || b.entry.priority - a.entry.priority);
    return { matched, near: near.slice(0, MAX_NEAR), nearCount: near.length };
  }

  /** `null`: the route is about something else. */
  #missesOf(entry: RouteEntry, ctx: RequestContext, matched: RouteEntry | null): readonly Miss[] | null {
    const fits = this.#bestUri(entry, ctx.routePath) !== null;
    if (!fits && !isAlmost(entry.uris, ctx.routePath)) return null;
    const misses: Miss[] = [];
    const miss = (condition: string, why: string): void => void misses.push({ condition, why });
    if (!entry.enabled) miss("status", "the route is disabled (status 0)");
    if (!fits) miss("path", `${list(entry.uris)} does not take ${ctx.routePath}`);
    const hosts = entry.hosts?.map(parseHost) ?? null;
    if (hosts !== null && !matchesHost(hosts, ctx)) {
      miss("host", `wanted ${list(entry.hosts ?? [])}, got ${ctx.host === "" ? "none" : ctx.host}`);
    }
    misses.push(...conditionMisses(entry, ctx));
    if (misses.length === 0 && matched !== null) miss("precedence", this.#precedence(entry, matched, ctx));
    return misses;
  }

  /** Why `winner` comes before `entry`, where both take the request. */
  #precedence(entry: RouteEntry, winner: RouteEntry, ctx: RequestContext): string {
    const key = `routes/${winner.id}`;
    if (this.#router === "radixtree_host_uri") {
      const [mine, its] = [bestHost(entry, ctx), bestHost(winner, ctx)];
      if (mine.rank !== its.rank) return `${key} is for ${its.text}, which comes before ${mine.text}`;
    }
    const [mine, its] = [this.#bestUri(entry, ctx.routePath), this.#bestUri(winner, ctx.routePath)];
    if (mine !== null && its !== null && mine.rank !== its.rank) {
      return `${key} has the more specific path ${its.uri}`;
    }
    if (entry.priority !== winner.priority) {
      return `${key} has the higher priority: ${winner.priority} over ${entry.priority}`;
    }
    return `${key} has the same path and priority, and comes first by its path's length and its id`;
  }

  /** The most specific path of the route that takes `path`. */
  #bestUri(entry: RouteEntry, path: string): { readonly uri: string; readonly rank: number } | null {
    let best: { uri: string; rank: number } | null = null;
    for (const uri of entry.uris) {
      const { prefix, exact, tokens } = parsePathPattern(uri, this.#router === "radixtree_uri_with_parameter");
      const takes = exact ? path === prefix : path.startsWith(prefix);
      if (!takes || (tokens !== null && !matchesTokens(tokens, path))) continue;
      const rank = exact ? Infinity : prefix.length;
      if (best === null || rank > best.rank) best = { uri, rank };
    }
    return best;
  }
}

const list = (texts: readonly string[]): string => texts.join(" or ");

/** Paths that differ by a slash at the end, by case, or by lacking what stands before a `*`. */
function isAlmost(uris: readonly string[], path: string): boolean {
  const plain = (text: string): string => text.replace(/\*$/, "").replace(/\/+$/, "").toLowerCase();
  return uris.some((uri) => uri.length > 2 && plain(uri) === plain(path));
}

function conditionMisses({ conditions, text }: RouteEntry, ctx: RequestContext): readonly Miss[] {
  const misses: Miss[] = [];
  const conf = JSON.parse(text) as Route;
  if (conditions.methods !== 0 && (conditions.methods & methodBit(ctx.method)) === 0) {
    misses.push({ condition: "method", why: `wanted ${list(conf.methods ?? [])}, got ${ctx.method}` });
  }
  if (conditions.addresses !== null && !conditions.addresses.matches(ctx.remoteAddr)) {
    const wanted = conf.remote_addrs ?? [conf.remote_addr ?? ""];
    misses.push({ condition: "remote_addr", why: `wanted ${list(wanted)}, got ${ctx.remoteAddr}` });
  }
  if (conditions.vars !== null && !conditions.vars(ctx)) {
    misses.push({ condition: "vars", why: falseVars(conf.vars ?? [], ctx) });
  }
  if (conditions.filter !== null && !conditions.filter(ctx)) {
    misses.push({ condition: "filter_func", why: "the function did not return true" });
  }
  return misses;
}

/** The parts of `vars` that do not hold; all of it where it does not fall into parts. */
function falseVars(vars: readonly unknown[], ctx: RequestContext): string {
  const parts = vars.every((part) => Array.isArray(part)) ? vars : [];
  const wrong = parts.filter((part) => !compileExpression([part])(ctx));
  return `${(wrong.length > 0 ? wrong : [vars]).map((part) => JSON.stringify(part)).join(" and ")} does not hold`;
}

/** Which of a route's hosts counts, and how it ranks: named with its port, named, wildcards by length, any. */
function bestHost(entry: RouteEntry, ctx: RequestContext): { readonly text: string; readonly rank: number } {
  let best = { text: "every host", rank: 0 };
  for (const host of entry.hosts ?? []) {
    const pattern = parseHost(host);
    if (matchesHost([pattern], ctx) && rankOf(pattern) > best.rank) best = { text: host, rank: rankOf(pattern) };
  }
  return best;
}

function rankOf({ wildcard, port, text }: HostPattern): number {
  if (wildcard) return 1 + text.length;
  return port ? Infinity : Number.MAX_SAFE_INTEGER;
}
