import { parsePcre, type RegexNode } from "../../plugin/pcre.ts";

/** Characters of a pattern, states that it may grow to, and pieces that may be added on the way. */
const MAX_PATTERN = 256;
const MAX_STATES = 500;
const MAX_PIECES = 2000;

/** A step of the automaton. */
type State =
  | { readonly kind: "character"; readonly test: (character: string) => boolean; next: number }
  | { readonly kind: "assertion"; readonly test: (text: string, at: number) => boolean; next: number }
  | { readonly kind: "split"; next: number; other: number }
  | { readonly kind: "end" };

/**
 * Compiles a pattern that a client sent to a search anywhere in a text. It is run as an
 * automaton that looks at each character once per state, so its cost has a bound
 * whatever is asked for; JavaScript's engine has none. A pattern that is broken, too
 * large or needs more than an automaton finds nothing.
 */
export function compileSearch(pattern: string): (text: string) => boolean {
  try {
    if (pattern.length > MAX_PATTERN) return () => false;
    const { branches, flags } = parsePcre(pattern);
    const builder = new Builder([...flags].join(""));
    const start = builder.branches(branches, builder.end);
    return (text) => run(builder.states, start, text);
  } catch {
    return () => false;
  }
}

/** Builds the automaton from its end: each method adds what goes on at `next`, and returns where it begins. */
class Builder {
  readonly states: State[] = [{ kind: "end" }];
  readonly end = 0;
  readonly #flags: string;
  #pieces = 0;

  constructor(flags: string) {
    this.#flags = flags;
  }

  branches(branches: readonly (readonly RegexNode[])[], next: number): number {
    return branches
      .map((branch) => branch.reduceRight((after, node) => this.#node(node, after), next))
      .reduceRight((other, first) => this.#add({ kind: "split", next: first, other }));
  }

  #add(state: State): number {
    if (this.states.length >= MAX_STATES) throw new Error("too large");
    return this.states.push(state) - 1;
  }

  #node(node: RegexNode, next: number): number {
    if (++this.#pieces > MAX_PIECES) throw new Error("too large");
    switch (node.kind) {
      case "character": {
        const regex = new RegExp(`^(?:${node.source})$`, this.#flags);
        return this.#add({ kind: "character", test: (character) => regex.test(character), next });
      }
      case "assertion": {
        const regex = new RegExp(node.source, `${this.#flags}y`);
        const test = (text: string, at: number): boolean => {
          regex.lastIndex = at;
          return regex.test(text);
        };
        return this.#add({ kind: "assertion", test, next });
      }
      case "group":
        if (!/^\((\?:|\?<[A-Za-z_]\w*>)?$/.test(node.open)) throw new Error("looks around");
        return this.branches(node.branches, next);
      case "repeat":
        return this.#repeat(node, next);
      case "reference":
        throw new Error("refers back");
    }
  }

  #repeat({ of, min, max }: Extract<RegexNode, { kind: "repeat" }>, next: number): number {
    let start = next;
    if (max === Number.POSITIVE_INFINITY) {
      const loop = { kind: "split" as const, next: 0, other: next };
      start = this.#add(loop);
      loop.next = this.#node(of, start);
    } else {
      for (let times = min; times < max; times++) {
        start = this.#add({ kind: "split", next: this.#node(of, start), other: next });
      }
    }
    for (let times = 0; times < min; times++) start = this.#node(of, start);
    return start;
  }
}

function run(states: readonly State[], start: number, text: string): boolean {
  let active = new Set<number>();
  for (let at = 0; at <= text.length; at++) {
    // A search may begin anywhere.
    const reached = new Set<number>();
    for (const state of [...active, start]) if (reach(states, state, text, at, reached)) return true;
    const character = text[at];
    active = new Set();
    if (character === undefined) return false;
    for (const index of reached) {
      const state = states[index];
      if (state?.kind === "character" && state.test(character)) active.add(state.next);
    }
  }
  return false;
}

/** Adds the states that can be had without a character; true where the end is among them. */
function reach(states: readonly State[], from: number, text: string, at: number, reached: Set<number>): boolean {
  const open = [from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (reached.has(index)) continue;
    reached.add(index);
    const state = states[index];
    if (state === undefined || state.kind === "character") continue;
    if (state.kind === "end") return true;
    if (state.kind === "split") open.push(state.next, state.other);
    else if (state.test(text, at)) open.push(state.next);
  }
  return false;
}
