import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildRequest } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { buildCounters, buildEnv, compileChecked } from "./checked-plugin.ts";
import { limitReq } from "./limit-req.ts";

function compiled(conf: object, clock: { us: number }): PluginHandlers {
  const counters = buildCounters(clock);
  return compileChecked(limitReq, { key: "remote_addr", ...conf }, { ...buildEnv(), counters });
}

/** The status of the answer; 0 where the request passes at once. */
function send(handlers: PluginHandlers): number {
  return (handlers.access?.(buildRequest()) as Reply | undefined)?.status ?? 0;
}

test("without burst one passes in each interval", () => {
  const clock = { us: 1_000_000 };
  const handlers = compiled({ rate: 2, burst: 0, rejected_code: 429 }, clock);
  assert.deepEqual([send(handlers), send(handlers)], [0, 429]);
  clock.us += 499_999;
  assert.equal(send(handlers), 429);
  clock.us += 1;
  assert.deepEqual([send(handlers), send(handlers)], [0, 429]);
});

test("with nodelay as many more pass as burst says, and one more with each interval", () => {
  const clock = { us: 1_000_000 };
  const handlers = compiled({ rate: 1, burst: 5, nodelay: true, rejected_msg: "too fast" }, clock);
  assert.deepEqual(
    Array.from({ length: 8 }, () => send(handlers)),
    [0, 0, 0, 0, 0, 0, 503, 503],
  );
  const answer = handlers.access?.(buildRequest()) as Reply | undefined;
  assert.equal(answer?.body, '{"error_msg":"too fast"}\n');
  clock.us += 1_000_000;
  assert.deepEqual([send(handlers), send(handlers)], [0, 503]);
});

test("what is within the burst waits for its turn", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const handlers = compiled({ rate: 10, burst: 2 }, { us: 1_000_000 });
  const served: number[] = [];
  const waits = [1, 2, 3].map(async (number) => {
    assert.equal(await handlers.access?.(buildRequest()), undefined);
    served.push(number);
  });
  assert.equal(send(handlers), 503);
  await waits[0];
  assert.deepEqual(served, [1]);
  t.mock.timers.tick(100);
  await waits[1];
  assert.deepEqual(served, [1, 2]);
  t.mock.timers.tick(100);
  await waits[2];
});

test("passes what a bucket with a level passes, whenever requests come", () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 100 });
  fc.assert(
    fc.property(gaps, fc.constantFrom(1, 4, 5, 10, 20), fc.integer({ min: 0, max: 4 }), (gaps, rate, burst) => {
      const clock = { us: 1_000_000_000 };
      const handlers = compiled({ rate, burst, nodelay: true }, clock);
      // Microrequests in the bucket, as whole numbers.
      let level = -1_000_000;
      for (const ms of gaps) {
        clock.us += ms * 1_000;
        level -= ms * 1_000 * rate;
        const next = Math.max(level + 1_000_000, 0);
        const passes = next <= burst * 1_000_000;
        assert.equal(send(handlers), passes ? 0 : 503);
        if (passes) level = next;
      }
    }),
    { numRuns: 100 },
  );
});

test("counts at rates by which a second cannot be divided", () => {
  for (const rate of [0.3, 3, 7, 60, 70_000, 1e8, 1e300]) {
    for (const burst of [0, 1, 20]) {
      const clock = { us: 1_000_000_000 };
      const handlers = compiled({ rate, burst, nodelay: true }, clock);
      const answers = Array.from({ length: burst + 2 }, () => send(handlers));
      assert.deepEqual(answers, [...answers.slice(1).fill(0), 503], `${rate} a second, burst ${burst}`);
      clock.us += Math.ceil(1_000_000 / rate);
      assert.deepEqual([send(handlers), send(handlers)], [0, 503], `${rate} a second, burst ${burst}`);
    }
  }
});

test("where there is no room to count, allow_degradation decides; a node needs a port", () => {
  const conf = { rate: 1, burst: 0, key: "remote_addr" };
  assert.equal(send(compileChecked(limitReq, conf)), 500);
  assert.equal(send(compileChecked(limitReq, { ...conf, allow_degradation: true })), 0);
  assert.throws(
    () =>
      compileChecked(limitReq, {
        ...conf,
        policy: "redis-cluster",
        redis_cluster_nodes: ["127.0.0.1"],
        redis_cluster_name: "c",
      }),
    /redis_cluster_nodes: 127.0.0.1 is no host:port/,
  );
});
