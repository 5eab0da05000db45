import { cpuMicroseconds, type Program } from "./processes.ts";
import { type Summary, summarise } from "./statistics.ts";
import { cells, ratioCell, type Table } from "./table.ts";
import { wrk, type WrkLoad } from "./wrk.ts";

/** Requests before anything is measured, and the time after which that is given up. */
const WARM_REQUESTS = 40_000;
const WARM_MS = 10_000;

/** One of the programs that are compared, and what it is asked. */
export interface Contender {
  readonly program: Program;
  /** What to call it in the table. */
  readonly name?: string;
  readonly load?: Omit<WrkLoad, "port">;
}

/** One run of one contender. */
export interface Sample {
  /** User and system time of all its threads per request, microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
}

/** All runs of all contenders; a round holds one of each, taken one right after the other. */
export interface Comparison {
  readonly contenders: readonly Contender[];
  readonly rounds: readonly (readonly Sample[])[];
}

/**
 * Measures the contenders in alternation, the order turned around in each round, so
 * that what the machine does otherwise meets all of them alike.
 */
export async function compare(
  contenders: readonly Contender[],
  { pairs, seconds }: { readonly pairs: number; readonly seconds: number },
): Promise<Comparison> {
  for (const contender of contenders) await warmUp(contender);
  const rounds: Sample[][] = [];
  for (let round = 0; round < pairs; round++) {
    const order = contenders.map((_, i) => i);
    if (round % 2 === 1) order.reverse();
    const samples: Sample[] = [];
    for (const i of order) samples[i] = await sample(contenders[i]!, seconds);
    rounds.push(samples);
  }
  return { contenders, rounds };
}

/** Until connections are open, code is optimised and whatever is made on first use has been made. */
async function warmUp({ program, load }: Contender): Promise<void> {
  const deadline = performance.now() + WARM_MS;
  let requests = 0;
  while (requests < WARM_REQUESTS && performance.now() < deadline) {
    requests += (await wrk({ ...load, port: program.port }, 2)).requests;
  }
}

async function sample({ program, load }: Contender, seconds: number): Promise<Sample> {
  const before = cpuMicroseconds(program.pid);
  const { requests, perSecond } = await wrk({ ...load, port: program.port }, seconds);
  return { cpu: (cpuMicroseconds(program.pid) - before) / requests, perSecond };
}

/** CPU per request of one contender over another's of the same round. */
export function ratio({ rounds }: Comparison, index: number, to = 0): Summary {
  return summarise(rounds.map((samples) => samples[index]!.cpu / samples[to]!.cpu));
}

/** Median, min and max of each contender, and its ratio to each of the `references`. */
export function comparisonTable(
  title: string,
  comparison: Comparison,
  {
    references = [0],
    notes = [],
  }: { readonly references?: readonly number[]; readonly notes?: readonly string[] } = {},
): Table {
  const { contenders, rounds } = comparison;
  const names = contenders.map(({ program, name }) => name ?? program.name);
  const rows = names.map((name, i) => {
    const cpu = summarise(rounds.map((samples) => samples[i]!.cpu));
    const rate = summarise(rounds.map((samples) => samples[i]!.perSecond)).median;
    const ratios = references.map((to) => (to === i ? "" : ratioCell(ratio(comparison, i, to))));
    return [name, ...cells(cpu, 1), String(Math.round(rate)), ...ratios];
  });
  const against = references.map((to) => `vs ${names[to]}`);
  return { title, columns: ["CPU µs/request", "median", "min", "max", "requests/s", ...against], rows, notes };
}
