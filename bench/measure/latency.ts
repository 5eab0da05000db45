import { atConstantRate, CLIENTS, type Latencies } from "../harness/constant-rate.ts";
import { oneRoute } from "../harness/gateway.ts";
import { type Program, PROXY_CORE } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells, ratioCell } from "../harness/table.ts";
import { wrk } from "../harness/wrk.ts";

/** How much of what the slower of the two can do. */
const LOAD = 0.7;

/** Latency under a constant rate of requests, 70 % of what `wrk` gets through the slower of the two. */
export const latency: Measurement = {
  name: "latency",
  tools: ["nginx", "haproxy", "wrk", "h2load"],
  async run(stage) {
    const { seconds, pairs } = stage.extent;
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const haproxy = await stage.haproxy(origin);
    const saturation = Math.min(await saturationOf(nginx, seconds), await saturationOf(turnpike, seconds));
    const rate = Math.floor(saturation * LOAD);
    const programs = [nginx, turnpike, haproxy, origin];
    const rounds: Latencies[][] = [];
    for (let round = 0; round < pairs; round++) {
      const samples: Latencies[] = [];
      const order = programs.map((_, i) => i);
      if (round % 2 === 1) order.reverse();
      for (const i of order) samples[i] = await atConstantRate(programs[i]!, rate, seconds);
      rounds.push(samples);
    }
    const row = (name: string, i: number): string[] => {
      const p99 = summarise(rounds.map((samples) => samples[i]!.p99));
      const p50 = percentile(
        rounds.map((samples) => samples[i]!.p50),
        50,
      );
      const longest = Math.max(...rounds.map((samples) => samples[i]!.max));
      const ratio = summarise(rounds.map((samples) => samples[i]!.p99 / samples[0]!.p99));
      return [name, p50.toFixed(2), ...cells(p99, 2), longest.toFixed(1), i === 1 || i === 2 ? ratioCell(ratio) : ""];
    };
    const answered = percentile(
      rounds.flat().map((sample) => sample.answered),
      50,
    );
    return {
      tables: [
        {
          title: `Latency at ${Math.round(LOAD * 100)} % of saturation, ${rate} requests/s`,
          columns: ["milliseconds", "p50", "p99 median", "min", "max", "longest", "p99 vs nginx"],
          rows: [row("nginx", 0), row("Turnpike", 1), row("HAProxy", 2), row("origin, no proxy", 3)],
          notes: [
            `Constant rate by \`h2load --h1 --rps\` over ${CLIENTS} connections, each of which sends at moments of its own; load and origin share a core, and the last row is what they add by themselves.`,
            `It got ${Math.round(answered)} answers a second.`,
          ],
        },
      ],
    };
  },
};

async function saturationOf(program: Program, seconds: number): Promise<number> {
  await wrk({ port: program.port }, 2);
  return (await wrk({ port: program.port }, seconds)).perSecond;
}
