import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";

/**
 * Programs that a benchmark starts, and what the kernel says about them. Nothing
 * outlives the benchmark: each program leads a process group of its own, which is
 * ended on every way out, and gets SIGTERM from the kernel should this process be killed.
 */

/** Clock ticks per second of /proc/<pid>/stat. */
const TICKS = 100;
/** How long a program may take to end by itself. */
const END_MS = 5_000;

/** The core of the proxy under test, and the one of the load and the origin; `null`: any core. */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;
export type Core = number | null;

/** A program that listens. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}

const running = new Set<ChildProcess>();
const directories = new Set<string>();
let interrupted = false;

/** Whether a signal has asked this process to end: what fails then has no other reason. */
export function isInterrupted(): boolean {
  return interrupted;
}

/** Removes the directory when the benchmark ends, however it ends. */
export function removeAtExit(directory: string): void {
  directories.add(directory);
}

/** Ends and removes everything on every way out of this process. */
export function cleanUpAtExit(): void {
  process.on("exit", () => {
    for (const child of running) signalGroup(child, "SIGKILL");
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.once(signal, () => {
      interrupted = true;
      void stopAll().finally(() => process.exit(code));
    });
  }
}

/** Starts a program; it is ended by `stop` or `stopAll`. */
export function launch(core: Core, command: readonly string[], output: "ignore" | "pipe" = "ignore"): ChildProcess {
  const pinned = core === null ? command : ["taskset", "-c", String(core), ...command];
  const child = spawn("setpriv", ["--pdeathsig", "TERM", "--", ...pinned], {
    detached: true,
    stdio: ["ignore", output, "inherit"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Starts a program and waits until its port accepts connections. */
export async function start(name: string, core: Core, command: readonly string[], port: number): Promise<Program> {
  const child = launch(core, command);
  const deadline = performance.now() + 30_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    if (performance.now() > deadline) throw new Error(`${name} does not listen on ${port}`);
    await setTimeout(20);
  }
  return { name, pid: child.pid!, port };
}

/** Runs a program to its end and answers with what it printed; throws where it fails. */
export async function run(core: Core, command: readonly string[], accepted: readonly number[] = [0]): Promise<string> {
  const child = launch(core, command, "pipe");
  let text = "";
  child.stdout!.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code === null || !accepted.includes(code)) throw new Error(`${command.join(" ")} ended with ${code}\n${text}`);
  return text;
}

/** Ends a program and waits for that; after some seconds it is killed. */
export async function stop(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const ended = once(child, "exit");
  signalGroup(child, "SIGTERM");
  const patience = new AbortController();
  await Promise.race([ended, setTimeout(END_MS, null, { signal: patience.signal }).catch(() => null)]);
  patience.abort();
  signalGroup(child, "SIGKILL");
  if (running.has(child)) await ended;
}

/** Ends everything that was started. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => stop(child)));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** User and system time of a process tree with all its threads so far, microseconds. */
export function cpuMicroseconds(pid: number): number {
  let ticks = 0;
  for (const process of tree(pid)) {
    const stat = readFileSync(`/proc/${process}/stat`, "utf8");
    // The name in parentheses may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000_000) / TICKS;
}

/** Resident memory of a process, MB; `peak`: the most since `forgetPeak`. */
export function residentMegabytes(pid: number, which: "now" | "peak" = "now"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const row = which === "now" ? /VmRSS:\s+(\d+)/ : /VmHWM:\s+(\d+)/;
  return (Number(row.exec(status)?.[1]) * 1024) / 1e6;
}

/** The same of a process with all that it started, now. Memory that they share counts for each. */
export function residentMegabytesOfAll(pid: number): number {
  return tree(pid).reduce((sum, process) => sum + residentMegabytes(process), 0);
}

/** Starts the measurement of the peak anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function tree(pid: number): number[] {
  const children: number[] = [];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
    if (text !== "") children.push(...text.split(" ").map(Number));
  }
  return [pid, ...children.flatMap((child) => tree(child))];
}

/** Whether something listens on the port. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
