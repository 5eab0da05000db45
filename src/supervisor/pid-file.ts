import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  // In a container the gateway is often process 1; and a file that an earlier container left
  // may hold the very number that this process has now.
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isGateway(pid) ? pid : null;
}

/** Whether that process lives and runs `turnpike start`: a number may have been given to another program since. */
function isGateway(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  let command: string[];
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return true;
  }
  // A process that has ended and was not waited for has no command line any more.
  const main = command.findIndex((argument) => argument.includes("/src/cli/main."));
  return main >= 0 && command.includes("start", main);
}

/**
 * Whether nothing of the process is left. One that was not waited for by its parent (a zombie)
 * has ended once its threads are gone: until then they may hold the listening sockets.
 */
export function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EPERM";
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state === "Z" && readdirSync(`/proc/${pid}/task`).length === 1;
  } catch (error) {
    return existsSync("/proc/self") && (error as NodeJS.ErrnoException).code === "ENOENT";
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
