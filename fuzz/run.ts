import { parseArgs } from "node:util";
import { Campaign, type Finding } from "./campaign.ts";
import { Differential, reportLines } from "./differential.ts";

/**
 * `npm run fuzz`: as long as wanted.
 *
 *   --minutes N         hostile streams through the gateway for N minutes (default 1)
 *   --differential N    compares our readers with llhttp and node:http over N messages
 *   --run R             another run: other seeds (default: from the clock)
 *   --seed S            checks the streams of one seed again
 *
 * Exits with 1 on a finding, which is printed with its seed.
 */

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    differential: { type: "string" },
    run: { type: "string" },
    seed: { type: "string" },
  },
});

function number(name: "minutes" | "differential" | "run" | "seed", otherwise: number): number {
  const text = values[name];
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value >= 0) return value;
  console.error(`--${name}: ${JSON.stringify(text)} is not a number from 0 on`);
  process.exit(2);
}

/** Streams that `node:http` reads too are one in so many: it is slower. */
const NODE_EVERY = 4;

async function differential(messages: number, run: number): Promise<boolean> {
  const differential = new Differential();
  // An index is a stream of requests and a stream of responses.
  for (let index = 0; index * 2 < messages; index++) {
    await differential.compare(run, index, index % NODE_EVERY === 0);
  }
  console.log(`run ${run}\n${reportLines(differential.report).join("\n")}`);
  return differential.report.unexplained.length === 0;
}

function print(finding: Finding): void {
  console.log(`finding, seed ${finding.seed}, ${finding.side}: ${finding.fault}`);
  console.log(`shortest stream that fails: ${JSON.stringify(finding.text)}`);
  console.log(`again: npm run fuzz -- --seed ${finding.seed}`);
}

async function campaign(minutes: number, run: number): Promise<boolean> {
  const campaign = await Campaign.start();
  const finding =
    values.seed === undefined
      ? await campaign.run(run, performance.now() + minutes * 60_000)
      : await campaign.check(number("seed", 0));
  if (finding === null) console.log(`run ${run}: ${campaign.streams} streams, nothing found`);
  else print(finding);
  await campaign.close();
  return finding === null;
}

const run = number("run", Date.now() % 1_000_000);
const fine =
  values.differential === undefined
    ? await campaign(number("minutes", 1), run)
    : await differential(number("differential", 0), run);
process.exit(fine ? 0 : 1);
