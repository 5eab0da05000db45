import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, type FakeRequest, type FakeRequestOptions } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { buildCounters, buildEnv, compileChecked } from "./checked-plugin.ts";
import { limitConn } from "./limit-conn.ts";

const plain = { conn: 2, burst: 0, default_conn_delay: 0.1, key: "remote_addr" };

function compiled(conf: object): PluginHandlers {
  return compileChecked(limitConn, conf, { ...buildEnv(), counters: buildCounters() });
}

/** A request that has begun, and the status of its answer; 0 where it passes at once. */
function begin(handlers: PluginHandlers, options: FakeRequestOptions = {}): readonly [FakeRequest, number] {
  const request = buildRequest(options);
  return [request, (handlers.access?.(request) as Reply | undefined)?.status ?? 0];
}

test("so many run at the same time; who ends makes room, who was refused does not", () => {
  const handlers = compiled(plain);
  const [first] = begin(handlers);
  assert.equal(begin(handlers)[1], 0);
  const [refused, status] = begin(handlers);
  assert.equal(status, 503);
  handlers.log?.(refused);
  assert.equal(begin(handlers)[1], 503);
  assert.equal(begin(handlers, { remoteAddr: "10.0.0.1" })[1], 0);
  handlers.log?.(first);
  handlers.log?.(first);
  assert.equal(begin(handlers)[1], 0);
  assert.equal(begin(handlers)[1], 503);
});

for (const [same, waits] of [
  [false, [100, 200, 300]],
  [true, [100, 100, 100]],
] as const) {
  test(`above conn and within burst requests wait (only_use_default_delay ${same})`, async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const handlers = compiled({ ...plain, burst: 3, only_use_default_delay: same });
    assert.deepEqual([begin(handlers)[1], begin(handlers)[1]], [0, 0]);
    let passed = 0;
    const waiting = waits.map(async () => {
      assert.equal(await handlers.access?.(buildRequest()), undefined);
      passed++;
    });
    assert.equal(begin(handlers)[1], 503);
    let now = 0;
    for (const at of waits) {
      t.mock.timers.tick(at - now);
      now = at;
      await Promise.all(waiting.filter((_, index) => (waits[index] ?? 0) <= now));
      assert.equal(passed, waits.filter((wait) => wait <= now).length);
    }
  });
}

test("rules: each limits by its own key, and a refusal by one gives back what the others hold", () => {
  const rules = [
    { conn: 2, burst: 0, key: "$remote_addr" },
    { conn: "${http_x_most ?? 1}", burst: 0, key: "$http_x_user" },
  ];
  const handlers = compiled({ default_conn_delay: 1, rules });
  const ann = { headers: [["X-User", "ann"]] } as const;
  const [held] = begin(handlers, ann);
  const [refused, status] = begin(handlers, ann);
  assert.equal(status, 503);
  handlers.log?.(refused);
  assert.equal(begin(handlers)[1], 0);
  assert.equal(begin(handlers)[1], 503);
  handlers.log?.(held);
  assert.equal(
    begin(handlers, {
      headers: [
        ["X-User", "ann"],
        ["X-Most", "no"],
      ],
    })[1],
    500,
  );
});

test("where there is no room to count, allow_degradation decides; a node needs a port", () => {
  assert.equal(begin(compileChecked(limitConn, plain))[1], 500);
  assert.equal(begin(compileChecked(limitConn, { ...plain, allow_degradation: true }))[1], 0);
  assert.throws(
    () => compiled({ ...plain, policy: "redis-cluster", redis_cluster_nodes: ["127.0.0.1"], redis_cluster_name: "c" }),
    /redis_cluster_nodes: 127.0.0.1 is no host:port/,
  );
});
