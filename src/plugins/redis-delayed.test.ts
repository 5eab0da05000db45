import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { DelayedCounts } from "./redis-delayed.ts";
import type { RedisLink } from "./redis-link.ts";

/** A Redis that counts fixed windows that never end, or fails. */
function fakeRedis() {
  const counts = new Map<string, number>();
  const redis = {
    counts,
    away: false,
    asked: 0,
    run(_script: string, key: string, added: number) {
      redis.asked++;
      if (redis.away) return Promise.reject(new Error("away"));
      counts.set(key, (counts.get(key) ?? 0) + added);
      return Promise.resolve([counts.get(key), 60_000]);
    },
  };
  return redis;
}

/** Counts whose exchanges a test makes happen. */
function delayed(t: TestContext, redis: ReturnType<typeof fakeRedis>) {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const counts = new DelayedCounts(redis as unknown as RedisLink, 100);
  const exchange = async (): Promise<void> => {
    t.mock.timers.tick(100);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const ask = async (key = "k", limit = 3): Promise<boolean> => (await counts.count("fixed", key, limit, 60)).passed;
  return { counts, exchange, ask };
}

test("between exchanges nothing is asked, and nothing is counted twice", async (t) => {
  const redis = fakeRedis();
  redis.counts.set("k", 1);
  const { counts, exchange, ask } = delayed(t, redis);
  assert.deepEqual([await ask(), await ask(), await ask()], [true, true, false]);
  assert.equal(redis.asked, 1);
  await exchange();
  assert.deepEqual([redis.counts.get("k"), redis.asked], [3, 2]);
  await exchange();
  assert.equal(redis.asked, 2, "nobody has asked meanwhile");
  // Somebody else has counted.
  assert.equal(await ask("k", 5), true);
  redis.counts.set("k", 9);
  await exchange();
  assert.deepEqual([redis.counts.get("k"), await ask("k", 10)], [10, false]);
  await counts.close();
});

test("requests that come before the first answer wait for it", async (t) => {
  const redis = fakeRedis();
  const { counts, ask } = delayed(t, redis);
  assert.deepEqual(await Promise.all([ask(), ask(), ask(), ask()]), [true, true, true, false]);
  await counts.close();
  assert.equal(redis.counts.get("k"), 3);
});

test("while the Redis is away keys that are known go on, and what was counted is told later", async (t) => {
  const redis = fakeRedis();
  const { counts, exchange, ask } = delayed(t, redis);
  assert.ok(await ask());
  redis.away = true;
  await exchange();
  assert.deepEqual([await ask(), await ask(), await ask()], [true, true, false]);
  await assert.rejects(ask("new"), /away/);
  await exchange();
  redis.away = false;
  await exchange();
  assert.equal(redis.counts.get("k"), 3);
  assert.ok(await ask("new"));
  await counts.close();
});
