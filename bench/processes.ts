import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";

/** Programs that a benchmark starts, and the CPU time they use. */

/** Clock ticks per second of /proc/<pid>/stat. */
const TICKS = 100;

export interface Program {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
}

const running: ChildProcess[] = [];

/** Starts a program pinned to a core and waits until its port accepts connections. */
export async function startPinned(
  name: string,
  core: number,
  command: readonly string[],
  port: number,
): Promise<Program> {
  const child = spawn("taskset", ["-c", String(core), ...command], { stdio: ["ignore", "ignore", "inherit"] });
  running.push(child);
  await reachable(port, name, child);
  return { name, child, port };
}

/** Ends everything that was started. */
export function stopAll(): void {
  for (const child of running.splice(0)) child.kill("SIGTERM");
}

/** Runs a pinned program to its end and answers with what it printed. */
export async function runPinned(core: number, command: readonly string[]): Promise<string> {
  const child = spawn("taskset", ["-c", String(core), ...command], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const code = await new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
  return text;
}

/** User and system time of a process tree with all its threads so far, microseconds. */
export function cpuMicroseconds(pid: number): number {
  let ticks = 0;
  for (const process of [pid, ...descendants(pid)]) {
    const stat = readFileSync(`/proc/${process}/stat`, "utf8");
    // The name in parentheses may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000_000) / TICKS;
}

function descendants(pid: number): number[] {
  const children: number[] = [];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
    if (text !== "") children.push(...text.split(" ").map(Number));
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

async function reachable(port: number, name: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  throw new Error(`${name} does not listen on ${port}`);
}
