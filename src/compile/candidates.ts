import { TextMap } from "../lib/text-map.ts";
import type { RequestContext } from "../plugin/context.ts";
import { satisfies } from "./conditions.ts";
import { compileSubject, demandsOfPath, type Demand, type Subject } from "./demands.ts";
import { compareIds, compareTexts, positionIn } from "./order.ts";
import { captureTokens, matchesTokens, type PathPattern } from "./path-pattern.ts";
import type { Routable } from "./router.ts";

/** One route under one of its paths. */
export class Candidate<R> {
  readonly route: R;
  readonly tokens: PathPattern["tokens"];
  readonly names: PathPattern["names"];
  readonly uri: string;

  constructor(route: R, uri: string, { tokens, names }: Pick<PathPattern, "tokens" | "names">) {
    this.route = route;
    this.tokens = tokens;
    this.names = names;
    this.uri = uri;
  }
}

/**
 * Routes of one path, of which the first that matches wins. One, as most are, stands for itself, and for a route
 * with one path of which nothing is left to compare the route itself: each object is one more that requests have
 * to wait for. A short list is just that; a longer one is sorted by what its routes demand.
 */
export type Candidates<R extends Routable> = Single<R> | Candidate<R>[] | SortedCandidates<R>;
type Single<R> = R | Candidate<R>;

/** Candidates from which on a list is sorted by demands. */
const MANY = 32;
/** Kinds of demands that one list is sorted by; candidates of further kinds are tried one after the other. */
const MAX_GROUPS = 32;
/** Places of one candidate within its group. */
const MAX_PLACES = 64;

/** Adds a candidate and returns what has it then; `undefined`: there was none. */
export function put<R extends Routable>(list: Candidates<R> | undefined, candidate: Candidate<R>): Candidates<R> {
  if (list === undefined) return single(candidate);
  if (list instanceof SortedCandidates) {
    list.add(candidate);
    return list;
  }
  const all: Candidate<R>[] = Array.isArray(list) ? list : [candidateOf(list)];
  insert(all, candidate);
  return all.length < MANY ? all : new SortedCandidates(all);
}

/**
 * Removes the candidate of a route and a path, if it is there, and returns what is left; `null`:
 * nothing. The route is as it was when it was added.
 */
export function take<R extends Routable>(list: Candidates<R>, candidate: Candidate<R>): Candidates<R> | null {
  if (list instanceof SortedCandidates) {
    list.remove(candidate);
    return list.size > 0 ? list : null;
  }
  if (!Array.isArray(list)) return isOf(candidateOf(list), candidate) ? null : list;
  cut(list, candidate);
  const [only] = list;
  if (only === undefined) return null;
  return list.length === 1 ? single(only) : list;
}

/** The first route whose conditions hold. */
export function firstOf<R extends Routable>(
  list: Candidates<R>,
  ctx: RequestContext,
  path: string,
  method: number,
): R | null {
  if (list instanceof Candidate) return takes(list, ctx, path, method) ? list.route : null;
  if (list instanceof SortedCandidates) return list.first(ctx, path, method);
  if (!Array.isArray(list)) return satisfies(list.conditions, ctx, method) ? list : null;
  for (let i = 0; i < list.length; i++) {
    const candidate = list[i] as Candidate<R>;
    if (takes(candidate, ctx, path, method)) return candidate.route;
  }
  return null;
}

/** What stands for a candidate that is alone. */
function single<R extends Routable>(candidate: Candidate<R>): Single<R> {
  const { route, tokens } = candidate;
  return tokens === null && route.uris.length === 1 ? route : candidate;
}

/** The candidate that was alone. */
function candidateOf<R extends Routable>(one: Single<R>): Candidate<R> {
  return one instanceof Candidate ? one : new Candidate(one, one.uris[0] ?? "", { tokens: null, names: null });
}

/** Candidates that demand the same kinds of things, by the values that they demand. */
interface Group<R> {
  readonly signature: string;
  readonly subjects: readonly Subject[];
  readonly byValues: TextMap<Candidate<R>[]>;
}

/** Many candidates of one path. Which of them can match is looked up, and only they are tried, in their order. */
class SortedCandidates<R extends Routable> {
  size = 0;
  readonly #groups: Group<R>[] = [];
  /** Those that demand nothing that could be looked up. */
  readonly #others: Candidate<R>[] = [];

  constructor(candidates: readonly Candidate<R>[]) {
    for (const candidate of candidates) this.add(candidate);
  }

