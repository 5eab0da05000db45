import type { RequestContext } from "../plugin/context.ts";
import type { Picker, PickFeedback, UpstreamNode } from "./upstream.ts";

/** How one algorithm chooses among nodes of equal priority, all of a weight above 0. */
export interface Strategy {
  /** A node that is not `isOut`; `null` where every node is. */
  choose(tried: readonly UpstreamNode[], mindHealth: boolean, ctx: RequestContext): UpstreamNode | null;
}

const NONE: readonly UpstreamNode[] = [];

/**
 * What all algorithms have in common. Nodes of weight 0 get nothing. Nodes of a lower
 * `priority` are asked when those above are tried or unhealthy. Where not a single
 * node is healthy, health is not looked at: a wrong verdict must not stop everything.
 */
export class TieredPicker implements Picker {
  readonly feedback: PickFeedback | null;
  readonly #tiers: readonly Strategy[];
  /** Nodes whose health is known; empty where none is checked. */
  readonly #checked: readonly UpstreamNode[];
  readonly #count: number;
  /** The upstream has no other node; see `Picker.pick`. */
  readonly #single: boolean;

  constructor(
    nodes: readonly UpstreamNode[],
    feedback: PickFeedback | null,
    strategy: (tier: readonly UpstreamNode[]) => Strategy,
  ) {
    const usable = nodes.filter((node) => node.weight > 0);
    this.feedback = feedback;
    this.#tiers = tiersOf(usable).map(strategy);
    this.#checked = usable.filter((node) => node.health !== null);
    this.#count = usable.length;
    this.#single = nodes.length === 1;
  }

  pick(tried: readonly UpstreamNode[], ctx: RequestContext): UpstreamNode | null {
    const mindHealth = this.#checked.length > 0 && !this.#allDown();
    const out = this.#single ? NONE : tried;
    for (const tier of this.#tiers) {
      const node = tier.choose(out, mindHealth, ctx);
      if (node !== null) return node;
    }
    return null;
  }

  #allDown(): boolean {
    if (this.#checked.length < this.#count) return false;
    for (const { health } of this.#checked) if (health!.usable) return false;
    return true;
  }
}

/** Whether a node must not be chosen. */
export function isOut(node: UpstreamNode, tried: readonly UpstreamNode[], mindHealth: boolean): boolean {
  if (mindHealth && node.health !== null && !node.health.usable) return true;
  return tried.length > 0 && has(tried, node);
}

/** Compared by identity: a request may hold nodes of an older configuration. */
function has(tried: readonly UpstreamNode[], node: UpstreamNode): boolean {
  for (const other of tried) if (other.identity === node.identity) return true;
  return false;
}

function tiersOf(nodes: readonly UpstreamNode[]): UpstreamNode[][] {
  const byPriority = Map.groupBy(nodes, ({ priority }) => priority);
  return [...byPriority].sort(([a], [b]) => b - a).map(([, tier]) => tier);
}
