import { setTimeout } from "node:timers/promises";
import { parseDuration } from "../lib/duration.ts";
import type { FleetBody, FleetRow } from "../status/fleet.ts";
import type { RejectedRow } from "../status/reports.ts";
import { ExitCode } from "./exit-codes.ts";
import { printable } from "./screen.ts";
import { describeRejected, seconds } from "./status.ts";
import {
  askStatus,
  findStatusApi,
  processTerminal,
  Unreachable,
  type StatusReply,
  type StatusTarget,
  type Terminal,
} from "./status-client.ts";

/** How often readiness, and a gateway that does not answer yet, is asked. */
const ASK_MS = 100;
/** How long one answer may take; the barrier's own time comes on top. */
const ANSWER_TIMEOUT_MS = 5000;
/** The longest wait that the barrier grants in one request. */
const MAX_BARRIER_MS = 600_000;

/** Options of `turnpike wait`, as they stand on the command line. */
export interface WaitOptions extends StatusTarget {
  /** The default where no revision is given. */
  readonly ready?: boolean | undefined;
  readonly revision?: string | undefined;
  /** Every node of the fleet is waited for. */
  readonly fleet?: boolean | undefined;
  /** Default `30s`. */
  readonly timeout?: string | undefined;
  /** `ignore`: a rejected change does not end the wait. */
  readonly rejected?: string | undefined;
  /** Prints one JSON object at the end. */
  readonly json?: boolean | undefined;
}

/** What one question came to: an exit code ends the wait, `null` goes on. */
interface Outcome {
  readonly exit: ExitCode | null;
  /** What to say at the end, or what is still missing. */
  readonly text: string;
  /** What stands against the revision. */
  readonly rejected?: readonly RejectedRow[];
}

/**
 * `turnpike wait`: returns when the gateway is ready, or when every worker has
 * applied a revision. 0 reached, 1 timed out, 2 rejected, 3 never connected. A
 * gateway that does not answer yet is asked again until the timeout.
 */
export async function waitCommand(options: WaitOptions, terminal: Terminal = processTerminal): Promise<ExitCode> {
  const usage = findUsageError(options);
  if (usage !== null) {
    terminal.err(`turnpike: ${usage}`);
    return ExitCode.usage;
  }
  const found = findStatusApi(options);
  if ("errors" in found) {
    for (const error of found.errors) terminal.err(`turnpike: ${error}`);
    return ExitCode.failed;
  }
  const timeoutMs = parseDuration(options.timeout ?? "30s") ?? 0;
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;
  const goal = options.revision === undefined ? "ready" : `revision ${options.revision}`;
  let missing = "";
  const ticker = setInterval(() => showProgress(), 250);
  const showProgress = (): void => {
    terminal.progress(`waiting for ${goal} (${seconds(elapsed())})${missing === "" ? "" : `: ${missing}`}`);
  };

  try {
    let connected = false;
    for (;;) {
      const left = Math.max(0, timeoutMs - elapsed());
      try {
        const outcome = await askOnce(found.origin, options, left);
        connected = true;
        missing = outcome.text;
        if (outcome.exit !== null) return finish(outcome.exit, outcome.text, outcome.rejected);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        missing = error.message;
      }
      if (elapsed() >= timeoutMs) {
        const text = `${goal} not reached within ${seconds(timeoutMs)}: ${missing}`;
        return finish(connected ? ExitCode.failed : ExitCode.unreachable, text);
      }
      await setTimeout(Math.min(ASK_MS, Math.max(0, timeoutMs - elapsed())));
    }
  } finally {
    clearInterval(ticker);
  }

  function finish(exit: ExitCode, text: string, rejected: readonly RejectedRow[] = []): ExitCode {
    terminal.progress(null);
    if (options.json === true) {
      const error = exit === ExitCode.ok ? null : text;
      const waited_ms = Math.round(elapsed());
      terminal.out(JSON.stringify({ reached: exit === ExitCode.ok, goal, error, rejected, waited_ms }));
    } else if (exit === ExitCode.ok) terminal.out(text);
    else for (const line of text.split("\n")) terminal.err(`turnpike: ${printable(line)}`);
    return exit;
  }
}

