import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** `PREFIX/logs/turnpike.pid`. */
export function pidFileOf(prefix: string): string {
  return join(prefix, "logs", "turnpike.pid");
}

/** The process id of the running gateway of this prefix, or `null` where none runs. */
export function runningPid(prefix: string): number | null {
  let text: string;
  try {
    text = readFileSync(pidFileOf(prefix), "utf8");
  } catch {
    return null;
  }
  const pid = Number.parseInt(text, 10);
  return Number.isInteger(pid) && pid > 1 && isTurnpike(pid) ? pid : null;
}

/** Whether that process lives and is a gateway: a number may have been given to another program since. */
function isTurnpike(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("src/cli/main");
  } catch {
    return true;
  }
}

/** Writes this process's id; the caller removes the file with `removePidFile`. */
export function writePidFile(prefix: string): void {
  const file = pidFileOf(prefix);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${process.pid}\n`);
}

/** Removes the file if it is still ours. */
export function removePidFile(prefix: string): void {
  try {
    if (Number.parseInt(readFileSync(pidFileOf(prefix), "utf8"), 10) === process.pid) rmSync(pidFileOf(prefix));
  } catch {
    // Already gone.
  }
}
