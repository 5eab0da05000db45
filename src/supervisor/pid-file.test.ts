import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { hasEnded, pidFileOf, runningPid, writePidFile } from "./pid-file.ts";

function prefixOf(t: TestContext): string {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-pid-"));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  return prefix;
}

/** A process that looks like `node …/src/cli/main.ts <command>`. */
async function startLookalike(t: TestContext, command: string): Promise<{ pid: number; end: () => Promise<void> }> {
  const main = join(prefixOf(t), "src", "cli", "main.mjs");
  mkdirSync(join(main, ".."), { recursive: true });
  writeFileSync(main, "console.log('up'); setInterval(() => {}, 1e6);");
  const child = spawn(process.execPath, [main, command], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const end = async (): Promise<void> => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid ?? 0, end };
}

test("no file, nonsense, or a process that is gone: nothing runs", (t) => {
  const prefix = prefixOf(t);
  assert.equal(runningPid(prefix), null);
  mkdirSync(join(prefix, "logs"));
  for (const text of ["", "x", "-1", "0", "999999999"]) {
    writeFileSync(pidFileOf(prefix), text);
    assert.equal(runningPid(prefix), null, text);
  }
});

test("a file with this process's own number is of an earlier container", (t) => {
  const prefix = prefixOf(t);
  writePidFile(prefix);
  assert.equal(runningPid(prefix), null);
});

test("only `turnpike start` is a gateway, and only while it lives", async (t) => {
  const prefix = prefixOf(t);
  mkdirSync(join(prefix, "logs"));
  const wait = await startLookalike(t, "wait");
  writeFileSync(pidFileOf(prefix), `${wait.pid}\n`);
  assert.equal(runningPid(prefix), null);
  const start = await startLookalike(t, "start");
  writeFileSync(pidFileOf(prefix), `${start.pid}\n`);
  assert.equal(runningPid(prefix), start.pid);
  assert.equal(hasEnded(start.pid), false);
  await start.end();
  assert.equal(runningPid(prefix), null);
  assert.equal(hasEnded(start.pid), true);
});
