import type { RequestContext } from "../plugin/context.ts";
import { Candidate, firstOf, put, take, type Candidates } from "./candidates.ts";
import { methodBit, parseHost, satisfies, type Conditions, type HostPattern } from "./conditions.ts";
import type { Demand } from "./demands.ts";
import { flat } from "../lib/flat-string.ts";
import { parsePathPattern, type PathPattern } from "./path-pattern.ts";
import { RadixTree, type RadixNode } from "./radix-tree.ts";

/**
 * The router: from host and path to the candidate routes, from there to the first
 * whose other conditions hold. Changing one route touches the lists of its own
 * hosts and paths only; matching allocates nothing.
 *
 * Precedence, as in APISIX's `radixtree_host_uri`: exact host, then wildcard hosts
 * from the longest, then routes without a host; among these exact path, then
 * prefixes from the longest; among routes of one path `priority`. A class in which
 * nothing matches falls through to the next. In the other two routers the host is
 * one of the conditions.
 */

/** A route as the router keeps it. */
export interface Routable {
  readonly id: string;
  readonly uris: readonly string[];
  /** `null`: every host. Empty in routers in which the host is a condition. */
  readonly hosts: readonly string[] | null;
  readonly priority: number;
  readonly conditions: Conditions;
  /** What of the conditions many routes of one path can be told apart by; `null`: nothing. */
  readonly demands: readonly Demand[] | null;
}

export type RouterKind = "radixtree_host_uri" | "radixtree_uri" | "radixtree_uri_with_parameter";

/** The routes of one host by path; most hosts have one, or few, so both halves are made when they are needed. */
class UriTable<R extends Routable> {
  /** The only route under its only path, and the beginning of that path, or all of it: nothing to look up. */
  #lone: Candidate<R> | null = null;
  /** Its route where nothing of the path is left to compare: each object that a request reads may be a cache miss. */
  #loneRoute: R | null = null;
  #loneText = "";
  #loneExact = false;
  #exact: Map<string, Candidates<R>> | null = null;
  #prefixes: RadixTree<Candidates<R>> | null = null;

  get empty(): boolean {
    return this.#lone === null && this.#exact === null && this.#prefixes === null;
  }

  match(ctx: RequestContext, method: number): R | null {
    const path = ctx.routePath;
    const lone = this.#lone;
    if (lone !== null) {
      if (this.#loneExact ? path !== this.#loneText : !path.startsWith(this.#loneText)) return null;
      const route = this.#loneRoute;
      if (route !== null) return satisfies(route.conditions, ctx, method) ? route : null;
      return firstOf(lone, ctx, path, method);
    }
    const candidates = this.#exact?.get(path);
    if (candidates !== undefined) {
      const route = firstOf(candidates, ctx, path, method);
      if (route !== null) return route;
    }
    let node: RadixNode<Candidates<R>> | null = this.#prefixes?.deepest(path) ?? null;
    for (; node !== null; node = node.parent) {
      if (node.value === null) continue;
      const route = firstOf(node.value, ctx, path, method);
      if (route !== null) return route;
    }
    return null;
  }

  add(route: R, uri: string, pattern: PathPattern): void {
    const candidate = new Candidate(route, uri, pattern);
    const { exact, prefix } = pattern;
    const lone = this.#lone;
    if (this.empty) {
      this.#lone = candidate;
      this.#loneRoute = candidate.tokens === null ? route : null;
      this.#loneText = exact ? uri : flat(prefix);
      this.#loneExact = exact;
      return;
    }
    this.#lone = this.#loneRoute = null;
    if (lone !== null) this.#put(lone, this.#loneText, this.#loneExact);
    this.#put(candidate, prefix, exact);
  }

  /** `prefix` is the whole path where `exact`. */
  #put(candidate: Candidate<R>, prefix: string, exact: boolean): void {
    if (!exact) {
      this.#prefixes ??= new RadixTree();
      const node = this.#prefixes.insert(prefix);
      node.value = put(node.value, candidate);
      return;
    }
    this.#exact ??= new Map();
    this.#exact.set(prefix, put(this.#exact.get(prefix), candidate));
  }