  add(candidate: Candidate<R>): void {
    this.size++;
    const { signature, demands, keys } = placesOf(candidate);
    let group = this.#groups.find((one) => one.signature === signature);
    if (group === undefined && signature !== "" && this.#groups.length < MAX_GROUPS) {
      group = { signature, subjects: demands.map(({ of }) => compileSubject(of)), byValues: new TextMap() };
      this.#groups.push(group);
    }
    if (group === undefined) {
      insert(this.#others, candidate);
      return;
    }
    for (const key of keys) {
      const list = group.byValues.get(key);
      if (list === undefined) group.byValues.set(key, [candidate]);
      else insert(list, candidate);
    }
  }

  remove(candidate: Candidate<R>): void {
    const { signature, keys } = placesOf(candidate);
    const index = this.#groups.findIndex((one) => one.signature === signature);
    const group = this.#groups[index];
    let found = false;
    for (const key of group === undefined ? [] : keys) {
      const list = group?.byValues.get(key);
      if (list === undefined || !cut(list, candidate)) continue;
      found = true;
      if (list.length === 0) group?.byValues.delete(key);
    }
    if (group?.byValues.size === 0) this.#groups.splice(index, 1);
    // It came while there was no place for its group.
    found ||= cut(this.#others, candidate);
    if (found) this.size--;
  }

  first(ctx: RequestContext, path: string, method: number): R | null {
    let only = this.#others;
    let lists: Candidate<R>[][] | null = null;
    for (const { subjects, byValues } of this.#groups) {
      const key = keyOf(subjects, ctx);
      const list = key === null ? undefined : byValues.get(key);
      if (list === undefined) continue;
      if (only.length === 0) only = list;
      else if (lists === null) lists = [only, list];
      else lists.push(list);
    }
    return lists === null ? firstOf(only, ctx, path, method) : firstOfLists(lists, ctx, path, method);
  }
}

/** As `firstOf`, over several lists as if they were one. */
function firstOfLists<R extends Routable>(
  lists: readonly (readonly Candidate<R>[])[],
  ctx: RequestContext,
  path: string,
  method: number,
): R | null {
  const next = lists.map(() => 0);
  for (;;) {
    let best: Candidate<R> | null = null;
    let from = 0;
    for (let i = 0; i < lists.length; i++) {
      const candidate = lists[i]?.[next[i] as number];
      if (candidate === undefined || (best !== null && compare(best, candidate) < 0)) continue;
      best = candidate;
      from = i;
    }
    if (best === null) return null;
    if (takes(best, ctx, path, method)) return best.route;
    (next[from] as number)++;
  }
}

/** What a request has of what a group's candidates demand; `null` where something is missing. */
function keyOf(subjects: readonly Subject[], ctx: RequestContext): string | null {
  let key = "";
  for (let i = 0; i < subjects.length; i++) {
    const value = (subjects[i] as Subject)(ctx);
    if (value === undefined) return null;
    key = i === 0 ? value : `${key}\n${value}`;
  }
  return key;
}

/** Where a candidate stands: its group, and one key for each combination of values. */
function placesOf<R extends Routable>(
  candidate: Candidate<R>,
): {
  readonly signature: string;
  readonly demands: readonly Demand[];
  readonly keys: ReadonlySet<string>;
} {
  const { route, uri, tokens } = candidate;
  const inPath = tokens === null ? [] : demandsOfPath(uri);
  const demands = new Map<string, Demand>();
  let places = 1;
  for (const demand of inPath.concat(route.demands ?? [])) {
    if (demands.has(demand.of) || places * demand.values.length > MAX_PLACES) continue;
    places *= demand.values.length;
    demands.set(demand.of, demand);
  }
  const sorted = [...demands.values()].sort((a, b) => compareTexts(a.of, b.of));
  let keys: readonly string[] = [];
  sorted.forEach(({ values }, i) => {
    keys = i === 0 ? values : keys.flatMap((key) => values.map((value) => `${key}\n${value}`));
  });
  return { signature: sorted.map(({ of }) => of).join("\n"), demands: sorted, keys: new Set(keys) };
}

/** Whether the conditions of a candidate whose path begins as it should hold. */
function takes<R extends Routable>(
  { route, tokens, names }: Candidate<R>,
  ctx: RequestContext,
  path: string,
  method: number,
): boolean {
  if (tokens === null) return satisfies(route.conditions, ctx, method);
  if (names === null) return satisfies(route.conditions, ctx, method) && matchesTokens(tokens, path);
  if (!matchesTokens(tokens, path)) return false;
  // Conditions may ask for the parameters.
  setParameters(ctx, names, captureTokens(tokens, path));
  if (satisfies(route.conditions, ctx, method)) return true;
  for (const name of names) ctx.values.delete(`uri_param_${name}`);
  return false;
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
function compare<R extends Routable>(a: Candidate<R>, b: Candidate<R>): number {
  const byPriority = b.route.priority - a.route.priority || b.uri.length - a.uri.length;
  if (byPriority !== 0) return byPriority;
  return compareIds(a.route.id, b.route.id) || compareTexts(a.uri, b.uri);
}

function isOf<R extends Routable>(found: Candidate<R>, candidate: Candidate<R>): boolean {
  return found.route.id === candidate.route.id && found.uri === candidate.uri;
}

function insert<R extends Routable>(list: Candidate<R>[], candidate: Candidate<R>): void {
  list.splice(positionIn(list, candidate, compare), 0, candidate);
}

function cut<R extends Routable>(list: Candidate<R>[], candidate: Candidate<R>): boolean {
  const index = positionIn(list, candidate, compare);
  const found = list[index];
  if (found === undefined || !isOf(found, candidate)) return false;
  list.splice(index, 1);
  return true;
}