function findUsageError({ ready, revision, timeout, rejected }: WaitOptions): string | null {
  if (ready === true && revision !== undefined) return "--ready and --revision cannot be combined";
  if (revision !== undefined && !/^[1-9]\d{0,14}$/.test(revision)) {
    return `--revision: expected a whole number from 1, got ${JSON.stringify(revision)}`;
  }
  if (timeout !== undefined && parseDuration(timeout) === null) {
    return `--timeout: expected a duration like 30s, got ${JSON.stringify(timeout)}`;
  }
  if (rejected !== undefined && rejected !== "ignore") {
    return `--rejected: expected ignore, got ${JSON.stringify(rejected)}`;
  }
  return null;
}

async function askOnce(origin: string, options: WaitOptions, leftMs: number): Promise<Outcome> {
  const { revision, rejected, fleet = false } = options;
  if (revision === undefined && fleet) return await askFleet(origin, leftMs);
  if (revision === undefined) {
    // A gateway that hangs must not hold the command beyond its own timeout.
    const reply = await askStatus(origin, "/status/ready", Math.min(ANSWER_TIMEOUT_MS, leftMs + ASK_MS));
    return isOk(reply) ? { exit: ExitCode.ok, text: "ready" } : judge(origin, reply);
  }
  const timeoutMs = Math.min(MAX_BARRIER_MS, Math.ceil(leftMs));
  const ignore = rejected === undefined ? "" : "&rejected=ignore";
  const path = `/status/${fleet ? "fleet" : "ready"}?revision=${revision}&timeout=${timeoutMs}ms${ignore}`;
  const reply = await askStatus(origin, path, timeoutMs + ANSWER_TIMEOUT_MS);
  // Another gateway's Status API, which knows no revisions, would say ok at once.
  if (!isOk(reply) || String(reply.body["revision"]) !== revision) return judge(origin, reply);
  return { exit: ExitCode.ok, text: `revision ${revision} is applied by every ${fleet ? "node" : "worker"}` };
}

/** Whether every node of the fleet is ready. */
async function askFleet(origin: string, leftMs: number): Promise<Outcome> {
  const reply = await askStatus(origin, "/status/fleet", Math.min(ANSWER_TIMEOUT_MS, leftMs + ASK_MS));
  const { nodes, error } = reply.body as unknown as FleetBody;
  if (reply.status !== 200 || !Array.isArray(nodes)) return judge(origin, reply);
  if (typeof error === "string") return { exit: null, text: `the other nodes cannot be seen: ${error}` };
  const late = nodes.filter(({ ready }) => !ready);
  if (late.length > 0) return { exit: null, text: `not ready: node ${late.map(nodeName).join(", ")}` };
  return { exit: ExitCode.ok, text: `every node is ready (${nodes.length})` };
}

function nodeName({ id, name }: FleetRow): string {
  return id === name ? name : `${name} (${id})`;
}

function isOk({ status, body }: StatusReply): boolean {
  return status === 200 && body["status"] === "ok";
}

function judge(origin: string, { status, body }: StatusReply): Outcome {
  const error = typeof body["error"] === "string" ? body["error"] : null;
  if (status === 503 && error !== null) return { exit: null, text: error };
  if (status === 409) {
    const rejected = (body["rejected"] ?? []) as RejectedRow[];
    const lines = describeRejected(rejected);
    return { exit: ExitCode.rejected, text: lines.length > 0 ? lines.join("\n") : (error ?? "rejected"), rejected };
  }
  if (error !== null) return { exit: ExitCode.failed, text: error };
  return { exit: ExitCode.failed, text: `${origin} is not the Status API of a Turnpike (${status})` };
}
