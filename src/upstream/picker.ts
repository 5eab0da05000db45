import type { RequestContext } from "../plugin/context.ts";
import { ConsistentHash } from "./consistent-hash.ts";
import { LowestLatency, ResponseTimes } from "./ewma.ts";
import { Latest } from "./latest.ts";
import { ActiveCounts, LeastConnections } from "./least-conn.ts";
import { RoundRobin, TurnKeeper } from "./round-robin.ts";
import { TieredPicker } from "./tiers.ts";
import type { Picker, UpstreamNode } from "./upstream.ts";

/** How nodes are picked. */
export type Balancing =
  | { readonly type: "roundrobin" | "least_conn" | "ewma" }
  /** `keyOf`: the text that decides. */
  | { readonly type: "chash"; readonly keyOf: (ctx: RequestContext) => string };

const turns = new Latest<TurnKeeper>();
const counts = new Latest<ActiveCounts>();
const times = new Latest<ResponseTimes>();

/**
 * A picker for the nodes of the upstream `key`. What is known of nodes goes on where the
 * last picker of that key stands.
 */
export function createPicker(key: string, nodes: readonly UpstreamNode[], balancing: Balancing): Picker {
  switch (balancing.type) {
    case "roundrobin":
      return createRoundRobin(key, nodes);
    case "chash":
      return new TieredPicker(nodes, null, (tier) => new ConsistentHash(tier, balancing.keyOf));
    case "least_conn": {
      const active = adopt(counts, key, () => new ActiveCounts());
      return new TieredPicker(nodes, active, (tier) => new LeastConnections(tier, active));
    }
    case "ewma": {
      const measured = adopt(times, key, () => new ResponseTimes());
      measured.retain(nodes);
      return new TieredPicker(nodes, measured, (tier) => new LowestLatency(tier, measured));
    }
  }
}

/** Weighted round robin. */
export function createRoundRobin(key: string, nodes: readonly UpstreamNode[]): Picker {
  const usable = nodes.filter((node) => node.weight > 0);
  if (usable.length === 1) return new OnlyNode(usable[0]!, nodes.length === 1);
  const before = turns.get(key)?.turns() ?? new Map<string, number>();
  const keeper = new TurnKeeper();
  const picker = new RoundRobinPicker(usable, keeper, (tier) => keeper.add(new RoundRobin(tier, before)));
  turns.set(key, keeper);
  return picker;
}

/** Holds the turns for as long as the picker is used. */
class RoundRobinPicker extends TieredPicker {
  readonly keeper: TurnKeeper;

  constructor(
    nodes: readonly UpstreamNode[],
    keeper: TurnKeeper,
    strategy: (tier: readonly UpstreamNode[]) => RoundRobin,
  ) {
    super(nodes, null, strategy);
    this.keeper = keeper;
  }
}

/** The picker of an upstream with one node that may be used: nothing turns. */
class OnlyNode implements Picker {
  readonly feedback = null;
  readonly #node: UpstreamNode;
  readonly #single: boolean;

  /** @param single whether the upstream has no other node; see `Picker.pick`. */
  constructor(node: UpstreamNode, single: boolean) {
    this.#node = node;
    this.#single = single;
  }

  pick(tried: readonly UpstreamNode[]): UpstreamNode | null {
    if (this.#single) return this.#node;
    for (const { identity } of tried) if (identity === this.#node.identity) return null;
    return this.#node;
  }
}

function adopt<T extends object>(latest: Latest<T>, key: string, make: () => T): T {
  const known = latest.get(key);
  if (known !== undefined) return known;
  const made = make();
  latest.set(key, made);
  return made;
}
