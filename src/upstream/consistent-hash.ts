import type { RequestContext } from "../plugin/context.ts";
import { hashText, mix } from "../lib/hash-text.ts";
import { isOut, type Strategy } from "./tiers.ts";
import type { UpstreamNode } from "./upstream.ts";

/**
 * Consistent hashing by the highest score (rendezvous hashing): each node scores the
 * key, the best one gets it. The scores of other nodes do not change when a node comes
 * or goes, so only its own keys move, exactly its share of them; a key whose node is down
 * goes to its second choice, spread over all the others. It needs no table, and it is
 * the same in every worker and after every restart.
 */
export class ConsistentHash implements Strategy {
  readonly #nodes: readonly UpstreamNode[];
  readonly #seeds: Uint32Array;
  readonly #equal: boolean;
  readonly #keyOf: (ctx: RequestContext) => string;

  /** @param keyOf the text that decides. */
  constructor(nodes: readonly UpstreamNode[], keyOf: (ctx: RequestContext) => string) {
    this.#nodes = nodes;
    this.#seeds = Uint32Array.from(nodes, ({ identity }) => hashText(identity));
    this.#equal = nodes.every(({ weight }) => weight === nodes[0]?.weight);
    this.#keyOf = keyOf;
  }

  choose(tried: readonly UpstreamNode[], mindHealth: boolean, ctx: RequestContext): UpstreamNode | null {
    const nodes = this.#nodes;
    const key = hashText(this.#keyOf(ctx));
    let best = -1;
    let bestScore = -Infinity;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      if (isOut(node, tried, mindHealth)) continue;
      const bits = mix(key ^ this.#seeds[i]!);
      // With weights: the time until an event of that rate happens, as a score; its order follows the weights exactly.
      const score = this.#equal ? bits : node.weight / -Math.log((bits + 0.5) / 0x1_0000_0000);
      if (score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    return best < 0 ? null : nodes[best]!;
  }
}
