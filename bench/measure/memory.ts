import { setTimeout } from "node:timers/promises";
import { oneRoute } from "../harness/gateway.ts";
import { residentMegabytesOfAll } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { wrk } from "../harness/wrk.ts";

/** Parts in which the requests are sent: growth must end, not just be small. */
const PARTS = 4;
/** After the start, until the process has come to rest. */
const REST_MS = 2_000;

/** Resident memory, of the gateway with two workers: idle, and after many requests; the peers' beside it. */
export const memory: Measurement = {
  name: "memory",
  tools: ["nginx", "haproxy", "wrk"],
  async run(stage) {
    const wanted = stage.extent.full ? 1_000_000 : 200_000;
    const origin = await stage.origin();
    const turnpike = await stage.turnpike({ workers: 2, standalone: oneRoute(origin.port) });
    const programs = [turnpike, await stage.nginx(origin), await stage.haproxy(origin)];
    await setTimeout(REST_MS);
    const cells = (): string[] => programs.map(({ pid }) => residentMegabytesOfAll(pid).toFixed(1));
    const rows = [["idle", "0", ...cells()]];
    for (let part = 1; part <= PARTS; part++) {
      for (const { port } of programs) {
        let requests = 0;
        while (requests < wanted / PARTS) requests += (await wrk({ port, core: null }, stage.extent.seconds)).requests;
      }
      await setTimeout(REST_MS);
      rows.push([`after ${part} of ${PARTS} parts`, String((wanted * part) / PARTS), ...cells()]);
    }
    const columns = ["resident, MB", "requests each, at least", "Turnpike, 2 workers", "nginx", "HAProxy"];
    return { tables: [{ title: "Memory", columns, rows }] };
  },
};
