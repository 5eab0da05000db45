import { atConstantRate, type Latencies, WARM_SECONDS } from "../harness/constant-rate.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells, ratioCell } from "../harness/table.ts";
import { wrk } from "../harness/wrk.ts";

/** Writes a second. */
const CHANGES = 200;
/** Of what `wrk` gets through: with half of it, load and origin alone take nine tenths of their core. */
const LOADS = [0.35, 0.5];
const TABLES = [1_000, 50_000];

/** What was seen at one load; the lists are by rounds. */
interface Seen {
  readonly rates: number[];
  readonly quiet: Latencies[];
  readonly changing: Latencies[];
  readonly applied: number[];
}

/**
 * Latency under a constant rate of requests while routes change 200 times a second, beside the
 * same without changes, when what would change them goes to the origin instead: so the writer's
 * own time is in both.
 */
export const churn: Measurement = {
  name: "churn",
  tools: ["nginx", "wrk", "h2load"],
  async run(stage) {
    const seconds = stage.extent.full ? 60 : 5;
    const rounds = stage.extent.pairs;
    const origin = await stage.origin();
    const rows: string[][] = [];
    for (const routes of TABLES) {
      const standalone = manyRoutes("json", origin.port, routes);
      const gateway = await stage.turnpike({ core: PROXY_CORE, workers: 1, provider: "embedded", standalone });
      await gateway.applied(await gateway.admin("routes/served", served(origin.port)));
      await wrk({ port: gateway.port }, 2);
      const changes = (port?: number): Promise<number> => gateway.change(routes, CHANGES, seconds + WARM_SECONDS, port);
      const seen = LOADS.map((): Seen => ({ rates: [], quiet: [], changing: [], applied: [] }));
      for (let round = 0; round < rounds; round++) {
        for (const [at, { rates, quiet, changing, applied }] of seen.entries()) {
          // Anew each time: the same rate is another load once the machine has changed its speed.
          const rate = Math.floor((await wrk({ port: gateway.port }, 2)).perSecond * LOADS[at]!);
          rates.push(rate);
          quiet.push((await Promise.all([atConstantRate(gateway, rate, seconds), changes(origin.port)]))[0]);
          const [load, perSecond] = await Promise.all([atConstantRate(gateway, rate, seconds), changes()]);
          changing.push(load);
          applied.push(perSecond);
        }
      }
      for (const [at, one] of seen.entries()) {
        rows.push(...rowsOf(`${routes.toLocaleString("en")} routes, load ${LOADS[at]! * 100} %`, one));
      }
    }
    const columns = ["milliseconds", "requests/s", "changes/s", "p99 median", "min", "max", "longest", "p99 vs none"];
    const notes = [
      `One worker, embedded store, each change a write of its own through the Admin API; ${rounds} rounds of ${seconds} s, the gateway on one core, load, writer and origin on the other; of the load each connection sends at moments of its own. Without changes the writer writes to the origin.`,
    ];
    return { tables: [{ title: `Latency while routes change ${CHANGES} times a second`, columns, rows, notes }] };
  },
};

function rowsOf(name: string, { rates, quiet, changing, applied }: Seen): string[][] {
  const p99 = (list: readonly Latencies[]) => summarise(list.map((one) => one.p99));
  const longest = (list: readonly Latencies[]) => Math.max(...list.map((one) => one.max)).toFixed(1);
  const ratio = summarise(changing.map((one, round) => one.p99 / quiet[round]!.p99));
  const rate = percentile(rates, 50).toFixed(0);
  const each = percentile(applied, 50).toFixed(0);
  return [
    [`${name}, no changes`, rate, "0", ...cells(p99(quiet), 2), longest(quiet), ""],
    [`${name}, changing`, rate, each, ...cells(p99(changing), 2), longest(changing), ratioCell(ratio)],
  ];
}

const served = (port: number): object => ({
  uri: "/",
  upstream: { type: "roundrobin", nodes: { [`127.0.0.1:${port}`]: 1 } },
});
