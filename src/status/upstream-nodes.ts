import type { Board } from "../board/board.ts";
import type { CheckedNodes } from "../messages/messages.ts";
import { countOf, healthKey, statusText } from "../upstream/health.ts";
import { firstOf, type Journal } from "./journal.ts";

/** Nodes shown; unhealthy ones come first. */
const SHOWN_NODES = 200;

/** A node of an upstream that is health-checked. */
export interface UpstreamNodeRow {
  /** The resource that holds the upstream, as in `upstreams/1`. */
  readonly upstream: string;
  /** `host:port`. */
  readonly node: string;
  /** What the node is called in the configuration. */
  readonly name: string;
  /** How it is probed: `http`, `https`, `tcp`. */
  readonly probe: string;
  readonly status: "healthy" | "mostly_healthy" | "mostly_unhealthy" | "unhealthy";
  /** Events in a row, as far as they are counted. */
  readonly counter: {
    readonly success: number;
    readonly http_failure: number;
    readonly tcp_failure: number;
    readonly timeout_failure: number;
  };
}

/** The body of `GET /status/upstreams`. */
export interface UpstreamsBody {
  /** Health-checked nodes, and how many of them are unhealthy. */
  readonly count: number;
  readonly unhealthy: number;
  /** Nodes whose health is not looked at here, because there are too many. */
  readonly unlisted: number;
  /** At most 200, unhealthy ones first. */
  readonly nodes: readonly UpstreamNodeRow[];
}

/** Builds the body of `GET /status/upstreams`: control says which nodes there are, the board how they are. */
export function upstreamsBody(board: Board, checked: CheckedNodes): UpstreamsBody {
  const healthy: UpstreamNodeRow[] = [];
  const unhealthy: UpstreamNodeRow[] = [];
  let count = 0;
  let sick = 0;
  for (const { key, probe, nodes } of checked.upstreams) {
    for (const { address, name, place } of nodes) {
      if (!board.health.owns(place, healthKey(key, address))) continue;
      const state = board.health.read(place);
      count++;
      if (!state.healthy) sick++;
      const rows = state.healthy ? healthy : unhealthy;
      if (rows.length >= SHOWN_NODES) continue;
      const counter = {
        success: countOf(state.counts, "success"),
        http_failure: countOf(state.counts, "http"),
        tcp_failure: countOf(state.counts, "tcp"),
        timeout_failure: countOf(state.counts, "timeout"),
      };
      rows.push({ upstream: key, node: address, name, probe, status: statusText(state), counter });
    }
  }
  const nodes = [...unhealthy, ...healthy].slice(0, SHOWN_NODES);
  return { count, unhealthy: sick, unlisted: checked.unlisted, nodes };
}

/** Writes into the journal when nodes turn unhealthy or healthy again; `look` is called a few times a second. */
export function createNodeHealthWatch(board: Board, journal: Journal): { look(checked: CheckedNodes): void } {
  let unhealthy = new Set<string>();

  return {
    look({ upstreams }) {
      const before = unhealthy;
      unhealthy = new Set();
      const turned: { upstream: string; node: string; healthy: boolean }[] = [];
      for (const { key, nodes } of upstreams) {
        for (const { address, place } of nodes) {
          const healthy = board.health.isHealthy(place);
          if (healthy && before.size === 0) continue;
          const name = healthKey(key, address);
          if (!board.health.owns(place, name)) continue;
          if (!healthy) unhealthy.add(name);
          if (healthy === before.has(name)) turned.push({ upstream: key, node: address, healthy });
        }
      }
      for (const { one, more } of firstOf(turned)) journal.add({ type: "node-health", ...one, more });
    },
  };
}
