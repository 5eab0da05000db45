import { isOut, type Strategy } from "./tiers.ts";
import type { PickFeedback, UpstreamNode } from "./upstream.ts";

/** Milliseconds in which what was measured loses 63 % of its weight. */
const DECAY_MS = 10_000;
/** What a failure counts as at least: one that comes quickly must not look like a fast node. */
const FAILURE_MS = 1_000;

interface Average {
  value: number;
  touchedAt: number;
  /** Requests under way: many of them go out before the first comes back. */
  active: number;
  /** Since when requests are under way without one of them having come back. */
  waitsSince: number;
}

/**
 * Average response times by address, each measurement weighted by how long ago it was
 * (exponentially weighted moving average); survives changes of the configuration.
 */
export class ResponseTimes implements PickFeedback {
  readonly #averages = new Map<string, Average>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  began(node: UpstreamNode): void {
    const average = this.#of(node);
    if (average.active++ === 0) average.waitsSince = this.#now();
  }

  ended(node: UpstreamNode, elapsedMs: number, failed: boolean): void {
    const average = this.#of(node);
    const now = this.#now();
    const kept = Math.exp(-Math.max(0, now - average.touchedAt) / DECAY_MS);
    const measured = failed ? Math.max(elapsedMs, FAILURE_MS) : elapsedMs;
    // The first measurement counts whole; with many a second each one still counts a little.
    const share = average.touchedAt === 0 ? 1 : Math.max(1 - kept, 0.05);
    average.value = average.value * (1 - share) + measured * share;
    average.touchedAt = now;
    average.active = Math.max(0, average.active - 1);
    average.waitsSince = now;
  }

  /** How long a request to the node is expected to take; a node that nothing is known of is worth a try. */
  expected(node: UpstreamNode): number {
    const average = this.#averages.get(node.identity);
    if (average === undefined) return 0;
    // What was measured fades while the node is not asked, so that it is tried again.
    const now = this.#now();
    const faded = average.value * Math.exp(-Math.max(0, now - average.touchedAt) / DECAY_MS);
    const waiting = average.active === 0 ? 0 : now - average.waitsSince;
    return Math.max(faded, waiting, 0.01) * (average.active + 1);
  }

  /** Forgets nodes that are gone. */
  retain(nodes: readonly UpstreamNode[]): void {
    const kept = new Set(nodes.map(({ identity }) => identity));
    for (const [address, { active }] of this.#averages) {
      if (!kept.has(address) && active === 0) this.#averages.delete(address);
    }
  }

  #of(node: UpstreamNode): Average {
    let average = this.#averages.get(node.identity);
    if (average === undefined) {
      average = { value: 0, touchedAt: 0, active: 0, waitsSince: 0 };
      this.#averages.set(node.identity, average);
    }
    return average;
  }
}

/**
 * The better of two nodes chosen at random, by weight: nearly as good as the best of
 * all, and the best one is not run over by everybody at once.
 */
export class LowestLatency implements Strategy {
  readonly #nodes: readonly UpstreamNode[];
  readonly #times: ResponseTimes;

  constructor(nodes: readonly UpstreamNode[], times: ResponseTimes) {
    this.#nodes = nodes;
    this.#times = times;
  }

  choose(tried: readonly UpstreamNode[], mindHealth: boolean): UpstreamNode | null {
    const first = this.#draw(tried, mindHealth, null);
    if (first === null) return null;
    const second = this.#draw(tried, mindHealth, first);
    if (second === null) return first;
    return this.#times.expected(second) < this.#times.expected(first) ? second : first;
  }

  /** A node at random by weight, other than `not`. */
  #draw(tried: readonly UpstreamNode[], mindHealth: boolean, not: UpstreamNode | null): UpstreamNode | null {
    let chosen: UpstreamNode | null = null;
    let total = 0;
    for (const node of this.#nodes) {
      if (node === not || isOut(node, tried, mindHealth)) continue;
      total += node.weight;
      if (Math.random() * total < node.weight) chosen = node;
    }
    return chosen;
  }
}
