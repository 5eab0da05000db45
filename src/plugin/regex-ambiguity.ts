import { isPlainGroup, type RegexNode } from "./pcre.ts";

/**
 * Whether a repeated piece of a pattern can match one text in a number of ways that
 * doubles with every few characters: what a backtracking engine needs ages to find out in vain.
 *
 * The piece becomes an automaton whose states are its characters (Glushkov's), in which an
 * edge counts in how many ways one character can follow the other. It is ambiguous without
 * bound where a state comes back to itself over two different ways by the same text.
 */

/** The characters that a single-character piece matches, one flag each. */
export type CharacterSet = Uint8Array;

/** States that are looked at; a larger piece counts as ambiguous. */
const MAX_STATES = 24;

/** How often a state is first, last or next: never, in one way, in several. */
type Ways = Map<number, number>;

/** A piece of the pattern: in how many ways it matches nothing, begins and ends. */
interface Piece {
  readonly empty: number;
  readonly first: Ways;
  readonly last: Ways;
}

/** `setOf` tells what a single-character piece (its source) matches. What cannot be judged counts as ambiguous. */
export function isAmbiguous(repeated: RegexNode, setOf: (source: string) => CharacterSet): boolean {
  const automaton = new Automaton(setOf);
  const piece = automaton.add(repeated);
  if (piece === null) return true;
  automaton.loop(piece);
  return automaton.hasTwoWaysBack();
}

class Automaton {
  readonly #setOf: (source: string) => CharacterSet;
  readonly #sets: CharacterSet[] = [];
  readonly #next: Ways[] = [];

  constructor(setOf: (source: string) => CharacterSet) {
    this.#setOf = setOf;
  }

  /** Adds the states of a node; `null` where it cannot be judged. */
  add(node: RegexNode): Piece | null {
    if (node.kind === "assertion") return { empty: 1, first: new Map(), last: new Map() };
    if (node.kind === "reference" || this.#sets.length >= MAX_STATES) return null;
    if (node.kind === "character") {
      const state = this.#sets.push(this.#setOf(node.source)) - 1;
      this.#next.push(new Map());
      return { empty: 0, first: new Map([[state, 1]]), last: new Map([[state, 1]]) };
    }
    if (node.kind === "repeat") {
      const piece = this.add(node.of);
      if (piece === null) return null;
      // A few rounds are taken for any number, which can only add ways.
      if (node.max > 1) this.loop(piece);
      return node.min === 0 ? { ...piece, empty: capped(1 + piece.empty) } : piece;
    }
    if (!isPlainGroup(node)) return null;
    let all: Piece = { empty: 0, first: new Map(), last: new Map() };
    for (const branch of node.branches) {
      const piece = this.#sequence(branch);
      if (piece === null) return null;
      all = {
        empty: capped(all.empty + piece.empty),
        first: sum(all.first, piece.first, 1),
        last: sum(all.last, piece.last, 1),
      };
    }
    return all;
  }

  /** Lets a piece follow itself. */
  loop(piece: Piece): void {
    this.#link(piece, piece);
  }

  #sequence(nodes: readonly RegexNode[]): Piece | null {
    let before: Piece = { empty: 1, first: new Map(), last: new Map() };
    for (const node of nodes) {
      const piece = this.add(node);
      if (piece === null) return null;
      this.#link(before, piece);
      before = {
        empty: capped(before.empty * piece.empty),
        first: sum(before.first, piece.first, before.empty),
        last: sum(piece.last, before.last, piece.empty),
      };
    }
    return before;
  }

  #link(from: Piece, to: Piece): void {
    for (const [state, ways] of from.last) {
      this.#next[state] = sum(this.#next[state] as Ways, to.first, ways);
    }
  }

  /** Whether a state comes back to itself over two different ways by the same text. */
  hasTwoWaysBack(): boolean {
    const count = this.#sets.length;
    const meeting = this.#sets.map((one) => this.#sets.map((other) => meet(one, other)));
    const next = this.#next.map((ways) => [...ways.keys()]);
    // Pairs of states, in which two walks by the same text may be: `a * count + b`.
    const onward = Array.from({ length: count * count }, (): number[] => []);
    const backward = Array.from({ length: count * count }, (): number[] => []);
    onward.forEach((pairs, from) => {
      for (const a of next[Math.floor(from / count)] as number[]) {
        for (const b of next[from % count] as number[]) {
          if (meeting[a]?.[b] !== true) continue;
          pairs.push(a * count + b);
          backward[a * count + b]?.push(from);
        }
      }
    });
    for (let state = 0; state < count; state++) {
      const start = state * count + state;
      const there = reached(start, onward);
      const back = reached(start, backward);
      for (const pair of there) {
        if (!back.has(pair)) continue;
        const a = Math.floor(pair / count);
        if (a !== pair % count) return true;
        // One state and two edges to the next of the same circle.
        for (const [to, ways] of this.#next[a] as Ways) if (ways > 1 && back.has(to * count + to)) return true;
      }
    }
    return false;
  }
}

/** No more than "several" is ever asked. */
const capped = (ways: number): number => Math.min(ways, 2);

function sum(one: Ways, other: Ways, times: number): Ways {
  if (times === 0) return one;
  const all = new Map(one);
  for (const [state, ways] of other) all.set(state, capped((all.get(state) ?? 0) + ways * times));
  return all;
}

function meet(one: CharacterSet, other: CharacterSet): boolean {
  return one.some((member, i) => member === 1 && other[i] === 1);
}

/** All that edges lead to, the start included. */
function reached(start: number, edges: readonly (readonly number[])[]): ReadonlySet<number> {
  const seen = new Set([start]);
  for (const at of seen) for (const to of edges[at] ?? []) seen.add(to);
  return seen;
}
