import type { HealthTable } from "../../board/health-table.ts";
import { monotonicMs } from "../../lib/clock.ts";
import type { HealthChecks } from "../../schema/health-check.ts";
import { activeJudgement, countOf, healthKey, judge, statusText, type Judgement } from "../../upstream/health.ts";
import type { CheckedUpstream } from "../../messages/messages.ts";
import type { HealthReport } from "../control-api/healthcheck.ts";
import { probe, type ProbeTarget } from "./probe.ts";

/** A node as it is probed. */
export interface CheckedNode extends ProbeTarget {
  /** `host:port`, the identity of the node within its upstream. */
  readonly address: string;
}

export interface ProberLog {
  warn(message: string): void;
}

/** How often it is looked which probes are due. */
const TICK_MS = 100;
/** Probes under way at once over all upstreams. */
const MAX_PROBES = 256;
/** Time between two lines that say that the table is full. */
const FULL_WARNING_MS = 60_000;

interface Probed {
  readonly node: CheckedNode;
  readonly place: number;
  /** On the monotonic clock; `-Infinity`: never. */
  startedAt: number;
  busy: boolean;
}

interface Checked {
  readonly key: string;
  checks: HealthChecks;
  judgement: Judgement;
  nodes: readonly Probed[];
  busy: number;
}

/**
 * Probes the nodes of all upstreams that ask for it, one prober for each node whatever
 * the number of workers, and counts the outcomes on the board. What the board says
 * outlives changes of the configuration, and this thread.
 */
export class Prober {
  readonly #table: HealthTable;
  readonly #log: ProberLog;
  readonly #upstreams = new Map<string, Checked>();
  readonly #timer: NodeJS.Timeout;
  #probes = 0;
  #nextFullWarning = -Infinity;

  constructor(table: HealthTable, log: ProberLog) {
    this.#table = table;
    this.#log = log;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /**
   * Sets how the nodes of an upstream are checked; `null`: not at all. Nodes that stay
   * keep what is known of them. An upstream with a single node is not checked: its node
   * is used whatever its health.
   */
  set(key: string, checks: HealthChecks | null, nodes: readonly CheckedNode[]): void {
    const held = this.#upstreams.get(key);
    const before = new Map(held?.nodes.map((probed) => [probed.node.address, probed]));
    const wanted = new Map(checks === null || nodes.length < 2 ? [] : nodes.map((node) => [node.address, node]));
    for (const [address, { place }] of before) if (!wanted.has(address)) this.#table.release(place);
    if (checks === null || wanted.size === 0) {
      this.#upstreams.delete(key);
      return;
    }
    const probed = Array.from(wanted.values(), (node): Probed | null => {
      const known = before.get(node.address);
      if (known !== undefined) return { ...known, node, busy: false };
      const place = this.#table.claim(healthKey(key, node.address));
      if (place < 0) this.#warnFull();
      return place < 0 ? null : { node, place, startedAt: -Infinity, busy: false };
    });
    const judgement = activeJudgement(checks);
    this.#upstreams.set(key, { key, checks, judgement, nodes: probed.filter((one) => one !== null), busy: 0 });
  }

  /** Gives back the places of an earlier control thread whose upstreams are gone; once everything is set. */
  settle(): void {
    const places = [...this.#upstreams.values()].flatMap(({ nodes }) => nodes.map(({ place }) => place));
    this.#table.retain(new Set(places));
  }

  /** Every checked upstream with the health of its nodes. */
  report(prefix: string): readonly HealthReport[] {
    return Array.from(this.#upstreams.values(), ({ key, checks, nodes }) => ({
      name: `${prefix}/${key}`,
      type: checks.active.type,
      nodes: nodes.map(({ node, place }) => {
        const state = this.#table.read(place);
        return {
          ip: node.host,
          port: checks.active.port ?? node.port,
          hostname: node.name,
          status: statusText(state),
          counter: {
            success: countOf(state.counts, "success"),
            http_failure: countOf(state.counts, "http"),
            tcp_failure: countOf(state.counts, "tcp"),
            timeout_failure: countOf(state.counts, "timeout"),
          },
        };
      }),
    }));
  }

  /** Every checked upstream with the places of its nodes on the board. */
  checked(): readonly CheckedUpstream[] {
    return Array.from(this.#upstreams.values(), ({ key, checks, nodes }) => ({
      key,
      probe: checks.active.type,
      nodes: nodes.map(({ node: { address, name }, place }) => ({ address, name, place })),
    }));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#upstreams.clear();
  }

  #tick(): void {
    const now = monotonicMs();
    for (const upstream of this.#upstreams.values()) {
      for (const probed of upstream.nodes) {
        if (this.#probes >= MAX_PROBES) return;
        if (upstream.busy >= Math.max(1, upstream.checks.active.concurrency)) break;
        if (!probed.busy && this.#isDue(upstream, probed, now)) this.#start(upstream, probed, now);
      }
    }
  }

  /** In a state that has no interval a node is not probed. */
  #isDue({ checks: { active } }: Checked, { place, startedAt }: Probed, now: number): boolean {
    const interval = (this.#table.isHealthy(place) ? active.healthy : active.unhealthy)?.interval;
    return interval !== undefined && now >= startedAt + interval * 1_000;
  }

  #start(upstream: Checked, probed: Probed, now: number): void {
    const { active } = upstream.checks;
    probed.busy = true;
    probed.startedAt = now;
    upstream.busy++;
    this.#probes++;
    void probe(probed.node, active, upstream.judgement).then((event) => {
      probed.busy = false;
      upstream.busy--;
      this.#probes--;
      // It may have been set anew meanwhile: its successor sends a probe of its own.
      if (event === null || this.#upstreams.get(upstream.key) !== upstream) return;
      const { limits } = upstream.judgement;
      const { place, node } = probed;
      const turned = this.#table.update(place, (counts, healthy) => judge(counts, healthy, event, limits));
      if (!turned) return;
      const state = this.#table.isHealthy(place) ? "healthy" : "unhealthy";
      this.#log.warn(
        `health of ${healthKey(upstream.key, node.address)}: ${state} by probes (${event}, ${limits[event]} in a row)`,
      );
    });
  }

  #warnFull(): void {
    const now = monotonicMs();
    if (now < this.#nextFullWarning) return;
    this.#nextFullWarning = now + FULL_WARNING_MS;
    this.#log.warn(
      `the health table is full (${this.#table.taken} nodes): further nodes are not checked and count as healthy`,
    );
  }
}
