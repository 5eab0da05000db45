import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOAD_CORE, type Program, run } from "./processes.ts";
import { percentile } from "./statistics.ts";
import { need } from "./tools.ts";

/** What a run of the load saw, in milliseconds. */
export interface Latencies {
  /** Of each request. */
  readonly all: readonly number[];
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Answers per second, which must be near the rate asked for. */
  readonly answered: number;
}

/** Connections of the load; each sends at its share of the rate. */
export const CLIENTS = 64;
/**
 * Time from one connection to the next. h2load's clocks tick every 10 ms, and connections
 * that are opened together would send all together, for ever; so their ticks differ.
 */
const APART_MS = 7;
/** What comes first is not counted: connections are opened, code is optimised. */
export const WARM_SECONDS = 1;
/** What is sent after the time that counts, while the connections end as they began. */
const TAIL_SECONDS = 0.2;

/**
 * Sends `rate` requests a second for `seconds`, over HTTP/1.1, from connections that do not
 * act in step; throws where a request fails.
 */
export async function atConstantRate(program: Program, rate: number, seconds: number): Promise<Latencies> {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-latency-"));
  const file = join(directory, "requests.log");
  try {
    const load = ["--h1", "-t1", `-c${CLIENTS}`, `--rps=${(rate / CLIENTS).toFixed(1)}`];
    const each = Math.ceil((rate / CLIENTS) * (WARM_SECONDS + seconds + TAIL_SECONDS));
    const extent = ["-n", String(each * CLIENTS), "-r1", `--rate-period=${APART_MS}ms`, `--log-file=${file}`];
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
  const startedAt = Number(rows[0]?.[0]);
  const from = startedAt + WARM_SECONDS * 1_000_000;
  const counted = rows.filter(([at]) => Number(at) >= from && Number(at) < from + seconds * 1_000_000);
  const times = counted.map(([, , time]) => Number(time) / 1_000);
  return {
    all: times,
    p50: percentile(times, 50),
    p99: percentile(times, 99),
    max: percentile(times, 100),
    answered: counted.length / seconds,
  };
}
