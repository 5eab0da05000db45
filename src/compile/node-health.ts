import type { HealthTable } from "../board/health-table.ts";
import {
  eventOf,
  failureEventOf,
  healthKey,
  judge,
  passiveJudgement,
  type HealthEvent,
  type Judgement,
} from "../upstream/health.ts";
import type { NodeHealth } from "../upstream/upstream.ts";
import type { EngineLog } from "./plugin-instances.ts";
import type { UpstreamSurroundings } from "./upstreams.ts";

/** Finds what the board says of nodes; requests are counted there where `checks.passive` asks for it. */
export function createNodeHealth(table: HealthTable, log: EngineLog): NonNullable<UpstreamSurroundings["health"]> {
  return ({ checks }) => {
    if (checks === undefined) return null;
    const passive = passiveJudgement(checks);
    return (upstreamKey, identity) => {
      const key = healthKey(upstreamKey, identity);
      const place = table.find(key);
      return place < 0 ? null : new BoardHealth(table, place, key, passive, log);
    };
  };
}

class BoardHealth implements NodeHealth {
  readonly #table: HealthTable;
  readonly #place: number;
  readonly #key: string;
  readonly #passive: Judgement | null;
  readonly #log: EngineLog;

  constructor(table: HealthTable, place: number, key: string, passive: Judgement | null, log: EngineLog) {
    this.#table = table;
    this.#place = place;
    this.#key = key;
    this.#passive = passive;
    this.#log = log;
  }

  get usable(): boolean {
    return this.#table.isHealthy(this.#place);
  }

  answered(status: number): void {
    const event = this.#passive === null ? null : eventOf(status, this.#passive);
    if (event !== null) this.#count(event, `status ${status}`);
  }

  connected(): void {
    if (this.#passive !== null) this.#count("success", "connections");
  }

  failed(kind: "tcp" | "timeout"): void {
    if (this.#passive === null) return;
    this.#count(failureEventOf(kind, this.#passive), kind === "tcp" ? "failed connections" : "timeouts");
  }

  #count(event: HealthEvent, what: string): void {
    const { limits } = this.#passive!;
    const before = this.#table.read(this.#place);
    // Nearly always: a success of a healthy node.
    if (judge(before.counts, before.healthy, event, limits).counts === before.counts) return;
    // A request that outlives its node must not count for who has the place now.
    if (!this.#table.owns(this.#place, this.#key)) return;
    if (!this.#table.update(this.#place, (counts, healthy) => judge(counts, healthy, event, limits))) return;
    const now = this.usable ? "healthy" : "unhealthy";
    this.#log.warn(`health of ${this.#key}: ${now} by requests (${what}, ${limits[event]} in a row)`);
  }
}
