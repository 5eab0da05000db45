import { setTimeout } from "node:timers/promises";
import { oneRoute, probe } from "../harness/gateway.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile } from "../harness/statistics.ts";
import { wrk } from "../harness/wrk.ts";

const PROBES = 1_000;
const PAUSE_MS = 5;

/** `GET /status/ready` while every worker is saturated: the probe must not wait for traffic. */
export const probeMeasurement: Measurement = {
  name: "probe",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const origin = await stage.origin();
    const turnpike = await stage.turnpike({ workers: 2, standalone: oneRoute(origin.port) });
    const idle = await probes(turnpike.statusPort);
    let loaded = true;
    const load = (async () => {
      let requests = 0;
      let seconds = 0;
      while (loaded) {
        requests += (await wrk({ port: turnpike.port, connections: 256, core: null }, 2)).requests;
        seconds += 2;
      }
      return requests / seconds;
    })();
    // wrk opens its connections first.
    await setTimeout(500);
    const saturated = await probes(turnpike.statusPort);
    loaded = false;
    const rate = await load;
    const row = (name: string, times: readonly number[]): string[] => [
      name,
      String(times.length),
      ...[50, 99, 100].map((percent) => percentile(times, percent).toFixed(2)),
    ];
    return {
      tables: [
        {
          title: "GET /status/ready, every probe on a connection of its own",
          columns: ["milliseconds", "probes", "p50", "p99", "longest"],
          rows: [row("idle", idle), row("2 workers under wrk -c256", saturated)],
          notes: [
            `The workers answered ${Math.round(rate)} requests/s; they, the load, the origin and the prober shared all cores, so a probe also waits for its turn on a core.`,
          ],
        },
      ],
    };
  },
};

/** Milliseconds of each probe; throws where one is not 200. */
async function probes(port: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < PROBES) {
    const { status, ms } = await probe(port);
    if (status !== 200) throw new Error(`a probe was answered with ${status}`);
    times.push(ms);
    await setTimeout(PAUSE_MS);
  }
  return times;
}
