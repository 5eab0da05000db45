import { get } from "node:http";
import { setTimeout } from "node:timers/promises";
import { oneRoute } from "../harness/gateway.ts";
import { probeColumns, probeRow, probeTimes } from "../harness/probes.ts";
import type { Measurement } from "../harness/stage.ts";

const PAGES = 200;
const ROUNDS = 4;
const PROBES = 500;
const PAUSE_MS = 4;

/** A page as a browser keeps it open: its stream of events and states. */
interface OpenPage {
  readonly bytes: number;
  close(): void;
}

/** `GET /status/ready` while many status pages are open: the probe must not wait for them. */
export const pages: Measurement = {
  name: "pages",
  tools: ["nginx"],
  async run(stage) {
    const origin = await stage.origin();
    const turnpike = await stage.turnpike({ workers: 2, standalone: oneRoute(origin.port) });
    const without: number[] = [];
    const beside: number[] = [];
    let rate = 0;
    // In turn, so that what else the machine does meets both alike.
    for (let round = 0; round < ROUNDS; round++) {
      without.push(...(await probeTimes(turnpike.statusPort, PROBES, PAUSE_MS)));
      const open = await Promise.all(Array.from({ length: PAGES }, async () => await openPage(turnpike.statusPort)));
      // What each page gets first is not what it gets while it stays.
      await setTimeout(1_000);
      const before = open.reduce((sum, page) => sum + page.bytes, 0);
      const startedAt = performance.now();
      beside.push(...(await probeTimes(turnpike.statusPort, PROBES, PAUSE_MS)));
      rate += (open.reduce((sum, page) => sum + page.bytes, 0) - before) / (performance.now() - startedAt) / ROUNDS;
      for (const page of open) page.close();
    }
    return {
      tables: [
        {
          title: "GET /status/ready beside open status pages, every probe on a connection of its own",
          columns: probeColumns,
          rows: [probeRow("no page", without), probeRow(`${PAGES} pages`, beside)],
          notes: [`All ${PAGES} pages together were sent ${Math.round(rate)} kB/s.`],
        },
      ],
    };
  },
};

/** Resolves with the page once its stream has begun. */
async function openPage(port: number): Promise<OpenPage> {
  return await new Promise((resolve, reject) => {
    const headers = { accept: "text/event-stream" };
    const request = get(
      { host: "127.0.0.1", port, path: "/status/events?state", headers, agent: false },
      (response) => {
        const page = { bytes: 0, close: () => void request.destroy() };
        if (response.statusCode !== 200) reject(new Error(`a page was refused with ${response.statusCode}`));
        response.on("error", () => undefined);
        response.on("data", (chunk: Buffer) => {
          page.bytes += chunk.length;
          resolve(page);
        });
      },
    );
    request.on("error", reject);
  });
}
