import { setTimeout } from "node:timers/promises";
import type { GatewayOptions } from "../harness/gateway.ts";
import { oneRoute } from "../harness/gateway.ts";
import { manyRoutes } from "../harness/many-routes.ts";
import { residentMegabytes, stop } from "../harness/processes.ts";
import type { Measurement, Stage } from "../harness/stage.ts";
import { summarise } from "../harness/statistics.ts";
import { cells } from "../harness/table.ts";

/** Nothing is proxied here: no origin is needed. */
const NO_ORIGIN = 9;
/** After readiness, until memory is read. */
const REST_MS = 500;

/** From the start of the command to the first 200 of `/status/ready`. */
export const coldStart: Measurement = {
  name: "start",
  tools: [],
  async run(stage) {
    const starts = stage.extent.full ? 10 : 3;
    const one = oneRoute(NO_ORIGIN);
    const yaml = manyRoutes("yaml", NO_ORIGIN);
    const json = manyRoutes("json", NO_ORIGIN);
    const cases: readonly (readonly [string, GatewayOptions])[] = [
      ["1 route, 1 worker", { workers: 1, standalone: one }],
      ["1 route, 2 workers", { workers: 2, standalone: one }],
      ["1 route, 16 workers", { workers: 16, standalone: one }],
      ["50,000 routes in YAML, 1 worker", { workers: 1, standalone: yaml }],
      ["50,000 routes in YAML, 2 workers", { workers: 2, standalone: yaml }],
      ["50,000 routes in JSON, 2 workers", { workers: 2, standalone: json, provider: "json" }],
    ];
    // The first start of a fresh clone also fills the compile cache; it is not counted.
    await startOnce(stage, { workers: 1, standalone: one });
    const rows: string[][] = [];
    for (const [name, options] of cases) {
      const results = [];
      for (let i = 0; i < starts; i++) results.push(await startOnce(stage, options));
      const times = summarise(results.map(({ ms }) => ms));
      rows.push([name, ...cells(times, 0), summarise(results.map(({ rss }) => rss)).median.toFixed(0)]);
    }
    return {
      tables: [
        {
          title: "From start to ready",
          columns: ["milliseconds", "median", "min", "max", "RSS then, MB"],
          rows,
          notes: [`${starts} starts each, on all cores.`],
        },
      ],
    };
  },
};

async function startOnce(
  stage: Stage,
  options: GatewayOptions,
): Promise<{ readonly ms: number; readonly rss: number }> {
  const startedAt = performance.now();
  const gateway = await stage.launchTurnpike(options);
  await gateway.ready();
  const ms = performance.now() - startedAt;
  await setTimeout(REST_MS);
  const rss = residentMegabytes(gateway.pid);
  await stop(gateway.child);
  return { ms, rss };
}
