import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { resourceCheckFor } from "../control/resource-check.ts";
import { reasonOf, TurnpikeError } from "../lib/errors.ts";
import { formatFinding, type Finding, type Settings } from "../settings/settings.ts";
import type { EmbeddedStore } from "../source/embedded/embedded-store.ts";
import type { StoredValue } from "../source/repository.ts";
import { planImport, type ImportFile, type ImportOptions, type ImportPlan } from "../store/import-plan.ts";
import { buildStoreCipher } from "./configured-store.ts";
import { loadUserPlugins } from "./user-plugins.ts";
import type { Terminal } from "./status-client.ts";

/** Makes the plan from what is stored; throws where the file is wrong. */
export type Planner = (stored: readonly StoredValue[]) => ImportPlan;

/** The file is wrong: nothing is written. */
class Refused extends Error {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super("the file is wrong");
    this.findings = findings;
  }
}

/** A plan that was carried out. */
export interface Done {
  readonly plan: ImportPlan;
  /** The store's afterwards. */
  readonly revision: number;
}

/** Reads the file; throws an Error that names it. */
export function readImportFile(file: string): ImportFile {
  try {
    return { name: file, text: readFileSync(file, "utf8"), format: extname(file) === ".json" ? "json" : "yaml" };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new Error(`${file}: ${missing ? "no such file" : reasonOf(error)}`, { cause: error });
  }
}

/** Checks a file against the settings and plans its import. */
export async function plannerOf(file: ImportFile, mode: ImportOptions["mode"], settings: Settings): Promise<Planner> {
  const { table } = await loadUserPlugins(settings);
  const check = resourceCheckFor(settings, table);
  const options = { mode, check, cipher: buildStoreCipher(settings, table), now: Date.now() };
  return (stored) => {
    const plan = planImport(file, stored, options);
    if ("findings" in plan) throw new Refused(plan.findings);
    return plan;
  };
}

/** How often an import is planned anew because others wrote the same resources meanwhile. */
const ATTEMPTS = 4;

/** One transaction, one revision; planned before it begins, because a gateway may wait for its end. */
export async function writeAtOnce(store: EmbeddedStore, planner: Planner): Promise<Done> {
  let key = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const plan = planner((await store.list("")).values);
    const outcome = await store.transact(plan.changes);
    if (outcome.written) return { plan, revision: outcome.revision };
    key = outcome.key;
  }
  throw new TurnpikeError("SOURCE_UNAVAILABLE", `others are writing ${key} at the same time; try again`);
}

/** Prints why nothing, or not everything, was imported. */
export function explainFailure(error: unknown, terminal: Terminal): void {
  if (error instanceof Refused) for (const finding of error.findings) terminal.err(formatFinding(finding));
  const count = error instanceof Refused ? error.findings.length : 0;
  const reason = count === 0 ? reasonOf(error) : `${count} ${count === 1 ? "mistake" : "mistakes"} in the file`;
  terminal.err(`turnpike: not imported: ${reason}`);
}
