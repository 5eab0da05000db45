import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { keepCompileCache } from "../lib/compile-cache.ts";
import { reasonOf } from "../lib/errors.ts";
import { raisePriority } from "../lib/thread-priority.ts";
import { createLogger, type Logger } from "../observe/logger.ts";
import { loadSettings } from "../settings/load.ts";
import { formatFinding, type Settings } from "../settings/settings.ts";
import { parseFaults } from "./faults.ts";
import { removePidFile, runningPid, writePidFile } from "./pid-file.ts";
import { withUsableFamilies } from "./probe-address.ts";
import { createServiceManager, type ServiceManager } from "./service-manager.ts";
import { Supervisor } from "./supervisor.ts";
import { setMigrateReq } from "./tcp-migrate-req.ts";

/** Where the gateway's files are. */
export interface Place {
  /** Absolute directory. */
  readonly prefix: string;
  /** Absolute path of config.yaml; `undefined`: `<prefix>/conf/config.yaml`. */
  readonly configFile?: string | undefined;
}

/**
 * Runs the gateway in the foreground until a signal ends it; resolves with the exit code:
 * 0 stopped, 1 refused to start.
 *
 * SIGTERM, SIGQUIT, SIGINT: drain and stop; a second one ends it at once.
 * SIGHUP: read config.yaml again and replace the workers. SIGUSR1: open the logs anew.
 */
export async function runGateway(place: Place): Promise<number> {
  const read = readSettings(place, (line) => console.error(line));
  if (read === null) return 1;
  const settings = await withUsableFamilies(read);
  const running = runningPid(place.prefix);
  if (running !== null) return refuse(`already running in ${place.prefix} with process id ${running}`);
  mkdirSync(join(place.prefix, "logs"), { recursive: true });
  const log = createLogger(settings.log, "supervisor");
  if (settings.tcpMigrateReq) noteProblem(log, setMigrateReq());

  const supervisor = new Supervisor({ settings, log, faults: parseFaults(process.env.TURNPIKE_FAULTS) });
  const manager = createServiceManager(supervisor.serviceState, process.env, (message) => log.warn(message));
  const stopped = untilStopped(supervisor, manager);
  followSignals(supervisor, manager, place, log);
  try {
    await supervisor.start();
  } catch (error) {
    return refuse(reasonOf(error));
  }
  writePidFile(place.prefix);
  raisePriority();
  keepCompileCache();
  try {
    await Promise.race([stopped, supervisor.refused()]);
    return 0;
  } catch (error) {
    return refuse(reasonOf(error));
  } finally {
    manager?.close();
    removePidFile(place.prefix);
  }
}

function refuse(reason: string): number {
  console.error(`turnpike: not started: ${reason}`);
  return 1;
}

function noteProblem(log: Logger, problem: string | null): void {
  if (problem !== null) log.warn(problem);
}

/** Prints every finding; `null` where one is an error. */
function readSettings(place: Place, print: (line: string) => void): Settings | null {
  const { settings, findings } = loadSettings(place);
  for (const finding of findings) print(`turnpike: ${formatFinding(finding)}`);
  return findings.some((finding) => finding.severity === "error") ? null : settings;
}

/** Resolves when a signal has stopped the gateway. */
async function untilStopped(supervisor: Supervisor, manager: ServiceManager | null): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let stopping = false;
    const stop = (signal: string): void => {
      // A second signal ends everything at once: whoever sends it does not want to wait.
      if (stopping) return resolve();
      stopping = true;
      manager?.stopping();
      supervisor.shutdown(signal).then(resolve, reject);
    };
    for (const signal of ["SIGTERM", "SIGQUIT", "SIGINT"] as const) process.on(signal, stop);
  });
}

function followSignals(supervisor: Supervisor, manager: ServiceManager | null, place: Place, log: Logger): void {
  process.on("SIGUSR1", () => supervisor.reopenLogs());
  process.on("SIGHUP", () => {
    const problems: string[] = [];
    const settings = readSettings(place, (line) => problems.push(line));
    if (settings === null) return supervisor.reloadFailed(problems.join("; "));
    for (const problem of problems) log.warn(problem);
    manager?.reloading();
    withUsableFamilies(settings)
      .then((usable) => supervisor.reload(usable))
      .catch((error: unknown) => supervisor.reloadFailed(reasonOf(error)))
      .finally(() => manager?.reloaded());
  });
}
