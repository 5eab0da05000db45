import { atConstantRate, type Latencies, WARM_SECONDS } from "../harness/constant-rate.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import { PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { ratioCell } from "../harness/table.ts";
import { wrk } from "../harness/wrk.ts";

/** Writes a second. */
const CHANGES = 200;
/** Of what `wrk` gets through: with half of it, load and origin alone take nine tenths of their core. */
const LOADS = [0.35, 0.5];
const TABLES = [1_000, 50_000];
/**
 * Changes and some requests that come first, so that what both run is optimised. After some
 * 17,000 changes V8 optimises the last of control's functions, sixty of them in a few seconds;
 * and what it has optimised for the connections of one writer it does once more for those of
 * the next, so there are as many writers as will come later.
 */
const WARM_WRITERS = 12;
const WARM_WRITER_SECONDS = 5;
const WARM_CHANGES = 400;
const WARM_RATE = 3_000;
/** Short rounds, and more of them: a stall of the machine spoils the p99 of a whole round. */
const ROUND_SECONDS = 3;
const ROUNDS_PER_PAIR = 2;
/** Changing and not, in turns, until each has taken a minute, if all is to be measured fully. */
const FULL_SECONDS = 60;

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
    const seconds = ROUND_SECONDS;
    const rounds = Math.max(stage.extent.pairs * ROUNDS_PER_PAIR, stage.extent.full ? FULL_SECONDS / seconds : 0);
    const origin = await stage.origin();
    const rows: string[][] = [];
    for (const routes of TABLES) {
      const standalone = manyRoutes("json", origin.port, routes);
      const gateway = await stage.turnpike({ core: PROXY_CORE, workers: 1, provider: "embedded", standalone });
      await gateway.applied(await gateway.admin("routes/served", served(origin.port)));
      await wrk({ port: gateway.port }, 2);
      const changes = (port?: number): Promise<number> => gateway.change(routes, CHANGES, seconds + WARM_SECONDS, port);
      for (let writer = 0; writer < WARM_WRITERS; writer++) {
        const some = atConstantRate(gateway, WARM_RATE, WARM_WRITER_SECONDS);
        await Promise.all([some, gateway.change(routes, WARM_CHANGES, WARM_WRITER_SECONDS)]);
      }
      const seen = LOADS.map((): Seen => ({ rates: [], quiet: [], changing: [], applied: [] }));
      for (let round = 0; round < rounds; round++) {
        // Anew each time: the same rate is another load once the machine has changed its speed.
        const { perSecond: most } = await wrk({ port: gateway.port }, 2);
        for (const [at, { rates, quiet, changing, applied }] of seen.entries()) {
          const rate = Math.floor(most * LOADS[at]!);
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
    const columns = [
      "milliseconds",
      "requests/s",
      "changes/s",
      "p50",
      "p90",
      "p99",
      "longest",
      "p99 vs none",
      "by rounds",
    ];
    const notes = [
      `After ${(WARM_WRITERS * WARM_WRITER_SECONDS * WARM_CHANGES).toLocaleString("en")} changes. One worker, embedded store, each change a write of its own through the Admin API; ${rounds} times ${seconds} s without and with changes in turns, all requests together and the ratios of each round; the gateway on one core, load, writer and origin on the other; of the load each connection sends at moments of its own. Without changes the writer writes to the origin.`,
    ];
    return { tables: [{ title: `Latency while routes change ${CHANGES} times a second`, columns, rows, notes }] };
  },
};

function rowsOf(name: string, { rates, quiet, changing, applied }: Seen): string[][] {
  const rate = percentile(rates, 50).toFixed(0);
  const each = percentile(applied, 50).toFixed(0);
  const without = together(quiet);
  const during = together(changing);
  const rounds = summarise(changing.map((one, round) => one.p99 / quiet[round]!.p99));
  return [
    [`${name}, no changes`, rate, "0", ...without.map((value) => value.toFixed(2)), "", ""],
    [
      `${name}, changing`,
      rate,
      each,
      ...during.map((value) => value.toFixed(2)),
      (during[P99]! / without[P99]!).toFixed(2),
      ratioCell(rounds),
    ],
  ];
}

const SHOWN = [50, 90, 99, 100];
const P99 = SHOWN.indexOf(99);

/** Percentiles of all requests of all rounds. */
function together(rounds: readonly Latencies[]): number[] {
  const all = rounds.flatMap((one) => one.all);
  return SHOWN.map((percent) => percentile(all, percent));
}

const served = (port: number): object => ({
  uri: "/",
  upstream: { type: "roundrobin", nodes: { [`127.0.0.1:${port}`]: 1 } },
});
