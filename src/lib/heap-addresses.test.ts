import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { startGateway } from "../../test/support/gateway.ts";
import { gatherHeaps } from "./heap-addresses.ts";

/** Beginnings of what can be written among the addresses that V8 chooses from. */
function scattered(): ReadonlySet<string> {
  const lines = readFileSync("/proc/self/maps", "latin1").split("\n");
  const writable = lines.map((line) => /^([0-9a-f]+)-[0-9a-f]+ rw/.exec(line)?.[1]).filter((at) => at !== undefined);
  return new Set(writable.filter((at) => BigInt(`0x${at}`) >= 2n ** 36n && BigInt(`0x${at}`) < 2n ** 46n));
}

/** Runs a thread with a heap of some 30 MB and calls back while it is there. */
async function withThread(check: () => void): Promise<void> {
  const worker = new Worker(
    `const kept = Array.from({ length: 100_000 }, (_, i) => ({ text: "x" + i, list: [i, i] }));
     require("node:worker_threads").parentPort.on("message", () => process.exit(kept.length > 0 ? 0 : 1)).postMessage("ready");`,
    { eval: true },
  );
  await once(worker, "message");
  check();
  worker.postMessage("end");
  await once(worker, "exit");
}

test("puts the heaps of new threads side by side, without memory and without a word", async () => {
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warn);
  const resident = process.memoryUsage.rss();
  assert.equal(gatherHeaps(), true);
  assert.ok(process.memoryUsage.rss() - resident < 16e6);
  const before = scattered();
  await withThread(() => {
    assert.deepEqual([...scattered().difference(before)], []);
  });
  process.off("warning", warn);
  assert.deepEqual(warnings, []);
});

test("takes no addresses where there is a limit of them", () => {
  const program = `import { gatherHeaps } from ${JSON.stringify(import.meta.resolve("./heap-addresses.ts"))};
    console.log(gatherHeaps());`;
  const limited = 'ulimit -v 16000000; exec "$0" --input-type=module --eval "$1"';
  assert.equal(execFileSync("sh", ["-c", limited, process.execPath, program], { encoding: "utf8" }), "false\n");
});

test("leaves the heaps to V8 where it is told to", () => {
  process.env.TURNPIKE_SCATTERED_HEAP = "on";
  assert.equal(gatherHeaps(), false);
  delete process.env.TURNPIKE_SCATTERED_HEAP;
});

test("a gateway has taken the addresses before its threads began", async (t) => {
  const gateway = await startGateway(t, { workers: 2, standalone: { routes: [] } });
  await gateway.until(200);
  const status = readFileSync(`/proc/${gateway.child.pid}/status`, "latin1");
  const kilobytes = Number(/^VmSize:\s+(\d+) kB$/m.exec(status)?.[1]);
  assert.ok(kilobytes * 1024 > 0.99 * 2 ** 46, status);
});
