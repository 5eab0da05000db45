import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { test } from "node:test";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { atNormalPriority, raisePriority } from "./thread-priority.ts";

test("threads are started at the priority of before, whatever this thread has", () => {
  const before = getPriority(0);
  raisePriority();
  const raised = getPriority(0);
  assert.ok(raised <= before, "never lower, and unchanged where it is not allowed");
  assert.equal(
    atNormalPriority(() => getPriority(0)),
    before,
  );
  assert.equal(getPriority(0), raised);
});

/** What a thread of its own finds: its nice value at the beginning and after each step. */
const STEPS = `
  import { getPriority } from "node:os";
  const { lowerPriority } = await import(${JSON.stringify(new URL("thread-priority.ts", import.meta.url).href)});
  const values = [getPriority(0)];
  const note = () => values.push(getPriority(0));
  const goLast = lowerPriority();
  note();
  if (goLast !== null) for (const last of [true, false]) (goLast(last), note());`;

test("a thread that lets others go first changes no priority but its own", async () => {
  const before = getPriority(0);
  const source = `${STEPS}
    (await import("node:worker_threads")).parentPort.postMessage(values);`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  // It may have ended before anything here goes on.
  const exited = once(thread, "exit");
  const [values] = await once(thread, "message");
  const behind = Math.min(19, before + 10);
  assert.deepEqual(values, mayRaise() ? [before, behind, 19, behind] : [before, behind + 1]);
  assert.equal(getPriority(0), before);
  await exited;
});

test("without the right to come back a thread does not go last", async () => {
  const dropped = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "--"];
  const limits = ["--nice=0:0", "--", ...(mayRaise() ? dropped : [])];
  const script = ["--input-type=module", "--eval", `${STEPS}\nconsole.log(JSON.stringify(values));`];
  const { stdout } = await promisify(execFile)("prlimit", [...limits, process.execPath, ...script]);
  const [before = 0, ...after] = JSON.parse(stdout) as number[];
  assert.deepEqual(after, [Math.min(19, before + 11)]);
});

/** Whether this process has CAP_SYS_NICE (its bit, by linux/capability.h). */
function mayRaise(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))![1];
  return (BigInt(`0x${effective}`) & (1n << 23n)) !== 0n;
}
