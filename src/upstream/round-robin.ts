import { isOut, type Strategy } from "./tiers.ts";
import type { UpstreamNode } from "./upstream.ts";

/** Running weights by address, as the successor of a picker takes them over. */
export type Turns = ReadonlyMap<string, number>;

/** Turns of smooth weighted round robin taken at the start, at most: longer turns are cut. */
const MAX_RANDOM_START = 1024;

/**
 * Smooth weighted round robin: within each full turn every node is chosen exactly
 * as often as its weight says, spread as evenly as can be. The first node is
 * random, so that many workers and many routes do not all begin at the same one.
 */
export class RoundRobin implements Strategy {
  readonly #nodes: readonly UpstreamNode[];
  /** The running weight of each node; their sum is always 0. */
  readonly #current: number[];

  /** @param before where the turn stands that goes on. */
  constructor(nodes: readonly UpstreamNode[], before: Turns) {
    this.#nodes = nodes;
    this.#current = nodes.map(() => 0);
    if (!this.#adopt(before)) this.#startAnywhere();
  }

  choose(tried: readonly UpstreamNode[], mindHealth: boolean): UpstreamNode | null {
    const nodes = this.#nodes;
    const current = this.#current;
    let best = -1;
    let total = 0;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      if (isOut(node, tried, mindHealth)) continue;
      total += node.weight;
      const weight = (current[i]! += node.weight);
      if (best < 0 || weight > current[best]!) best = i;
    }
    if (best < 0) return null;
    current[best]! -= total;
    return nodes[best]!;
  }

  /** Notes where the turn stands. */
  note(turns: Map<string, number>): void {
    this.#nodes.forEach((node, i) => turns.set(node.identity, this.#current[i]!));
  }

  /** Takes over the running weights of nodes that were there before; false where none was. */
  #adopt(before: Turns): boolean {
    const current = this.#current;
    let found = false;
    let sum = 0;
    this.#nodes.forEach((node, i) => {
      const weight = before.get(node.identity);
      if (weight !== undefined) found = true;
      // A weight that was lowered must not leave a lead of many turns behind.
      current[i] = Math.max(-node.weight, Math.min(node.weight, weight ?? 0));
      sum += current[i]!;
    });
    if (found) current[0]! -= sum;
    return found;
  }

  #startAnywhere(): void {
    const turn = this.#nodes.reduce((sum, node) => sum + node.weight, 0);
    const steps = Math.floor(Math.random() * Math.min(turn, MAX_RANDOM_START));
    for (let i = 0; i < steps; i++) this.choose([], false);
  }
}

/** The turns of all tiers of a picker. */
export class TurnKeeper {
  readonly #strategies: RoundRobin[] = [];

  add(strategy: RoundRobin): RoundRobin {
    this.#strategies.push(strategy);
    return strategy;
  }

  /** Where the turns stand now. */
  turns(): Turns {
    const turns = new Map<string, number>();
    for (const strategy of this.#strategies) strategy.note(turns);
    return turns;
  }
}
