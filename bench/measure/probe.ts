import { setTimeout } from "node:timers/promises";
import { oneRoute } from "../harness/gateway.ts";
import { probeColumns, probeRow, probeTimes } from "../harness/probes.ts";
import type { Measurement } from "../harness/stage.ts";
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
    const idle = await probeTimes(turnpike.statusPort, PROBES, PAUSE_MS);
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
    const saturated = await probeTimes(turnpike.statusPort, PROBES, PAUSE_MS);
    loaded = false;
    const rate = await load;
    return {
      tables: [
        {
          title: "GET /status/ready, every probe on a connection of its own",
          columns: probeColumns,
          rows: [probeRow("idle", idle), probeRow("2 workers under wrk -c256", saturated)],
          notes: [
            `The workers answered ${Math.round(rate)} requests/s; they, the load, the origin and the prober shared all cores, so a probe also waits for its turn on a core.`,
          ],
        },
      ],
    };
  },
};
