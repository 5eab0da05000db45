import type { Picker, UpstreamNode } from "./upstream.ts";

/**
 * Smooth weighted round robin: within each full turn every node is picked exactly
 * as often as its weight says, spread as evenly as can be. The first node is
 * random, so that many workers and many routes do not all begin at the same one.
 *
 * Nodes of a lower `priority` are picked only when every node above was tried.
 * A node of weight 0 is never picked.
 */

/** Nodes of one priority and where their turn stands. */
interface Tier {
  readonly nodes: readonly UpstreamNode[];
  /** The running weight of each node; their sum is always 0. */
  readonly current: number[];
}

/** Turns of smooth weighted round robin taken at the start, at most: longer turns are cut. */
const MAX_RANDOM_START = 1024;

class RoundRobin implements Picker {
  readonly #tiers: readonly Tier[];

  constructor(nodes: readonly UpstreamNode[], previous: RoundRobin | undefined) {
    this.#tiers = tiersOf(nodes);
    const kept = new Map<string, number>();
    for (const tier of previous === undefined ? [] : previous.#tiers) {
      tier.nodes.forEach((node, i) => kept.set(node.address, tier.current[i]!));
    }
    for (const tier of this.#tiers) if (!adopt(tier, kept)) startAnywhere(tier);
  }

  pick(tried: readonly UpstreamNode[]): UpstreamNode | null {
    for (const tier of this.#tiers) {
      const node = next(tier, tried);
      if (node !== null) return node;
    }
    return null;
  }
}

/** The picker of an upstream with one node: nothing turns. */
class OnlyNode implements Picker {
  readonly #node: UpstreamNode;

  constructor(node: UpstreamNode) {
    this.#node = node;
  }

  pick(tried: readonly UpstreamNode[]): UpstreamNode | null {
    return tried.length > 0 && has(tried, this.#node) ? null : this.#node;
  }
}

/** The latest picker of each key, for its successor; a key ends with its last picker. */
const latest = new Map<string, WeakRef<RoundRobin>>();
const forgotten = new FinalizationRegistry<string>((key) => {
  if (latest.get(key)?.deref() === undefined) latest.delete(key);
});

/**
 * A picker for the nodes of the upstream `key`. The turn goes on where the last
 * picker of that key stands, for the nodes that both have.
 */
export function createRoundRobin(key: string, nodes: readonly UpstreamNode[]): Picker {
  const usable = nodes.filter((node) => node.weight > 0);
  if (usable.length === 1) return new OnlyNode(usable[0]!);
  const picker = new RoundRobin(usable, latest.get(key)?.deref());
  latest.set(key, new WeakRef(picker));
  forgotten.register(picker, key);
  return picker;
}

function tiersOf(nodes: readonly UpstreamNode[]): Tier[] {
  const byPriority = new Map<number, UpstreamNode[]>();
  for (const node of nodes) {
    const tier = byPriority.get(node.priority);
    if (tier === undefined) byPriority.set(node.priority, [node]);
    else tier.push(node);
  }
  return [...byPriority].sort(([a], [b]) => b - a).map(([, tier]) => ({ nodes: tier, current: tier.map(() => 0) }));
}

/** Takes over the running weights of nodes that were there before; false where none was. */
function adopt(tier: Tier, kept: ReadonlyMap<string, number>): boolean {
  let found = false;
  let sum = 0;
  tier.nodes.forEach((node, i) => {
    const weight = kept.get(node.address);
    if (weight !== undefined) found = true;
    // A weight that was lowered must not leave a lead of many turns behind.
    tier.current[i] = Math.max(-node.weight, Math.min(node.weight, weight ?? 0));
    sum += tier.current[i]!;
  });
  if (found) tier.current[0]! -= sum;
  return found;
}

function startAnywhere(tier: Tier): void {
  const turn = tier.nodes.reduce((sum, node) => sum + node.weight, 0);
  const steps = Math.floor(Math.random() * Math.min(turn, MAX_RANDOM_START));
  for (let i = 0; i < steps; i++) next(tier, []);
}

function next(tier: Tier, tried: readonly UpstreamNode[]): UpstreamNode | null {
  const { nodes, current } = tier;
  let best = -1;
  let total = 0;
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    if (tried.length > 0 && has(tried, node)) continue;
    total += node.weight;
    const weight = (current[i]! += node.weight);
    if (best < 0 || weight > current[best]!) best = i;
  }
  if (best < 0) return null;
  current[best]! -= total;
  return nodes[best]!;
}

/** Compared by address: a request may hold nodes of an older configuration. */
function has(tried: readonly UpstreamNode[], node: UpstreamNode): boolean {
  for (const other of tried) if (other.address === node.address) return true;
  return false;
}
