import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOAD_CORE, type Program, run } from "./processes.ts";
import { percentile } from "./statistics.ts";
import { need } from "./tools.ts";

/** What a run of the load saw, in milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Answers per second, which must be near the rate asked for. */
  readonly answered: number;
}

/** Connections of the load; each sends at its share of the rate. */
export const CLIENTS = 64;
/** What comes first is not counted: connections are opened, code is optimised. */
export const WARM_SECONDS = 1;

/** Sends `rate` requests a second for `seconds`, over HTTP/1.1; throws where one fails. */
export async function atConstantRate(program: Program, rate: number, seconds: number): Promise<Latencies> {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-latency-"));
  const file = join(directory, "requests.log");
  try {
    const load = ["--h1", "-t1", `-c${CLIENTS}`, `--rps=${(rate / CLIENTS).toFixed(1)}`];
    const extent = ["-D", String(seconds), `--warm-up-time=${WARM_SECONDS}`, `--log-file=${file}`];
    await run(LOAD_CORE, [need("h2load"), ...load, ...extent, `http://127.0.0.1:${program.port}/`]);
    return latenciesOf(readFileSync(file, "utf8"), program.name, seconds);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Each line of the log: when it was sent, the status, how long it took; times in microseconds. */
function latenciesOf(log: string, name: string, seconds: number): Latencies {
  const rows = log
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  const failed = rows.filter(([, status]) => status !== "200").length;
  if (failed > 0) throw new Error(`${name}: ${failed} failed requests`);
  const times = rows.map(([, , time]) => Number(time) / 1_000);
  return {
    p50: percentile(times, 50),
    p99: percentile(times, 99),
    max: percentile(times, 100),
    answered: rows.length / seconds,
  };
}
