import { setTimeout } from "node:timers/promises";
import { atConstantRate, type Latencies } from "../harness/constant-rate.ts";
import type { Gateway } from "../harness/gateway.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells, ratioCell } from "../harness/table.ts";
import { wrk } from "../harness/wrk.ts";

/** Writes a second. */
const CHANGES = 200;
/** Of what `wrk` gets through. */
const LOAD = 0.5;
const TABLES = [1_000, 50_000];

/** Latency under a constant rate of requests while routes change 200 times a second, beside the same without changes. */
export const churn: Measurement = {
  name: "churn",
  tools: ["nginx", "wrk", "h2load"],
  async run(stage) {
    const seconds = stage.extent.full ? 60 : 10;
    const rounds = stage.extent.full ? 1 : 3;
    const origin = await stage.origin();
    const rows: string[][] = [];
    for (const routes of TABLES) {
      const standalone = manyRoutes("json", origin.port, routes);
      const gateway = await stage.turnpike({ workers: 1, provider: "embedded", standalone });
      await gateway.applied(await gateway.admin("routes/served", served(origin.port)));
      await wrk({ port: gateway.port }, 2);
      const rate = Math.floor((await wrk({ port: gateway.port }, 2)).perSecond * LOAD);
      const quiet: Latencies[] = [];
      const changing: Latencies[] = [];
      const applied: number[] = [];
      for (let round = 0; round < rounds; round++) {
        quiet.push(await atConstantRate(gateway, rate, seconds));
        const writer = new Writer(gateway, routes);
        changing.push(await atConstantRate(gateway, rate, seconds));
        applied.push(await writer.stop());
      }
      const name = `${routes.toLocaleString("en")} routes`;
      const p99 = (list: readonly Latencies[]) => summarise(list.map((one) => one.p99));
      const ratio = summarise(changing.map((one, i) => one.p99 / quiet[i]!.p99));
      const longest = (list: readonly Latencies[]) => Math.max(...list.map((one) => one.max)).toFixed(1);
      rows.push([`${name}, no changes`, String(rate), "0", ...cells(p99(quiet), 2), longest(quiet), ""]);
      const each = percentile(applied, 50).toFixed(0);
      rows.push([`${name}, changing`, String(rate), each, ...cells(p99(changing), 2), longest(changing), ratioCell(ratio)]); // prettier-ignore
    }
    const columns = ["milliseconds", "requests/s", "changes/s", "p99 median", "min", "max", "longest", "p99 vs none"];
    const notes = [
      `One worker, embedded store, each change a write of its own through the Admin API; ${rounds} rounds of ${seconds} s, the gateway on any core, load and origin on one of them.`,
    ];
    return { tables: [{ title: `Latency while routes change ${CHANGES} times a second`, columns, rows, notes }] };
  },
};

const served = (port: number): object => ({
  uri: "/",
  upstream: { type: "roundrobin", nodes: { [`127.0.0.1:${port}`]: 1 } },
});

/** Changes one route after the other, at a constant rate. */
class Writer {
  readonly #gateway: Gateway;
  readonly #routes: number;
  readonly #startedAt = performance.now();
  #written = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(gateway: Gateway, routes: number) {
    this.#gateway = gateway;
    this.#routes = routes;
    this.#done = Promise.all([this.#lane(), this.#lane(), this.#lane()]).then(() => undefined);
  }

  /** Stops; changes per second while it ran. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return (this.#written / (performance.now() - this.#startedAt)) * 1_000;
  }

  async #lane(): Promise<void> {
    const lane = this.#gateway.adminLane();
    for (let version = 0; !this.#stopped; version++) {
      const due = (this.#written++ / CHANGES) * 1_000;
      await setTimeout(Math.max(0, this.#startedAt + due - performance.now()));
      const id = String((this.#written * 7_919) % this.#routes);
      await lane.put(`routes/${id}`, JSON.stringify({ uri: `/changed/${id}/${version}`, upstream_id: "1" }));
    }
    lane.close();
  }
}
