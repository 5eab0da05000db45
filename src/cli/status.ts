import type { FleetBody, FleetRow } from "../status/fleet.ts";
import type { Awaited, ConfigBody, RejectedRow, WorkerRow } from "../status/reports.ts";
import { spanText } from "../status/words.ts";
import { ExitCode } from "./exit-codes.ts";
import { printable } from "./screen.ts";
import {
  askStatus,
  findStatusApi,
  notForUs,
  processTerminal,
  Unreachable,
  type StatusReply,
  type StatusTarget,
  type Terminal,
} from "./status-client.ts";

const ANSWER_TIMEOUT_MS = 5000;

/** Options of `turnpike status`. */
export interface StatusOptions extends StatusTarget {
  readonly json?: boolean | undefined;
  /** Goes on until it is interrupted. */
  readonly watch?: boolean | undefined;
}

/**
 * `turnpike status`: shows whether the gateway is ready, its workers, its
 * configuration and what of it was rejected. 0 ready, 1 not ready, 3 not running.
 */
export async function statusCommand(options: StatusOptions, terminal: Terminal = processTerminal): Promise<ExitCode> {
  const found = findStatusApi(options);
  if ("errors" in found) {
    for (const error of found.errors) terminal.err(`turnpike: ${error}`);
    return ExitCode.failed;
  }
  if (options.watch === true) return await watch(found.origin, options.json === true, terminal);
  try {
    const [ready, config, fleet] = await Promise.all([
      askStatus(found.origin, "/status/ready?verbose", ANSWER_TIMEOUT_MS),
      askStatus(found.origin, "/status/config", ANSWER_TIMEOUT_MS),
      askStatus(found.origin, "/status/fleet", ANSWER_TIMEOUT_MS),
    ]);
    if (ready.body["status"] === undefined) {
      terminal.err(`turnpike: ${found.origin} is not the Status API of a Turnpike (${ready.status})`);
      return ExitCode.failed;
    }
    if (options.json === true) terminal.out(asJson(ready, config, fleet));
    else for (const line of describe(ready, config, fleet)) terminal.out(printable(line));
    return ready.status === 200 ? ExitCode.ok : ExitCode.failed;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    if (options.json === true) terminal.out(JSON.stringify({ ready: false, error: error.message }));
    terminal.err(`turnpike: not running: ${error.message}`);
    return ExitCode.unreachable;
  }
}

/** Until SIGINT or SIGTERM. */
async function watch(origin: string, json: boolean, terminal: Terminal): Promise<ExitCode> {
  const { processScreen, watchStatus } = await import("./watch.ts");
  const end = new AbortController();
  const abort = (): void => end.abort();
  process.once("SIGINT", abort).once("SIGTERM", abort);
  return await watchStatus(origin, { json, terminal, screen: json ? null : processScreen(), signal: end.signal });
}

function asJson(ready: StatusReply, config: StatusReply, fleet: StatusReply): string {
  return JSON.stringify({
    ready: ready.status === 200,
    error: ready.body["error"] ?? null,
    readiness: ready.body,
    config: config.status === 200 ? config.body : null,
    fleet: fleet.status === 200 ? fleet.body : null,
  });
}

/** The answers as lines for people. */
function describe(ready: StatusReply, config: StatusReply, fleet: StatusReply): string[] {
  const lines = [ready.status === 200 ? "ready" : `not ready: ${String(ready.body["error"])}`];
  for (const one of (ready.body["awaiting"] ?? []) as Awaited[]) {
    lines.push(`  waiting for ${one.awaiting} (${seconds(one.elapsed_ms)})`);
  }
  if (config.status !== 200) return [...lines, notForUs];
  lines.push("", ...describeConfig(config.body as unknown as ConfigBody));
  lines.push("", ...table(workerColumns, (ready.body["workers"] ?? []) as WorkerRow[]));
  if (fleet.status === 200) lines.push(...describeFleet(fleet.body as unknown as FleetBody));
  return lines;
}

/** Nothing where this node is alone. */
export function describeFleet({ nodes, error }: FleetBody): string[] {
  if (nodes.length < 2 && error === null) return [];
  const unseen = error === null ? [] : [`the other nodes cannot be seen: ${error}`];
  return ["", ...unseen, ...table(nodeColumns, nodes)];
}

/** The configuration as lines for people, with what of it was rejected. */
export function describeConfig(config: ConfigBody): string[] {
  const { applied, last_failure: failure } = config;
  const range = applied.min === applied.max ? `${applied.min}` : `${applied.min} to ${applied.max}`;
  const lines = [
    `configuration  ${config.state.replace("_", " ")} (source ${config.source})`,
    `revision       ${config.revision}, applied ${range}, hash ${config.hash}`,
    `last change    ${config.last_change_at ?? "never"}${liveAfter(config)}`,
  ];
  if (failure !== null) {
    lines.push(`${failure.current ? "failing since  " : "last failure   "}${failure.at}: ${failure.error}`);
  }
  return [...lines, ...describeRejected(config.rejected)];
}

function liveAfter({ last_applied: last }: ConfigBody): string {
  return last === null ? "" : `, revision ${last.revision} was live after ${spanText(last.duration_ms)}`;
}

/** Rejected resources as lines for people. */
export function describeRejected(rejected: readonly (RejectedRow & { readonly node?: string })[]): string[] {
  return rejected.map(({ kind, id, field, error, since, serving, node }) => {
    if (node !== undefined) return `rejected       ${kind}/${id}: ${error} (by node ${node})`;
    const instead = serving === "previous" ? "its previous version serves" : "nothing serves instead";
    const where = field === "" ? "" : ` ${field}`;
    return `rejected       ${kind}/${id}${where}: ${error} (since ${since}, ${instead})`;
  });
}

/** Titles of columns, and what a row has in them. */
export type Columns<Row> = readonly (readonly [title: string, cell: (row: Row) => string | number | null])[];

const nodeColumns: Columns<FleetRow> = [
  ["node", (row) => row.name],
  ["id", (row) => (row.self ? `${row.id} (this one)` : row.id)],
  ["role", (row) => row.role],
  ["ready", (row) => (row.ready ? "yes" : "no")],
  ["revision", (row) => row.revision],
  ["hash", (row) => row.hash],
  ["rejected", (row) => row.rejected],
];

/** The columns of a table of workers. */
export const workerColumns: Columns<WorkerRow> = [
  ["worker", (row) => row.id],
  ["state", (row) => row.state],
  ["generation", (row) => row.generation],
  ["revision", (row) => row.revision],
  ["heartbeat", (row) => (row.heartbeat_age_ms === null ? null : `${row.heartbeat_age_ms} ms`)],
  ["loop delay", (row) => (row.event_loop_delay_ms === null ? null : `${row.event_loop_delay_ms} ms`)],
  ["connections", (row) => row.connections],
  ["requests", (row) => row.requests],
  ["restarts", (row) => row.restarts],
  ["last exit", (row) => (row.last_exit === null ? null : `${row.last_exit.at} ${row.last_exit.cause}`)],
];

/** Rows as lines, with a title for each column. */
export function table<Row>(columns: Columns<Row>, rows: readonly Row[]): string[] {
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, cell]) => String(cell(row) ?? "-"))),
  ];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** A span as people read it. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}