  remove(route: R, uri: string, pattern: PathPattern): void {
    const candidate = new Candidate(route, uri, pattern);
    if (this.#lone !== null) {
      if (take(this.#lone, candidate) === null) this.#lone = this.#loneRoute = null;
    } else if (pattern.exact) this.#takeExact(candidate);
    else this.#takePrefix(candidate, pattern.prefix);
  }

  #takeExact(candidate: Candidate<R>): void {
    const found = this.#exact?.get(candidate.uri);
    if (this.#exact === null || found === undefined) return;
    const left = take(found, candidate);
    if (left !== null) this.#exact.set(candidate.uri, left);
    else this.#exact.delete(candidate.uri);
    if (this.#exact.size === 0) this.#exact = null;
  }

  #takePrefix(candidate: Candidate<R>, prefix: string): void {
    const node = this.#prefixes?.find(prefix) ?? null;
    if (this.#prefixes === null || node === null || node.value === null) return;
    node.value = take(node.value, candidate);
    if (node.value === null) this.#prefixes.remove(node);
    if (this.#prefixes.empty) this.#prefixes = null;
  }
}

/** Routes by host and path. */
export class Router<R extends Routable> {
  readonly #byHost: boolean;
  readonly #parameters: boolean;
  readonly #hosts = new Map<string, UriTable<R>>();
  /** By reversed host, so that a wildcard is a prefix. */
  readonly #wildcards = new RadixTree<UriTable<R>>();
  /** Those that name a port, which are compared with the Host header as it came. */
  readonly #wildcardsWithPort = new RadixTree<UriTable<R>>();
  readonly #any = new UriTable<R>();
  /** Hosts, wildcards among them, that name a port. */
  #withPort = 0;

  constructor(kind: RouterKind) {
    this.#byHost = kind === "radixtree_host_uri";
    this.#parameters = kind === "radixtree_uri_with_parameter";
  }

  /** Whether the router sorts by host; where it does not, hosts belong into the conditions. */
  get byHost(): boolean {
    return this.#byHost;
  }

  /** The route for a request, or `null`. */
  match(ctx: RequestContext): R | null {
    const method = methodBit(ctx.method);
    const withPort = this.#withPort > 0 ? (ctx.header("host")?.toLowerCase() ?? "") : "";
    let route = withPort === "" ? null : (this.#hosts.get(withPort)?.match(ctx, method) ?? null);
    route ??= this.#hosts.get(ctx.host)?.match(ctx, method) ?? null;
    if (withPort !== "") route ??= matchWildcards(this.#wildcardsWithPort, withPort, ctx, method);
    route ??= matchWildcards(this.#wildcards, ctx.host, ctx, method);
    return route ?? this.#any.match(ctx, method);
  }

  /** Adds a route that is not in it. */
  add(route: R): void {
    for (const host of this.#placesOf(route.hosts)) this.#addUnder(host, [route]);
  }

  /** Removes a route that was added, by its id and its fields as they were then. */
  remove(route: R): void {
    for (const host of this.#placesOf(route.hosts)) this.#removeFrom(host, [route]);
  }

  /** Puts routes that are in it under the hosts `after`; they were all added with the hosts `before`. */
  move(routes: readonly R[], before: R["hosts"], after: R["hosts"]): void {
    const [from, to] = [this.#placesOf(before), this.#placesOf(after)];
    for (const host of to) if (!from.some((other) => isSame(host, other))) this.#addUnder(host, routes);
    for (const host of from) if (!to.some((other) => isSame(host, other))) this.#removeFrom(host, routes);
  }

  #addUnder(host: HostPattern | null, routes: readonly R[]): void {
    const table = host === null ? this.#any : this.#tableOf(host);
    for (const route of routes) {
      for (const uri of distinct(route.uris)) table.add(route, uri, parsePathPattern(uri, this.#parameters));
    }
  }

  #removeFrom(host: HostPattern | null, routes: readonly R[]): void {
    const table = host === null ? this.#any : this.#tableOf(host);
    for (const route of routes) {
      for (const uri of distinct(route.uris)) table.remove(route, uri, parsePathPattern(uri, this.#parameters));
    }
    if (host !== null && table.empty) this.#drop(host);
  }

  /** The hosts under which routes stand; `null`: those without a host. */
  #placesOf(hosts: R["hosts"]): readonly (HostPattern | null)[] {
    if (!this.#byHost || hosts === null) return [null];
    const [only] = hosts;
    if (hosts.length === 1 && only !== undefined) return [parseHost(only)];
    const patterns = new Map(hosts.map(parseHost).map((host) => [`${host.wildcard}${host.text}`, host]));
    return [...patterns.values()];
  }

  #tableOf(host: HostPattern): UriTable<R> {
    if (host.wildcard) {
      const node = this.#wildcardsFor(host).insert(reversed(host.text));
      if (node.value === null && host.port) this.#withPort++;
      node.value ??= new UriTable<R>();
      return node.value;
    }
    let table = this.#hosts.get(host.text);
    if (table === undefined) {
      table = new UriTable<R>();
      this.#hosts.set(host.text, table);
      if (host.port) this.#withPort++;
    }
    return table;
  }

  #drop(host: HostPattern): void {
    if (!host.wildcard) {
      if (this.#hosts.delete(host.text) && host.port) this.#withPort--;
      return;
    }
    const wildcards = this.#wildcardsFor(host);
    const node = wildcards.find(reversed(host.text));
    if (node === null) return;
    if (host.port) this.#withPort--;
    wildcards.remove(node);
  }

  #wildcardsFor({ port }: HostPattern): RadixTree<UriTable<R>> {
    return port ? this.#wildcardsWithPort : this.#wildcards;
  }
}

/** Of the wildcards that end as the host does, the longest first. */
function matchWildcards<R extends Routable>(
  wildcards: RadixTree<UriTable<R>>,
  host: string,
  ctx: RequestContext,
  method: number,
): R | null {
  let node: RadixNode<UriTable<R>> | null = wildcards.deepestReversed(host);
  for (; node !== null; node = node.parent) {
    const route = node.value?.match(ctx, method) ?? null;
    if (route !== null) return route;
  }
  return null;
}

function isSame(a: HostPattern | null, b: HostPattern | null): boolean {
  return a === null || b === null ? a === b : a.text === b.text && a.wildcard === b.wildcard;
}

function distinct(uris: readonly string[]): Iterable<string> {
  return uris.length === 1 ? uris : new Set(uris);
}

function reversed(text: string): string {
  let result = "";
  for (let i = text.length - 1; i >= 0; i--) result += text[i];
  return result;
}
