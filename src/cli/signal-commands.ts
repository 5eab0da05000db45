import { setTimeout } from "node:timers/promises";
import { loadSettings } from "../settings/load.ts";
import { formatFinding } from "../settings/settings.ts";
import { hasEnded, runningPid } from "../supervisor/pid-file.ts";
import type { Place } from "../supervisor/run.ts";
import { ExitCode } from "./exit-codes.ts";

/** How often a stopping process is looked at; there is no event for the end of a process of others. */
const LOOK_MS = 50;
/** `stop`: how long the gateway may take to end after the second signal. */
const STOP_LIMIT_MS = 10_000;

/** `turnpike stop`: ends the gateway at once; requests in flight are cut. */
export async function stopCommand(place: Place): Promise<ExitCode> {
  const pid = runningPid(place.prefix);
  if (pid === null) return notRunning(place);
  process.kill(pid, "SIGTERM");
  process.kill(pid, "SIGINT");
  return await waitForEnd(pid, STOP_LIMIT_MS);
}

/** `turnpike quit`: drains first; resolves when the gateway has ended. */
export async function quitCommand(place: Place): Promise<ExitCode> {
  const pid = runningPid(place.prefix);
  if (pid === null) return notRunning(place);
  process.kill(pid, "SIGQUIT");
  const { settings } = loadSettings(place);
  const limit = settings === null ? 0 : settings.shutdown.delayMs + settings.shutdown.timeoutMs;
  return await waitForEnd(pid, limit + STOP_LIMIT_MS);
}

/** `turnpike reload`: checks config.yaml, then has the gateway replace its workers. */
export function reloadCommand(place: Place): ExitCode {
  const { findings } = loadSettings(place);
  for (const finding of findings) console.error(formatFinding(finding));
  if (findings.some((finding) => finding.severity === "error")) return ExitCode.failed;
  const pid = runningPid(place.prefix);
  if (pid === null) return notRunning(place);
  process.kill(pid, "SIGHUP");
  return ExitCode.ok;
}

/** Waits for the process, not for its pid file: what follows may need its ports. */
async function waitForEnd(pid: number, limitMs: number): Promise<ExitCode> {
  for (let waited = 0; waited < limitMs; waited += LOOK_MS) {
    if (hasEnded(pid)) return ExitCode.ok;
    await setTimeout(LOOK_MS);
  }
  console.error(`turnpike: process ${pid} still runs after ${limitMs} ms`);
  return ExitCode.failed;
}

function notRunning(place: Place): ExitCode {
  console.error(`turnpike: not running in ${place.prefix}`);
  return ExitCode.unreachable;
}
