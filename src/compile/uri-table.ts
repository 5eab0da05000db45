import { flat } from "../lib/flat-string.ts";
import { TextMap } from "../lib/text-map.ts";
import type { RequestContext } from "../plugin/context.ts";
import { Candidate, firstOf, put, take, type Candidates } from "./candidates.ts";
import type { PathPattern } from "./path-pattern.ts";
import { PrefixTree } from "./prefix-tree.ts";
import type { Routable } from "./router.ts";

/** Where the prefixes of the path at hand are; its own for the length of one match, which nothing interrupts. */
const places: number[] = [];

/** The routes of one host by path; most hosts have one, or few, so both halves are made when they are needed. */
export class UriTable<R extends Routable> {
  /** The only route under its only path, and the beginning of that path, or all of it: nothing to look up. */
  #lone: Candidates<R> | null = null;
  #loneText = "";
  #loneExact = false;
  #exact: TextMap<Candidates<R>> | null = null;
  #prefixes: PrefixTree<Candidates<R>> | null = null;

  get empty(): boolean {
    return this.#lone === null && this.#exact === null && this.#prefixes === null;
  }

  match(ctx: RequestContext, method: number): R | null {
    const path = ctx.routePath;
    const lone = this.#lone;
    if (lone !== null) {
      if (this.#loneExact ? path !== this.#loneText : !path.startsWith(this.#loneText)) return null;
      return firstOf(lone, ctx, path, method);
    }
    const candidates = this.#exact?.get(path);
    if (candidates !== undefined) {
      const route = firstOf(candidates, ctx, path, method);
      if (route !== null) return route;
    }
    return this.#prefixes === null ? null : matchPrefixes(this.#prefixes, ctx, path, method);
  }

  add(route: R, uri: string, pattern: PathPattern): void {
    const candidate = new Candidate(route, uri, pattern);
    const { exact, prefix } = pattern;
    if (this.empty) {
      this.#lone = put(undefined, candidate);
      this.#loneText = exact ? uri : flat(prefix);
      this.#loneExact = exact;
      return;
    }
    if (this.#lone !== null) this.#tableFor(this.#loneExact).set(this.#loneText, this.#lone);
    this.#lone = null;
    const table = this.#tableFor(exact);
    table.set(prefix, put(table.get(prefix), candidate));
  }

  remove(route: R, uri: string, pattern: PathPattern): void {
    const candidate = new Candidate(route, uri, pattern);
    const { exact, prefix } = pattern;
    if (this.#lone !== null) {
      this.#lone = take(this.#lone, candidate);
      return;
    }
    const table = this.#tableFor(exact);
    const found = table.get(prefix);
    if (found !== undefined) {
      const left = take(found, candidate);
      if (left !== null) table.set(prefix, left);
      else table.delete(prefix);
    }
    if (this.#exact?.size === 0) this.#exact = null;
    if (this.#prefixes?.empty === true) this.#prefixes = null;
  }

  /** `exact`: the one by whole paths; otherwise that by their beginnings. */
  #tableFor(exact: boolean): TextMap<Candidates<R>> | PrefixTree<Candidates<R>> {
    return exact ? (this.#exact ??= new TextMap()) : (this.#prefixes ??= new PrefixTree());
  }
}

/** The longest prefix comes first. */
function matchPrefixes<R extends Routable>(
  prefixes: PrefixTree<Candidates<R>>,
  ctx: RequestContext,
  path: string,
  method: number,
): R | null {
  for (let i = prefixes.prefixesOf(path, places) - 1; i >= 0; i--) {
    const route = firstOf(prefixes.valueAt(places[i]!), ctx, path, method);
    if (route !== null) return route;
  }
  return null;
}
