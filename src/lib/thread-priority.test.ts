import assert from "node:assert/strict";
import { once } from "node:events";
import { getPriority } from "node:os";
import { test } from "node:test";
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

test("a thread that lets others go first changes no priority but its own", async () => {
  const before = getPriority(0);
  const source = `
    import { getPriority } from "node:os";
    import { parentPort } from "node:worker_threads";
    const { lowerPriority } = await import(${JSON.stringify(new URL("thread-priority.ts", import.meta.url).href)});
    const before = getPriority(0);
    lowerPriority();
    lowerPriority();
    parentPort.postMessage(getPriority(0) - before);`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  // It may have ended before anything here goes on.
  const exited = once(thread, "exit");
  const [lowered] = await once(thread, "message");
  assert.equal(lowered, Math.min(10, 19 - before));
  assert.equal(getPriority(0), before);
  await exited;
});
