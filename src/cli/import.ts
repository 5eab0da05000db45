import { existsSync } from "node:fs";
import { reasonOf, TurnpikeError } from "../lib/errors.ts";
import { loadSettings } from "../settings/load.ts";
import { formatFinding, type Settings } from "../settings/settings.ts";
import type { Repository } from "../source/repository.ts";
import type { ImportPlan, PlannedChange } from "../store/import-plan.ts";
import { runningPid } from "../supervisor/pid-file.ts";
import type { Place } from "../supervisor/run.ts";
import { openConfiguredStore } from "./configured-store.ts";
import { ExitCode } from "./exit-codes.ts";
import { explainFailure, plannerOf, readImportFile, writeAtOnce, type Done, type Planner } from "./import-file.ts";
import { processTerminal, type Terminal } from "./status-client.ts";

export interface ImportOptions {
  readonly place: Place;
  /** A standalone file, YAML unless it ends in .json. */
  readonly file: string;
  readonly mode: "merge" | "replace";
  readonly dryRun: boolean;
}

/**
 * `turnpike import`: puts a standalone file into the configured store. All of it is checked
 * first. Into the embedded store it goes in one transaction, also beside a running gateway,
 * which takes it over by itself; into etcd one key after another, each only where nobody
 * else has written it meanwhile.
 */
export async function importCommand(options: ImportOptions, terminal: Terminal = processTerminal): Promise<ExitCode> {
  const { settings, findings } = loadSettings(options.place);
  if (settings === null) {
    for (const finding of findings) terminal.err(formatFinding(finding));
    return ExitCode.failed;
  }
  try {
    const planner = await plannerOf(readImportFile(options.file), options.mode, settings);
    const { plan, revision } = await (options.dryRun ? tryOut(settings, planner) : write(settings, planner));
    report(plan, revision, options.dryRun, terminal);
    if (!options.dryRun && plan.changes.length > 0 && runningPid(options.place.prefix) !== null) {
      terminal.out(`turnpike: \`turnpike wait --revision ${revision}\` returns when that is live`);
    }
    return ExitCode.ok;
  } catch (error) {
    explainFailure(error, terminal);
    return ExitCode.failed;
  }
}

/** Only reads; a store that does not exist yet is not created. */
async function tryOut(settings: Settings, planner: Planner): Promise<Done> {
  const { source } = settings;
  if (source.kind === "embedded" && !existsSync(source.file)) return { plan: planner([]), revision: 0 };
  const store = openConfiguredStore(settings, "read");
  try {
    const { revision, values } = await store.repository.list("");
    return { plan: planner(values), revision };
  } finally {
    await store.close();
  }
}

async function write(settings: Settings, planner: Planner): Promise<Done> {
  const store = openConfiguredStore(settings, "shared");
  try {
    const { embedded, repository } = store;
    return await (embedded === null ? writeEach(repository, planner) : writeAtOnce(embedded, planner));
  } finally {
    await store.close();
  }
}

async function writeEach(repository: Repository, planner: Planner): Promise<Done> {
  const { revision: before, values } = await repository.list("");
  const plan = planner(values);
  let revision = before;
  for (const [index, change] of plan.changes.entries()) {
    const outcome = await writeOne(repository, change).catch((error: unknown) => reasonOf(error));
    if (typeof outcome === "object" && outcome.written) revision = outcome.revision;
    else
      throw stopped(
        change,
        index,
        plan,
        typeof outcome === "string" ? outcome : "somebody else has written it meanwhile",
      );
  }
  return { plan, revision };
}

function writeOne(repository: Repository, { key, text, ifRevision }: PlannedChange): ReturnType<Repository["put"]> {
  return text === null ? repository.delete(key, { ifRevision }) : repository.put(key, text, { ifRevision });
}

function stopped({ key }: PlannedChange, done: number, { changes }: ImportPlan, reason: string): TurnpikeError {
  const state = `${done} of ${changes.length} changes were written; import again to go on`;
  return new TurnpikeError("SOURCE_UNAVAILABLE", `${key}: ${reason}; ${state}`);
}

function report({ changes, unchanged }: ImportPlan, revision: number, dryRun: boolean, terminal: Terminal): void {
  for (const { what, key } of changes) terminal.out(`${what} ${key}`);
  const count = (what: PlannedChange["what"]): string =>
    `${changes.filter((change) => change.what === what).length} ${what}`;
  const sum = `${count("created")}, ${count("changed")}, ${count("deleted")}, ${unchanged} unchanged`;
  terminal.out(
    dryRun
      ? `turnpike: dry run, nothing was written: ${sum}`
      : `turnpike: ${sum}; the store is at its revision ${revision}`,
  );
}
