import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Worker } from "node:worker_threads";
import { prepareThread, spawnThread } from "./spawn-thread.ts";

const threadData = new URL("thread-data.ts", import.meta.url).href;
/** Says which thread it is and what it was given, as often as it is asked. */
const echo = module(`
  import { threadId } from "node:worker_threads";
  import { onThreadData } from ${JSON.stringify(threadData)};
  onThreadData((data, owner) => owner.on("message", (more) => owner.postMessage({ threadId, data, more })));
`);

function module(text: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`);
}

/** The thread that `start` starts. */
async function started(start: () => void): Promise<Worker> {
  const begun = once(process, "worker") as Promise<[Worker]>;
  start();
  return (await begun)[0];
}

async function answer(worker: Worker): Promise<unknown> {
  worker.postMessage("more");
  const [message] = await once(worker, "message");
  await worker.terminate();
  return message;
}

test("a prepared thread is the one that is spawned, once; its data and what follows arrive", async () => {
  const prepared = await started(() => prepareThread(echo, "first"));
  const { threadId } = prepared;
  const worker = spawnThread(echo, "first", { n: 1 });
  assert.equal(worker, prepared);
  assert.deepEqual(await answer(worker), { threadId, data: { n: 1 }, more: "more" });
  const next = spawnThread(echo, "first", { n: 2 });
  assert.notEqual(next, prepared);
  const nextId = next.threadId;
  assert.deepEqual(await answer(next), { threadId: nextId, data: { n: 2 }, more: "more" });
});

test("a prepared thread that has failed is not handed out, and takes nobody down", async () => {
  const failing = module(`throw new Error("not today");`);
  const prepared = await started(() => prepareThread(failing, "second"));
  await new Promise((resolve) => prepared.once("exit", resolve));
  const worker = spawnThread(echo, "second", null);
  assert.notEqual(worker, prepared);
  const { threadId } = worker;
  assert.deepEqual(await answer(worker), { threadId, data: null, more: "more" });
});
