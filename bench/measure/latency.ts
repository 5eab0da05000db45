import { oneRoute } from "../harness/gateway.ts";
import { LOAD_CORE, type Program, PROXY_CORE, run } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells, ratioCell } from "../harness/table.ts";
import { node, root } from "../harness/tools.ts";
import { wrk } from "../harness/wrk.ts";

/** What the open-loop client prints. */
interface Latencies {
  readonly sent: number;
  readonly unsent: number;
  readonly failed: number;
  readonly answered: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How much of what the slower of the two can do. */
const LOAD = 0.7;

/** Latency under a constant rate of requests, 70 % of what `wrk` gets through the slower of the two. */
export const latency: Measurement = {
  name: "latency",
  tools: ["nginx", "wrk"],
  async run(stage) {
    const { seconds, pairs, full } = stage.extent;
    const origin = await stage.origin();
    const nginx = await stage.nginx(origin);
    const turnpike = await stage.turnpike({ core: PROXY_CORE, standalone: oneRoute(origin.port) });
    const saturation = Math.min(await saturationOf(nginx, seconds), await saturationOf(turnpike, seconds));
    const rate = Math.floor(saturation * LOAD);
    const programs = [nginx, turnpike, origin];
    const rounds: Latencies[][] = [];
    for (let round = 0; round < (full ? pairs : Math.min(pairs, 3)); round++) {
      const samples: Latencies[] = [];
      for (const program of programs) samples.push(await measure(program, rate, seconds));
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
      return [name, p50.toFixed(2), ...cells(p99, 2), longest.toFixed(1), i === 1 ? ratioCell(ratio) : ""];
    };
    const answered = percentile(
      rounds.flat().map(({ answered }) => answered / seconds),
      50,
    );
    const unsent = rounds.flat().reduce((sum, sample) => sum + sample.unsent, 0);
    return {
      tables: [
        {
          title: `Latency at ${Math.round(LOAD * 100)} % of saturation, ${rate} requests/s`,
          columns: ["milliseconds", "p50", "p99 median", "min", "max", "longest", "p99 vs nginx"],
          rows: [row("nginx", 0), row("Turnpike", 1), row("origin, no proxy", 2)],
          notes: [
            "Constant rate by an open-loop client (`bench/programs/open-loop.ts`), which shares its core with the origin; the last row is what client and origin add by themselves.",
            `It got ${Math.round(answered)} answers a second; ${unsent} requests were not sent for want of a connection.`,
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

async function measure(program: Program, rate: number, seconds: number): Promise<Latencies> {
  const client = [node, `${root}bench/programs/open-loop.ts`, String(program.port), String(rate), String(seconds)];
  const result = JSON.parse(await run(LOAD_CORE, client)) as Latencies;
  if (result.failed > 0) throw new Error(`${program.name}: ${result.failed} failed requests`);
  return result;
}
