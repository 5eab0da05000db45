import { setTimeout } from "node:timers/promises";
import { oneRoute } from "../harness/gateway.ts";
import { residentMegabytes } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { wrk } from "../harness/wrk.ts";

/** Parts in which the requests are sent: growth must end, not just be small. */
const PARTS = 4;
/** After the start, until the process has come to rest. */
const REST_MS = 2_000;

/** Resident memory of two workers: idle, and after many requests. */
export const memory: Measurement = {
  name: "memory",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const wanted = stage.extent.full ? 1_000_000 : 200_000;
    const origin = await stage.origin();
    const turnpike = await stage.turnpike({ workers: 2, standalone: oneRoute(origin.port) });
    await setTimeout(REST_MS);
    const rows = [["idle", "0", residentMegabytes(turnpike.pid).toFixed(1)]];
    let requests = 0;
    for (let part = 1; part <= PARTS; part++) {
      while (requests < (wanted * part) / PARTS) {
        requests += (await wrk({ port: turnpike.port, core: null }, stage.extent.seconds)).requests;
      }
      await setTimeout(REST_MS);
      rows.push([`after ${part} of ${PARTS} parts`, String(requests), residentMegabytes(turnpike.pid).toFixed(1)]);
    }
    return { tables: [{ title: "Memory of two workers", columns: ["state", "requests so far", "RSS, MB"], rows }] };
  },
};
