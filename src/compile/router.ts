import type { RequestContext } from "../plugin/context.ts";
import { TextMap } from "../lib/text-map.ts";
import { methodBit, parseHost, type Conditions, type HostPattern } from "./conditions.ts";
import type { Demand } from "./demands.ts";
import { parsePathPattern } from "./path-pattern.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { RememberedHost, type HostTables } from "./remembered-host.ts";
import { UriTable } from "./uri-table.ts";

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

/** Routes by host and path. */
export class Router<R extends Routable> {
  readonly #byHost: boolean;
  readonly #parameters: boolean;
  readonly #hosts = new TextMap<UriTable<R>>();
  /** By reversed host, so that a wildcard is a prefix. */
  readonly #wildcards = new PrefixTree<UriTable<R>>();
  /** Those that name a port, which are compared with the Host header as it came. */
  readonly #wildcardsWithPort = new PrefixTree<UriTable<R>>();
  readonly #any = new UriTable<R>();
  /** Another one whenever a table comes or goes. */
  #era = {};
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

  /** The route for a request, or `null`. `host` stands for its Host as the client sent it, if anybody remembers that. */
  match(ctx: RequestContext, host: RememberedHost<R> | null): R | null {
    const method = methodBit(ctx.method);
    const known = host ?? new RememberedHost<R>();
    if (known.era !== this.#era) this.#note(known, ctx);
    let { table, next } = known;
    while (table !== null) {
      const route = table.match(ctx, method);
      if (route !== null || next === null) return route;
      ({ table, next } = next);
    }
    return null;
  }

  /** Notes which tables are asked for this host. */
  #note(known: RememberedHost<R>, ctx: RequestContext): void {
    const { host } = ctx;
    const withPort = this.#withPort > 0 ? (ctx.header("host")?.toLowerCase() ?? "") : "";
    const tables = [
      withPort === "" ? undefined : this.#hosts.get(withPort),
      host === withPort ? undefined : this.#hosts.get(host),
      ...(withPort === "" ? [] : valuesFor(this.#wildcardsWithPort, withPort)),
      ...valuesFor(this.#wildcards, host),
    ];
    const { table, next } = tables.reduceRight<HostTables<R>>(
      (after, table) => (table === undefined ? after : { table, next: after }),
      { table: this.#any, next: null },
    );
    known.era = this.#era;
    known.table = table;
    known.next = next;
  }

  /**
   * Puts `route` in the place of `old`; `null`: there is none. What goes is found by its id and its fields as they
   * were when it came. A host that both have keeps its table, so that whoever remembers it still can.
   */
  replace(old: R | null, route: R | null): void {
    const before = old === null ? [] : this.#placesOf(old.hosts);
    if (old !== null) for (const host of before) this.#removeFrom(host, [old]);
    if (route !== null) for (const host of this.#placesOf(route.hosts)) this.#addUnder(host, [route]);
    for (const host of before) this.#dropIfEmpty(host);
  }

  /** Puts routes that are in it under the hosts `after`; they were all added with the hosts `before`. */
  move(routes: readonly R[], before: R["hosts"], after: R["hosts"]): void {
    const [from, to] = [this.#placesOf(before), this.#placesOf(after)];
    for (const host of to) if (!from.some((other) => isSame(host, other))) this.#addUnder(host, routes);
    for (const host of from) {
      if (to.some((other) => isSame(host, other))) continue;
      this.#removeFrom(host, routes);
      this.#dropIfEmpty(host);
    }
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
    const [tables, key] = this.#homeOf(host);
    let table = tables.get(key);
    if (table === undefined) {
      table = new UriTable<R>();
      tables.set(key, table);
      if (host.port) this.#withPort++;
      this.#era = {};
    }
    return table;
  }

  #dropIfEmpty(host: HostPattern | null): void {
    if (host === null) return;
    const [tables, key] = this.#homeOf(host);
    if (tables.get(key)?.empty !== true) return;
    tables.delete(key);
    if (host.port) this.#withPort--;
    this.#era = {};
  }

  /** Where the table of a host is kept, and under which key. */
  #homeOf({ text, wildcard, port }: HostPattern): [TextMap<UriTable<R>> | PrefixTree<UriTable<R>>, string] {
    if (!wildcard) return [this.#hosts, text];
    return [port ? this.#wildcardsWithPort : this.#wildcards, reversed(text)];
  }
}

/** The tables of the wildcards that end as the host does, the longest first. */
function valuesFor<T>(wildcards: PrefixTree<T>, host: string): readonly T[] {
  const places: number[] = [];
  wildcards.prefixesOf(reversed(host), places);
  return places.toReversed().map((place) => wildcards.valueAt(place));
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
