import { atConstantRate, type Latencies, WARM_SECONDS } from "../harness/constant-rate.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import { PROXY_CORE } from "../harness/processes.ts";
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
    const seconds = stage.extent.full ? 60 : 5;
    const rounds = stage.extent.pairs;
    const origin = await stage.origin();
    const rows: string[][] = [];
    for (const routes of TABLES) {
      const standalone = manyRoutes("json", origin.port, routes);
      const gateway = await stage.turnpike({ core: PROXY_CORE, workers: 1, provider: "embedded", standalone });
      await gateway.applied(await gateway.admin("routes/served", served(origin.port)));
      await wrk({ port: gateway.port }, 2);
      const rates: number[] = [];
      const quiet: Latencies[] = [];
      const changing: Latencies[] = [];
      const applied: number[] = [];
      for (let round = 0; round < rounds; round++) {
        // Anew each time: the same rate is another load once the machine has changed its speed.
        const rate = Math.floor((await wrk({ port: gateway.port }, 2)).perSecond * LOAD);
        rates.push(rate);
        quiet.push(await atConstantRate(gateway, rate, seconds));
        const [load, perSecond] = await Promise.all([
          atConstantRate(gateway, rate, seconds),
          gateway.change(routes, CHANGES, seconds + WARM_SECONDS),
        ]);
        changing.push(load);
        applied.push(perSecond);
      }
      const name = `${routes.toLocaleString("en")} routes`;
      const p99 = (list: readonly Latencies[]) => summarise(list.map((one) => one.p99));
      const ratio = summarise(changing.map((one, i) => one.p99 / quiet[i]!.p99));
      const longest = (list: readonly Latencies[]) => Math.max(...list.map((one) => one.max)).toFixed(1);
      const rate = percentile(rates, 50).toFixed(0);
      rows.push([`${name}, no changes`, rate, "0", ...cells(p99(quiet), 2), longest(quiet), ""]);
      const each = percentile(applied, 50).toFixed(0);
      rows.push([`${name}, changing`, rate, each, ...cells(p99(changing), 2), longest(changing), ratioCell(ratio)]); // prettier-ignore
    }
    const columns = ["milliseconds", "requests/s", "changes/s", "p99 median", "min", "max", "longest", "p99 vs none"];
    const notes = [
      `One worker, embedded store, each change a write of its own through the Admin API; ${rounds} rounds of ${seconds} s, the gateway on one core, load, writer and origin on the other; of the load each connection sends at moments of its own.`,
    ];
    return { tables: [{ title: `Latency while routes change ${CHANGES} times a second`, columns, rows, notes }] };
  },
};

const served = (port: number): object => ({
  uri: "/",
  upstream: { type: "roundrobin", nodes: { [`127.0.0.1:${port}`]: 1 } },
});
