import { type Gateway } from "../harness/gateway.ts";
import { MANY, manyRoutes } from "../harness/many-routes.ts";
import { stop } from "../harness/processes.ts";
import type { Measurement } from "../harness/stage.ts";
import { percentile, summarise } from "../harness/statistics.ts";
import { cells } from "../harness/table.ts";

const NO_ORIGIN = 9;
const WORKERS = 2;

interface Times {
  /** From the file's replacement until the barrier says that every worker has it. */
  readonly live: readonly number[];
  /** From control's acceptance until the last worker had it, as the journal tells. */
  readonly applied: readonly number[];
}

/** One changed route: how long until every worker serves it. */
export const change: Measurement = {
  name: "change",
  tools: [],
  async run(stage) {
    const few = stage.extent.full ? 100 : 10;
    const cases = [
      { name: "1 route, YAML", provider: "yaml", count: 1, changes: 100 },
      { name: "50,000 routes, YAML", provider: "yaml", count: MANY, changes: few },
      { name: "50,000 routes, JSON", provider: "json", count: MANY, changes: few },
    ] as const;
    const rows: string[][] = [];
    for (const { name, provider, count, changes } of cases) {
      const document = (version: number): string => manyRoutes(provider, NO_ORIGIN, count, version);
      const gateway = await stage.turnpike({ workers: WORKERS, provider, standalone: document(0) });
      const { live, applied } = await timeChanges(gateway, document, changes);
      await stop(gateway.child);
      const inside = applied.length === 0 ? "" : percentile(applied, 50).toFixed(0);
      rows.push([name, String(changes), ...cells(summarise(live), 0), inside]);
    }
    return {
      tables: [
        {
          title: `One changed route until ${WORKERS} workers have applied it`,
          columns: ["milliseconds", "changes", "median", "min", "max", "accepted to applied, median"],
          rows,
          notes: [
            "From the replacement of the standalone file, through the barrier of the Status API. A file is read again whole, 20 ms after it was changed; the last column leaves reading, parsing and comparing out.",
          ],
        },
      ],
    };
  },
};

async function timeChanges(gateway: Gateway, document: (version: number) => string, changes: number): Promise<Times> {
  const live: number[] = [];
  let revision = await gateway.revision();
  for (let version = 1; version <= changes; version++) {
    const text = document(version);
    const startedAt = performance.now();
    gateway.write(text);
    await gateway.applied(++revision);
    live.push(performance.now() - startedAt);
  }
  const { events } = (await gateway.details("/status/events")) as {
    readonly events: readonly Readonly<Record<string, unknown>>[];
  };
  const applications = events.filter(({ type, from_revision: from }) => type === "config-applied" && Number(from) > 0);
  return { live, applied: applications.map((event) => Number(event.duration_ms)) };
}
