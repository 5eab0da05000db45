import { setTimeout } from "node:timers/promises";
import { probe } from "./gateway.ts";
import { percentile } from "./statistics.ts";

/** Milliseconds of `count` probes of `/status/ready`, a pause after each; throws where one is not 200. */
export async function probeTimes(port: number, count: number, pauseMs: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const { status, ms } = await probe(port);
    if (status !== 200) throw new Error(`a probe was answered with ${status}`);
    times.push(ms);
    await setTimeout(pauseMs);
  }
  return times;
}

export const probeColumns = ["milliseconds", "probes", "p50", "p99", "longest"];

/** A row under `probeColumns`. */
export function probeRow(name: string, times: readonly number[]): string[] {
  return [name, String(times.length), ...[50, 99, 100].map((percent) => percentile(times, percent).toFixed(2))];
}
