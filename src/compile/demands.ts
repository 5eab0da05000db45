import { isBodyVariable } from "../plugin/body-variables.ts";
import type { RequestContext } from "../plugin/context.ts";
import { readerOf, toNumber } from "../plugin/expression.ts";
import { scalarText } from "../plugin/variables.ts";
import type { Route } from "../schema/route.ts";
import type { HostPattern } from "./conditions.ts";
import { prefixesOf, type Prefixes } from "./pattern-prefixes.ts";

/**
 * What routes demand of requests by equality: a header, a cookie, an argument, a host, a
 * piece of the path, or how one of them begins. Lists of many routes are sorted by it
 * (`candidates.ts`), so that a request is not compared with thousands of routes of other tenants.
 */

/** A request that has none of `values` there is for another route, whatever else it has. */
export interface Demand {
  /** What of the request is compared, for `compileSubject`. */
  readonly of: string;
  readonly values: readonly string[];
}

/** Reads what a demand compares; `undefined`: the request meets no such demand. */
export type Subject = (ctx: RequestContext) => string | undefined;

/** Values of a list that are told apart; a longer one is no demand. */
const MAX_VALUES = 32;

/** The demands of a route's `vars` and addresses; `null`: none. */
export function demandsOf({ vars, remote_addr: one, remote_addrs: several }: Route): readonly Demand[] | null {
  const addresses = several ?? (one === undefined ? [] : [one]);
  const demands = demandsOfRules(vars ?? []);
  if (addresses.length > 0 && addresses.length <= MAX_VALUES && addresses.every((entry) => IPV4.test(entry))) {
    demands.push({ of: "text remote_addr", values: addresses });
  }
  return demands.length === 0 ? null : demands;
}

const IPV4 = /^[\d.]+$/;

/** Those of all conditions that must hold, however they are nested; of a choice, those that each of its parts makes. */
function demandsOfRules(rules: unknown): Demand[] {
  if (!Array.isArray(rules)) return [];
  const [first] = rules as unknown[];
  if (Array.isArray(first)) return rules.flatMap(demandsOfRules);
  const logic = typeof first === "string" ? first.toUpperCase() : "";
  if (logic === "AND") return rules.slice(1).flatMap(demandsOfRules);
  return logic === "OR" ? demandsOfChoice(rules.slice(1).map(demandsOfRules)) : demandOfCondition(rules);
}

/** What every part compares, with the values of all. */
function demandsOfChoice([first = [], ...others]: readonly (readonly Demand[])[]): Demand[] {
  return first.flatMap(({ of, values }) => {
    const same = others.map((part) => part.find((demand) => demand.of === of)?.values);
    const all = new Set(values.concat(...same.map((more) => more ?? [])));
    return same.includes(undefined) || all.size > MAX_VALUES ? [] : [{ of, values: [...all] }];
  });
}

/** What equality, membership and anchored regular expressions demand; everything else demands nothing that a table could hold. */
function demandOfCondition(condition: readonly unknown[]): Demand[] {
  if (condition.length !== 3) return [];
  const [name, operator, right] = condition;
  // Parameters of the path have no value before a route is tried.
  if (typeof name !== "string" || isBodyVariable(name) || name.startsWith("uri_param_")) return [];
  if (operator === "==" && typeof right === "number") return [{ of: `number ${name}`, values: [String(right)] }];
  if (operator === "==" && typeof right === "string") return [{ of: `text ${name}`, values: [right] }];
  if ((operator === "~~" || operator === "~*") && typeof right === "string") {
    return demandOfPattern(name, prefixesOf(right, operator === "~*"));
  }
  if (operator !== "in" || !Array.isArray(right) || right.length === 0 || right.length > MAX_VALUES) return [];
  const values = right.filter((value) => typeof value === "string");
  return values.length === right.length ? [{ of: `text ${name}`, values }] : [];
}

function demandOfPattern(name: string, prefixes: Prefixes | null): Demand[] {
  if (prefixes === null) return [];
  const { texts, caseless } = prefixes;
  return [{ of: `${caseless ? "caseless" : "first"}:${texts[0]?.length} ${name}`, values: texts }];
}

/** What hosts demand where the host is a condition: their names, or as many labels at the end as all of them have. */
export function demandOfHosts(hosts: readonly HostPattern[]): Demand | null {
  if (hosts.length > MAX_VALUES || hosts.some(({ port }) => port)) return null;
  if (!hosts.some(({ wildcard }) => wildcard)) return { of: "host", values: hosts.map(({ text }) => text) };
  // In `*foo.com` the first label may be longer than it is written.
  const labels = Math.min(...hosts.map(({ text, wildcard }) => text.split(".").length - (wildcard ? 1 : 0)));
  if (labels === 0) return null;
  const values = new Set(hosts.map(({ text }) => lastLabels(text, labels) ?? ""));
  return { of: `labels ${labels}`, values: [...values] };
}

/** Whether a demand is one of hosts. */
export function isOfHosts(of: string): boolean {
  return of === "host" || of.startsWith("labels ");
}

/** What a `uri` demands behind its first parameter: the literal segments as far as their place is certain. */
export function demandsOfPath(uri: string): readonly Demand[] {
  const segments = uri.split("/");
  const first = segments.findIndex((segment) => /^[:*]/.test(segment));
  const end = segments.findIndex((segment) => segment.startsWith("*"));
  return segments.flatMap((segment, place) => {
    const certain = place > first && (end < 0 || place < end) && !segment.startsWith(":");
    return certain ? [{ of: `segment ${place}`, values: [segment] }] : [];
  });
}

/** Compiles what a demand compares. */
export function compileSubject(of: string): Subject {
  const [kind, rest = ""] = of.split(" ", 2);
  if (kind === "host") return (ctx) => ctx.host;
  if (kind === "labels") {
    const labels = Number(rest);
    return (ctx) => lastLabels(ctx.host, labels);
  }
  if (kind === "segment") {
    const place = Number(rest);
    return (ctx) => segmentAt(ctx.routePath, place);
  }
  const read = readerOf(of.slice(of.indexOf(" ") + 1));
  const [part, digits] = kind?.split(":") ?? [];
  const length = Number(digits);
  if (part === "first") return (ctx) => scalarText(read(ctx))?.slice(0, length);
  if (part === "caseless") return (ctx) => scalarText(read(ctx))?.slice(0, length).toLowerCase();
  if (kind === "number") {
    return (ctx) => {
      const number = toNumber(read(ctx));
      return number === undefined ? undefined : String(number);
    };
  }
  return (ctx) => {
    const value = read(ctx);
    return typeof value === "string" ? value : undefined;
  };
}

/** The last labels of a host; `undefined` where it has fewer. */
function lastLabels(host: string, labels: number): string | undefined {
  let at = host.length;
  for (let i = 0; i < labels; i++) {
    if (at < 0) return undefined;
    at = at === 0 ? -1 : host.lastIndexOf(".", at - 1);
  }
  return host.slice(at + 1);
}

/** What stands behind the slash of that number, up to the next. */
function segmentAt(path: string, place: number): string | undefined {
  let start = 0;
  for (let i = 0; i < place; i++) {
    start = path.indexOf("/", start) + 1;
    if (start === 0) return undefined;
  }
  const end = path.indexOf("/", start);
  return end < 0 ? path.slice(start) : path.slice(start, end);
}
