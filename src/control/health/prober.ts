import { isDeepStrictEqual } from "node:util";
import type { HealthTable } from "../../board/health-table.ts";
import { monotonicMs } from "../../lib/clock.ts";
import type { HealthChecks } from "../../schema/health-check.ts";
import {
  activeJudgement,
  countOf,
  healthKey,
  judge,
  probeIntervalMs,
  statusText,
  type Judgement,
} from "../../upstream/health.ts";
import type { CheckedNodes, CheckedUpstream } from "../../messages/messages.ts";
import type { HealthNode, HealthReport } from "../control-api/healthcheck.ts";
import { probe, type ProbeTarget } from "./probe.ts";

/** A node as it is probed. */
export interface CheckedNode extends ProbeTarget {
  /** The identity of the node within its upstream: `host:port`, and its name where others have the same. */
  readonly address: string;
  /** Its name is being looked up for the first time: it is not probed before that. */
  readonly waits: boolean;
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
  /** It is gone, or probed otherwise now: what a probe under way finds says nothing any more. */
  over: boolean;
}

interface Checked {
  readonly key: string;
  readonly checks: HealthChecks;
  readonly judgement: Judgement;
  readonly nodes: readonly Probed[];
  /** Before that no node can be due; on the monotonic clock. */
  lookAt: number;
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
  /** Nodes of all upstreams. */
  #nodes = 0;
  /** The upstream that a tick begins with: where the one before had to stop. */
  #next = 0;
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
    this.#nodes -= held?.nodes.length ?? 0;
    const before = new Map(held?.nodes.map((probed) => [probed.node.address, probed]));
    const wanted = new Map(checks === null || nodes.length < 2 ? [] : nodes.map((node) => [node.address, node]));
    for (const [address, probed] of before) {
      if (wanted.has(address)) continue;
      probed.over = true;
      this.#table.release(probed.place);
    }
    if (checks === null || wanted.size === 0) {
      this.#upstreams.delete(key);
      return;
    }
    const sameProbes = held !== undefined && isDeepStrictEqual(held.checks.active, checks.active);
    const probed = Array.from(wanted.values(), (node): Probed | null => {
      const known = before.get(node.address);
      if (known !== undefined) {
        // Probes go on through changes of other things, however fast they come.
        if (sameProbes && isSameTarget(known.node, node)) return known;
        known.over = true;
        return { ...known, node, busy: false, over: false };
      }
      const place = this.#table.claim(healthKey(key, node.address));
      if (place < 0) this.#warnFull();
      return place < 0 ? null : { node, place, startedAt: -Infinity, busy: false, over: false };
    });
    const judgement = activeJudgement(checks);
    const now = probed.filter((one) => one !== null);
    this.#nodes += now.length;
    this.#upstreams.set(key, { key, checks, judgement, nodes: now, lookAt: -Infinity });
  }

  /** Gives back the places of an earlier control thread whose upstreams are gone; once everything is set. */
  settle(): void {
    const places = [...this.#upstreams.values()].flatMap(({ nodes }) => nodes.map(({ place }) => place));
    this.#table.retain(new Set(places));
  }

  /** The health of the node `address` of the upstream `key`; `null` where it is not checked. */
  statusOf(key: string, address: string): HealthNode["status"] | null {
    const found = this.#upstreams.get(key)?.nodes.find(({ node }) => node.address === address);
    return found === undefined ? null : statusText(this.#table.read(found.place));
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

  /** The checked nodes with their places on the board; beyond `limit` they are only counted. */
  checked(limit: number): CheckedNodes {
    const upstreams: CheckedUpstream[] = [];
    let room = limit;
    let unlisted = 0;
    for (const { key, checks, nodes } of this.#upstreams.values()) {
      const listed = nodes.slice(0, room);
      room -= listed.length;
      unlisted += nodes.length - listed.length;
      if (listed.length === 0) continue;
      upstreams.push({
        key,
        probe: checks.active.type,
        nodes: listed.map(({ node: { address, name }, place }) => ({ address, name, place })),
      });
    }
    return { upstreams, unlisted };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { nodes } of this.#upstreams.values()) for (const probed of nodes) probed.over = true;
    this.#upstreams.clear();
  }

  /** Every upstream has its turn, and every node of it, however many probes hang. */
  #tick(): void {
    const now = monotonicMs();
    const upstreams = [...this.#upstreams.values()];
    const first = this.#next;
    this.#next = 0;
    for (let i = 0; i < upstreams.length; i++) {
      const at = (first + i) % upstreams.length;
      if (now < upstreams[at]!.lookAt) continue;
      for (const probed of this.#due(upstreams[at]!, now)) {
        if (this.#probes >= MAX_PROBES) {
          this.#next = at;
          return;
        }
        this.#start(upstreams[at]!, probed, now);
      }
    }
  }

  /** The nodes that are to be probed now, as many as may be at once: those first that have waited longest. */
  #due(upstream: Checked, now: number): readonly Probed[] {
    const due = upstream.nodes.filter((probed) => !probed.busy && now >= this.#dueAt(upstream, probed));
    if (due.length === 0) {
      upstream.lookAt = this.#nextLook(upstream, now);
      return due;
    }
    const busy = upstream.nodes.filter((probed) => probed.busy).length;
    const room = Math.max(0, Math.max(1, upstream.checks.active.concurrency) - busy);
    return due.length <= room ? due : due.sort((a, b) => a.startedAt - b.startedAt).slice(0, room);
  }

  #dueAt({ checks: { active } }: Checked, { node, place, startedAt }: Probed): number {
    if (node.waits) return Infinity;
    return startedAt + probeIntervalMs(active, this.#table.isHealthy(place));
  }

  /** When the first node is due; requests may turn the state of one before, and with it the interval. */
  #nextLook(upstream: Checked, now: number): number {
    const { active } = upstream.checks;
    const soonest = now + Math.min(probeIntervalMs(active, true), probeIntervalMs(active, false));
    return upstream.nodes.reduce((least, probed) => Math.min(least, this.#dueAt(upstream, probed)), soonest);
  }

  #start(upstream: Checked, probed: Probed, now: number): void {
    const { active } = upstream.checks;
    probed.busy = true;
    probed.startedAt = probed.startedAt === -Infinity ? now - this.#head(upstream) : now;
    this.#probes++;
    void probe(probed.node, active, upstream.judgement).then((event) => {
      probed.busy = false;
      this.#probes--;
      if (event === null || probed.over) return;
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

  /**
   * By how much the second probe of a node comes early: many nodes that came at once, as with
   * a start, are not to be probed at the same moments for ever.
   */
  #head({ checks }: Checked): number {
    return this.#nodes > MAX_PROBES ? Math.random() * 0.9 * probeIntervalMs(checks.active, true) : 0;
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

function isSameTarget(a: CheckedNode, b: CheckedNode): boolean {
  return (
    a.host === b.host &&
    a.port === b.port &&
    a.name === b.name &&
    a.hostHeader === b.hostHeader &&
    a.tls === b.tls &&
    a.waits === b.waits
  );
}
