import type { Gateway } from "../harness/gateway.ts";
import { stop } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells } from "../harness/table.ts";

const NO_ORIGIN = 9;
const WORKERS = 2;

/** A route that is served by nobody, in its `version`. */
const route = (id: string, version: number): object => ({
  uri: `/live/${id}/${version}`,
  upstream: { type: "roundrobin", nodes: { [`127.0.0.1:${NO_ORIGIN}`]: 1 } },
});

/** A write through the Admin API: how long it takes to be answered, and then to be live on every worker. */
export const live: Measurement = {
  name: "live",
  tools: [],
  async run(stage) {
    const writes = stage.extent.full ? 1_000 : 200;
    const rows: string[][] = [];
    const medians: number[] = [];
    for (const routes of [1, 5_000]) {
      const gateway = await stage.turnpike({ workers: WORKERS, provider: "embedded", standalone: "" });
      await fill(gateway, routes);
      const answered: number[] = [];
      const applied: number[] = [];
      for (let version = 1; version <= writes; version++) {
        const startedAt = performance.now();
        const revision = await gateway.admin("routes/0", route("0", version));
        const answeredAt = performance.now();
        await gateway.applied(revision);
        answered.push(answeredAt - startedAt);
        applied.push(performance.now() - answeredAt);
      }
      await stop(gateway.child);
      medians.push(percentile(applied, 50));
      const name = routes === 1 ? "1 route" : `${routes.toLocaleString("en")} routes`;
      rows.push([name, String(writes), ...cells(summarise(answered), 1), ...cells(summarise(applied), 1)]);
    }
    const budget = "budget 10";
    return {
      headline: `From the Admin API's answer to live on ${WORKERS} workers: ${medians.map((ms) => ms.toFixed(1)).join(" and ")} ms (median; ${budget})`,
      tables: [
        {
          title: `One write through the Admin API, embedded store, ${WORKERS} workers`,
          columns: [
            "milliseconds",
            "writes",
            "to the answer, median",
            "min",
            "max",
            "from there to live on every worker, median",
            "min",
            "max",
          ],
          rows,
          notes: ["Live: the barrier of the Status API has answered, asked on a connection of its own."],
        },
      ],
    };
  },
};

/** Writes routes 0 … count − 1, some at once. */
async function fill(gateway: Gateway, count: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await gateway.admin(`routes/${i}`, route(String(i), 0));
  };
  await Promise.all(Array.from({ length: 32 }, () => lane()));
}
