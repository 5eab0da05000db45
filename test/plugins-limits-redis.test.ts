import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import { startEcho } from "./support/echo.ts";
import { atOnce, firstAnswers, start, startHeldOrigin, tally } from "./support/held.ts";
import { startRedis, startRedisCluster, startSentinel } from "./support/redis.ts";
import { serving, to } from "./support/serving.ts";

// Limits that are counted in a real Redis, by two workers; and what happens when it is away.

/** What an answer of the Redis may take where it is not about that, on a busy machine, too. */
const PATIENCE_MS = 20_000;

test("limits in a Redis", async (t) => {
  const origin = await startHeldOrigin(t);
  const redis = await startRedis(t);
  const link = {
    policy: "redis",
    redis_host: "127.0.0.1",
    redis_port: redis.port,
    redis_password: redis.password,
    redis_timeout: PATIENCE_MS,
  };
  const hasty = { redis_timeout: 2_000 };
  const route = (id: string, plugins: object): object =>
    to({ [origin.node]: 1 }, { retries: 0 }, { id, uri: `/${id}/*`, plugins });
  const counting = { time_window: 600, rejected_code: 429, ...link };
  const lax = { allow_degradation: true };
  const gateway = await serving(
    t,
    {
      routes: [
        route("count", { "limit-count": { ...counting, count: 50 } }),
        route("sliding", { "limit-count": { ...counting, count: 50, time_window: 3_600, window_type: "sliding" } }),
        route("delayed", { "limit-count": { ...counting, count: 50, sync_interval: 0.1 } }),
        route("rules", {
          "limit-count": { ...link, rules: [1, 2].map((count) => ({ count, time_window: 60, key: `$arg_${count}` })) },
        }),
        route("req", { "limit-req": { rate: 0.001, burst: 49, nodelay: true, key: "remote_addr", ...link } }),
        route("wait", { "limit-req": { rate: 20, burst: 4, key: "remote_addr", ...link } }),
        route("conn", { "limit-conn": { conn: 8, burst: 2, default_conn_delay: 0.01, key: "remote_addr", ...link } }),
        route("strict", { "limit-count": { ...counting, ...hasty, count: 1_000 } }),
        route("lax", { "limit-count": { ...counting, ...hasty, count: 1_000, ...lax } }),
        route("lax-req", {
          "limit-req": { rate: 1, burst: 1_000, nodelay: true, key: "remote_addr", ...link, ...lax },
        }),
        route("lax-conn", {
          "limit-conn": { conn: 99, burst: 0, default_conn_delay: 1, key: "remote_addr", ...link, ...lax },
        }),
        route("password", { "limit-count": { ...counting, count: 1, redis_password: "wrong" } }),
      ],
    },
    { workers: 2 },
  );
  const status = async (path: string): Promise<number> => (await ask(gateway.httpPort, path)).status;

  await t.test("limit-count: exactly count pass, over both workers", async () => {
    for (const path of ["/count/200", "/sliding/200"]) {
      assert.deepEqual(tally(await atOnce(gateway, 120, path)), { 200: 50, 429: 70 }, path);
      const { headers } = await ask(gateway.httpPort, path);
      assert.deepEqual([headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]], ["50", "0"]);
      assert.match(String(headers["x-ratelimit-reset"]), /^\d+$/);
    }
  });

  await t.test("limit-count with sync_interval: at most count pass in each worker, and then none", async () => {
    const { 200: passed = 0, 429: refused = 0 } = tally(await atOnce(gateway, 120, "/delayed/200"));
    assert.ok(passed >= 50 && passed <= 100 && passed + refused === 120, `${passed} passed, ${refused} refused`);
    // Each worker hears of the other.
    let inARow = 0;
    while (inARow < 8) inARow = (await status("/delayed/200")) === 429 ? inARow + 1 : 0;
  });

  await t.test("limit-count: rules are applied in order", async () => {
    const { status: first, headers } = await ask(gateway.httpPort, "/rules/200?1=a&2=a");
    assert.deepEqual([first, headers["x-1-ratelimit-remaining"], headers["x-2-ratelimit-remaining"]], [200, "0", "1"]);
    assert.equal(await status("/rules/200?1=a&2=a"), 503);
    assert.equal(await status("/rules/200?2=a"), 200);
    assert.equal(await status("/rules/200?2=a"), 503);
  });

  await t.test("limit-req: as many pass as burst says and one; or wait", async () => {
    assert.deepEqual(tally(await atOnce(gateway, 120, "/req/200")), { 200: 50, 503: 70 });
    assert.deepEqual(tally(await atOnce(gateway, 5, "/wait/200")), { 200: 5 });
  });

  await t.test("limit-conn: exactly conn and burst run; whoever ends or goes away makes room", async () => {
    for (const end of ["answered", "aborted", "again"]) {
      const clients = Array.from({ length: 30 }, () => start(gateway, "/conn/held"));
      assert.deepEqual(await firstAnswers(clients, 20), Array(20).fill(503), end);
      const held = await origin.held(10);
      const gone = held.map((response) => once(response, "close"));
      if (end === "aborted") for (const { client } of clients) client.destroy();
      else for (const response of held) response.end("ok");
      await Promise.all(gone);
      await Promise.all(clients.map(({ status }) => status));
      // The Redis hears of it a moment later.
      while (tally(await atOnce(gateway, 8, "/conn/200"))[200] !== 8) continue;
    }
  });

  await t.test("without the Redis allow_degradation decides; with it limits count again", async () => {
    assert.deepEqual([await status("/strict/200"), await status("/lax/200")], [200, 200]);
    await redis.kill();
    for (const path of ["/lax/200", "/lax-req/200", "/lax-conn/200"]) assert.equal(await status(path), 200, path);
    for (const path of ["/strict/200", "/req/200", "/conn/200"]) assert.equal(await status(path), 500, path);
    assert.match(
      gateway.errorLog,
      /plugin limit-count of routes\/strict: Redis: connect ECONNREFUSED .*; refused with 500/,
    );
    assert.equal((await ask(gateway.httpPort, "/strict/200")).text, '{"error_msg":"failed to limit count"}\n');
    await redis.start();
    while ((await status("/strict/200")) !== 200) continue;
  });

  await t.test("a Redis that does not answer holds a request up for redis_timeout at most", async () => {
    redis.pause();
    assert.deepEqual([await status("/strict/200"), await status("/lax/200")], [500, 200]);
    redis.resume();
    while ((await status("/strict/200")) !== 200) continue;
  });

  await t.test("a wrong password is told in the log, not the password", async () => {
    assert.equal(await status("/password/200"), 500);
    assert.doesNotMatch(gateway.errorLog, /wrong\b(?! number)|secret/);
  });
});

