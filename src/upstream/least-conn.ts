import type { PickFeedback, UpstreamNode } from "./upstream.ts";
import { isOut, type Strategy } from "./tiers.ts";

/** Requests under way at the nodes of one upstream, by address; survives changes of the configuration. */
export class ActiveCounts implements PickFeedback {
  readonly #counts = new Map<string, number>();

  began(node: UpstreamNode): void {
    this.#counts.set(node.identity, this.at(node) + 1);
  }

  ended(node: UpstreamNode): void {
    const left = this.at(node) - 1;
    if (left > 0) this.#counts.set(node.identity, left);
    else this.#counts.delete(node.identity);
  }

  at(node: UpstreamNode): number {
    return this.#counts.get(node.identity) ?? 0;
  }
}

/**
 * The node with the lowest (requests under way + 1) / weight, as this worker sees it.
 * Among equals the one whose turn was longest ago.
 */
export class LeastConnections implements Strategy {
  readonly #nodes: readonly UpstreamNode[];
  readonly #active: ActiveCounts;
  readonly #lastTurn: number[];
  #turn = 0;

  constructor(nodes: readonly UpstreamNode[], active: ActiveCounts) {
    this.#nodes = nodes;
    this.#active = active;
    // A random order at first, so that workers and routes do not all begin at the same node.
    this.#lastTurn = nodes.map(() => -Math.random());
  }

  choose(tried: readonly UpstreamNode[], mindHealth: boolean): UpstreamNode | null {
    const best = this.#best(tried, mindHealth);
    if (best < 0) return null;
    this.#lastTurn[best] = ++this.#turn;
    return this.#nodes[best]!;
  }

  /** The index of the best node; -1 where every one is out. */
  #best(tried: readonly UpstreamNode[], mindHealth: boolean): number {
    const nodes = this.#nodes;
    const turns = this.#lastTurn;
    let best = -1;
    let lowest = Infinity;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      if (isOut(node, tried, mindHealth)) continue;
      const load = (this.#active.at(node) + 1) / node.weight;
      if (load < lowest || (load === lowest && turns[i]! < turns[best]!)) {
        best = i;
        lowest = load;
      }
    }
    return best;
  }
}
