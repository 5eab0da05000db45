// `npm run bench`: what Turnpike costs, beside nginx and HAProxy, as tables in Markdown.
// A short version of everything takes some minutes; `--help` names the options.
import { parseArgs } from "node:util";
import { cleanUpAtExit, isInterrupted, stopAll } from "./harness/processes.ts";
import { type Extent, type Measurement, Stage } from "./harness/stage.ts";
import { formatTable } from "./harness/table.ts";
import { describeRun, packages, pathOf } from "./harness/tools.ts";
import { body100k } from "./measure/body-100k.ts";
import { body1g } from "./measure/body-1g.ts";
import { change } from "./measure/change.ts";
import { churn } from "./measure/churn.ts";
import { coldStart } from "./measure/cold-start.ts";
import { latency } from "./measure/latency.ts";
import { live } from "./measure/live.ts";
import { match } from "./measure/match.ts";
import { memory } from "./measure/memory.ts";
import { pages } from "./measure/pages.ts";
import { plain } from "./measure/plain.ts";
import { pluginsMeasurement } from "./measure/plugins.ts";
import { probeMeasurement } from "./measure/probe.ts";
import { routes } from "./measure/routes.ts";
import { varying } from "./measure/varying.ts";

/** In this order; the first is the one that is quoted most. */
const measurements: readonly Measurement[] = [
  plain,
  varying,
  pluginsMeasurement,
  body100k,
  body1g,
  latency,
  memory,
  probeMeasurement,
  pages,
  coldStart,
  live,
  change,
  churn,
  routes,
  match,
];

const usage = `npm run bench -- [options]
  --only NAME,…   ${measurements.map(({ name }) => name).join(", ")}
  --pairs N       rounds of alternating runs (default 7)
  --seconds N     length of one run (default 2)
  --full          a million requests, a hundred changes in every case, more starts`;

/** What to measure and how much of it; `null` where the command line makes no sense. */
function readOptions(): { readonly chosen: readonly Measurement[]; readonly extent: Extent } | null {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      pairs: { type: "string", default: "7" },
      seconds: { type: "string", default: "2" },
      full: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const wanted = values.only?.split(",");
  const unknown = wanted?.filter((name) => !measurements.some((measurement) => measurement.name === name)) ?? [];
  const extent = { pairs: Number(values.pairs), seconds: Number(values.seconds), full: values.full };
  if (unknown.length > 0) console.error(`bench: unknown measurement ${unknown.join(", ")}`);
  const valid = [extent.pairs, extent.seconds].every((count) => Number.isInteger(count) && count >= 1);
  if (!valid) console.error("bench: --pairs and --seconds expect whole numbers from 1");
  if (unknown.length > 0 || !valid || values.help) return null;
  return { chosen: measurements.filter(({ name }) => wanted?.includes(name) ?? true), extent };
}

/** Runs one measurement; whether it came to an end. */
async function perform(measurement: Measurement, extent: Extent, place: string): Promise<boolean> {
  const missing = [...measurement.tools, "taskset" as const, "setpriv" as const].filter(
    (tool) => pathOf(tool) === null,
  );
  if (missing.length > 0) {
    const names = [...new Set(missing.map((tool) => packages[tool]))];
    console.error(
      `${measurement.name}: not measured, missing ${missing.join(", ")} (Debian: apt-get install ${names.join(" ")})`,
    );
    return false;
  }
  console.error(`${place} measuring ${measurement.name}`);
  try {
    const { headline, tables } = await measurement.run(new Stage(extent));
    if (headline !== undefined) console.log(`${headline}\n`);
    for (const table of tables) console.log(`${formatTable(table)}\n`);
    return true;
  } catch (error) {
    if (isInterrupted()) return false;
    console.error(`${measurement.name}: failed: ${error instanceof Error ? error.stack : String(error)}`);
    return false;
  } finally {
    await stopAll();
  }
}

cleanUpAtExit();
const options = readOptions();
if (options === null) {
  console.error(usage);
  process.exitCode = 64;
} else {
  const { chosen, extent } = options;
  let complete = true;
  for (const [i, measurement] of chosen.entries()) {
    if (isInterrupted()) break;
    complete = (await perform(measurement, extent, `[${i + 1}/${chosen.length}]`)) && complete;
  }
  console.log(
    `${describeRun()}. ${extent.pairs} rounds of ${extent.seconds} s, wrk -t1 -c64; the proxy on one core, load and origin ` +
      "on the other. CPU is user and system time of all threads; ratios are medians over rounds (min–max).",
  );
  if (!complete) process.exitCode = 1;
}