test("limits in a cluster, and in the master that a sentinel names", async (t) => {
  const { node } = await startEcho(t);
  const [cluster, master] = [await startRedisCluster(t), await startRedis(t)];
  const sentinel = await startSentinel(t, "main", master);
  const inCluster = {
    policy: "redis-cluster",
    redis_cluster_nodes: [`127.0.0.1:${cluster.port}`],
    redis_cluster_name: "one",
    redis_password: cluster.password,
    redis_timeout: PATIENCE_MS,
  };
  const bySentinel = {
    policy: "redis-sentinel",
    redis_sentinels: [{ host: "127.0.0.1", port: sentinel.port }],
    redis_master_name: "main",
    redis_password: master.password,
    sentinel_password: sentinel.password,
    redis_connect_timeout: PATIENCE_MS,
    redis_read_timeout: PATIENCE_MS,
  };
  const route = (id: string, plugins: object): object => to({ [node]: 1 }, {}, { id, uri: `/${id}`, plugins });
  const count = { count: 20, time_window: 600 };
  const gateway = await serving(
    t,
    {
      routes: [
        route("cluster", { "limit-count": { ...count, ...inCluster } }),
        route("sentinel", { "limit-count": { ...count, ...bySentinel } }),
        route("req", { "limit-req": { rate: 0.001, burst: 19, nodelay: true, key: "remote_addr", ...inCluster } }),
        route("conn", {
          "limit-conn": { conn: 99, burst: 0, default_conn_delay: 1, key: "remote_addr", ...inCluster },
        }),
      ],
    },
    { workers: 2 },
  );
  for (const path of ["/cluster", "/sentinel", "/req"]) {
    assert.deepEqual(tally(await atOnce(gateway, 50, path)), { 200: 20, 503: 30 }, `${path} ${gateway.errorLog}`);
  }
  assert.deepEqual(tally(await atOnce(gateway, 20, "/conn")), { 200: 20 });
  await cluster.kill();
  await sentinel.kill();
  assert.equal((await ask(gateway.httpPort, "/cluster")).status, 500);
  assert.equal((await ask(gateway.httpPort, "/sentinel")).status, 503, "the master goes on without it");
  await master.kill();
  assert.equal((await ask(gateway.httpPort, "/sentinel")).status, 500);
});
