import { compileAddresses, type AddressMatcher } from "../lib/cidr.ts";
import type { RequestContext } from "../plugin/context.ts";
import { methods } from "../schema/methods.ts";
import type { Route } from "../schema/route.ts";
import { compileExpression, type Predicate } from "../plugin/expression.ts";
import { compileFilterFunction, type FilterFault } from "./filter-function.ts";

/**
 * What a request must satisfy besides host and path, compiled: methods, client
 * addresses, `vars` and, where the router does not sort by host, the hosts.
 */
export interface Conditions {
  /** Bits of `methodBit`; 0: every method. */
  readonly methods: number;
  readonly addresses: AddressMatcher | null;
  /** Hosts as the router `radixtree_uri` asks for them; `null`: every host. */
  readonly hosts: readonly HostPattern[] | null;
  readonly vars: Predicate | null;
  /** `filter_func`. */
  readonly filter: Predicate | null;
}

/** A host in lower case: `foo.com`, or with `wildcard` everything that ends with `text`. */
export interface HostPattern {
  readonly text: string;
  readonly wildcard: boolean;
  /** The text names a port, so it is compared with the Host header as it came. */
  readonly port: boolean;
}

const METHOD_BITS: ReadonlyMap<string, number> = new Map(methods.map((name, i) => [name, 1 << i]));

/** The conditions of a route that has none, shared by all of them. */
const ALWAYS: Conditions = { methods: 0, addresses: null, hosts: null, vars: null, filter: null };

/** The bit of a request's method; 0 for methods that no route can name. */
export function methodBit(method: string): number {
  return METHOD_BITS.get(method) ?? 0;
}

/**
 * Throws an Error with the reason where an address, an expression or a function cannot
 * be read. `fault` is told where a function failed on a request.
 */
export function compileConditions(route: Route, fault: FilterFault): Conditions {
  const methods = (route.methods ?? []).reduce((bits, method) => bits | methodBit(method), 0);
  const addresses = route.remote_addrs ?? (route.remote_addr === undefined ? null : [route.remote_addr]);
  const vars = route.vars === undefined || route.vars.length === 0 ? null : compileExpression(route.vars);
  const filter = route.filter_func === undefined ? null : compileFilterFunction(route.filter_func, fault);
  if (methods === 0 && addresses === null && vars === null && filter === null) return ALWAYS;
  return { methods, addresses: addresses === null ? null : compileAddresses(addresses), hosts: null, vars, filter };
}

/** `method` is the request's `methodBit`. */
export function satisfies(conditions: Conditions, ctx: RequestContext, method: number): boolean {
  if (conditions.methods !== 0 && (conditions.methods & method) === 0) return false;
  if (conditions.addresses !== null && !conditions.addresses.matches(ctx.remoteAddr)) return false;
  if (conditions.hosts !== null && !matchesHost(conditions.hosts, ctx)) return false;
  if (conditions.vars !== null && !conditions.vars(ctx)) return false;
  return conditions.filter === null || conditions.filter(ctx);
}

/** Reads a host as routes and services write it; an IPv6 address gets the brackets it has in a Host header. */
export function parseHost(host: string): HostPattern {
  const lower = host.toLowerCase().replace(/\.$/, "");
  const colons = lower.split(":").length - 1;
  const port = /:\d+$/.test(lower) && (colons === 1 || lower.includes("]:"));
  if (lower.startsWith("*")) return { text: lower.slice(1), wildcard: true, port };
  if (colons > 1 && !lower.startsWith("[")) return { text: `[${lower}]`, wildcard: false, port: false };
  return { text: lower, wildcard: false, port };
}

/** Whether the request is for one of the hosts. */
export function matchesHost(hosts: readonly HostPattern[], ctx: RequestContext): boolean {
  for (const { text, wildcard, port } of hosts) {
    const host = port ? (ctx.header("host")?.toLowerCase() ?? "") : ctx.host;
    if (wildcard ? host.endsWith(text) : host === text) return true;
  }
  return false;
}
