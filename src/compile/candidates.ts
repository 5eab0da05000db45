import type { RequestContext } from "../plugin/context.ts";
import { satisfies, type Selector } from "./conditions.ts";
import { captureTokens, matchesTokens, type PathPattern } from "./path-pattern.ts";
import type { Routable } from "./router.ts";

/** One route under one of its paths. */
export interface Candidate<R> {
  readonly route: R;
  readonly uri: string;
  readonly tokens: PathPattern["tokens"];
  readonly names: PathPattern["names"];
}

/** From so many routes of one path on they are sorted by what a request must have. */
const INDEX_FROM = 32;
/** Below so many they no longer are. */
const INDEX_UNTIL = 16;

/**
 * Routes of one path in their order; the first whose conditions hold wins. A long list,
 * as where thousands of routes share `/*`, is also kept by the host or the value of
 * the variable that each of them asks for, so that a request looks at its own only.
 */
export class Candidates<R extends Routable> {
  readonly #list: Candidate<R>[] = [];
  #index: SelectorIndex<R> | null = null;

  get length(): number {
    return this.#list.length;
  }

  first(ctx: RequestContext, path: string, method: number): R | null {
    if (this.#index === null) return firstOf(this.#list, ctx, path, method)?.route ?? null;
    return this.#index.first(ctx, path, method)?.route ?? null;
  }

  put(candidate: Candidate<R>): void {
    insert(this.#list, candidate);
    if (this.#index !== null) this.#index.add(candidate);
    else if (this.#list.length >= INDEX_FROM) {
      this.#index = new SelectorIndex();
      for (const one of this.#list) this.#index.add(one);
    }
  }

  /** False where it is not there. */
  take(route: R, uri: string): boolean {
    const candidate = extract(this.#list, route, uri);
    if (candidate === null) return false;
    this.#index?.remove(candidate);
    if (this.#list.length < INDEX_UNTIL) this.#index = null;
    return true;
  }
}

interface Group<R> {
  readonly read: Selector["read"];
  readonly byValue: Map<string, Candidate<R>[]>;
}

/** Candidates by what their conditions select by; each list is in the order of all of them. */
class SelectorIndex<R extends Routable> {
  readonly #groups = new Map<string, Group<R>>();
  readonly #rest: Candidate<R>[] = [];

  first(ctx: RequestContext, path: string, method: number): Candidate<R> | null {
    let best = firstOf(this.#rest, ctx, path, method);
    for (const { read, byValue } of this.#groups.values()) {
      const value = read(ctx);
      const list = typeof value === "string" ? byValue.get(value) : undefined;
      if (list === undefined) continue;
      const found = firstOf(list, ctx, path, method);
      if (found !== null && (best === null || compare(found, best.route, best.uri) < 0)) best = found;
    }
    return best;
  }

  add(candidate: Candidate<R>): void {
    const { selector } = candidate.route.conditions;
    if (selector === null) {
      insert(this.#rest, candidate);
      return;
    }
    let group = this.#groups.get(selector.name);
    if (group === undefined) {
      group = { read: selector.read, byValue: new Map() };
      this.#groups.set(selector.name, group);
    }
    for (const value of selector.values) {
      const list = group.byValue.get(value);
      if (list === undefined) group.byValue.set(value, [candidate]);
      else insert(list, candidate);
    }
  }

  remove({ route, uri }: Candidate<R>): void {
    const { selector } = route.conditions;
    if (selector === null) {
      extract(this.#rest, route, uri);
      return;
    }
    const group = this.#groups.get(selector.name);
    for (const value of group === undefined ? [] : selector.values) {
      const list = group!.byValue.get(value);
      if (list !== undefined && extract(list, route, uri) !== null && list.length === 0) group!.byValue.delete(value);
    }
    if (group?.byValue.size === 0) this.#groups.delete(selector.name);
  }
}

function firstOf<R extends Routable>(
  list: readonly Candidate<R>[],
  ctx: RequestContext,
  path: string,
  method: number,
): Candidate<R> | null {
  for (let i = 0; i < list.length; i++) {
    const candidate = list[i]!;
    const { route, tokens, names } = candidate;
    if (tokens === null) {
      if (satisfies(route.conditions, ctx, method)) return candidate;
    } else if (names === null) {
      if (satisfies(route.conditions, ctx, method) && matchesTokens(tokens, path)) return candidate;
    } else if (matchesTokens(tokens, path)) {
      // Conditions may ask for the parameters.
      setParameters(ctx, names, captureTokens(tokens, path));
      if (satisfies(route.conditions, ctx, method)) return candidate;
      for (const name of names) ctx.values.delete(`uri_param_${name}`);
    }
  }
  return null;
}

/** What parameters of the path hold, as the variables `uri_param_NAME`. */
function setParameters(ctx: RequestContext, names: readonly string[], captured: readonly string[]): void {
  names.forEach((name, i) => {
    if (name !== "") ctx.values.set(`uri_param_${name}`, captured[i]);
  });
}

/**
 * The order in one list: priority, then the longer `uri`, then the id, shorter
 * first. The last makes the order the same in every worker, whatever the order in
 * which routes arrived, and is their order of creation where ids are counted up.
 */
function compare<R extends Routable>(a: Candidate<R>, route: R, uri: string): number {
  const byPriority = route.priority - a.route.priority || uri.length - a.uri.length;
  if (byPriority !== 0) return byPriority;
  const byId = a.route.id.length - route.id.length || order(a.route.id, route.id);
  return byId === 0 ? order(a.uri, uri) : byId;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Where the candidate is, or would be put. */
function position<R extends Routable>(list: readonly Candidate<R>[], route: R, uri: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(list[middle]!, route, uri) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert<R extends Routable>(list: Candidate<R>[], candidate: Candidate<R>): void {
  list.splice(position(list, candidate.route, candidate.uri), 0, candidate);
}

function extract<R extends Routable>(list: Candidate<R>[], route: R, uri: string): Candidate<R> | null {
  const index = position(list, route, uri);
  const found = list[index];
  if (found === undefined || found.route.id !== route.id || found.uri !== uri) return null;
  list.splice(index, 1);
  return found;
}
