import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead, type FakeRequestOptions } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { buildCounters, buildEnv, compileChecked } from "./checked-plugin.ts";
import { limitCount } from "./limit-count.ts";

const SECOND = 1_000_000;
const NO_CHECK = { plugin: () => undefined, schemaFault: () => null };

function compiled(conf: object, clock = { us: 0 }): PluginHandlers {
  return compileChecked(limitCount, conf, { ...buildEnv(), counters: buildCounters(clock) });
}

/** The status of the answer, 0 where the request passes, and the headers that were set. */
function send(handlers: PluginHandlers, options: FakeRequestOptions = {}): readonly [number, ...string[]] {
  const request = buildRequest(options);
  const answer = handlers.access?.(request) as Reply | undefined;
  const head = buildResponseHead();
  handlers.header_filter?.(request, head);
  return [answer?.status ?? 0, ...head.list.map(([name, value]) => `${name}: ${value}`)];
}

const status = (handlers: PluginHandlers, options: FakeRequestOptions = {}): number => send(handlers, options)[0];

const quota = (limit: number, remaining: number, reset: number, name = "RateLimit"): string[] => [
  `X-${name}-Limit: ${limit}`,
  `X-${name}-Remaining: ${remaining}`,
  `X-${name}-Reset: ${reset}`,
];

test("so many pass in a window that begins with the first request", () => {
  const clock = { us: 5 * SECOND };
  const handlers = compiled({ count: 2, time_window: 60 }, clock);
  assert.deepEqual(send(handlers), [0, ...quota(2, 1, 60)]);
  clock.us += 1_234_000;
  assert.deepEqual(send(handlers), [0, ...quota(2, 0, 59)]);
  assert.deepEqual(send(handlers), [503, ...quota(2, 0, 59)]);
  assert.equal(status(handlers, { remoteAddr: "10.0.0.9" }), 0);
  clock.us = 65 * SECOND;
  assert.deepEqual(send(handlers), [0, ...quota(2, 1, 60)]);
});

test("a refusal has the configured status and message, and no headers where they are not shown", () => {
  const conf = {
    count: 1,
    time_window: 1,
    rejected_code: 429,
    rejected_msg: "slow down",
    show_limit_quota_header: false,
  };
  const handlers = compiled(conf);
  assert.deepEqual(send(handlers), [0]);
  assert.deepEqual(handlers.access?.(buildRequest()), {
    status: 429,
    headers: [],
    body: '{"error_msg":"slow down"}\n',
  });
});

test("a key is a variable, several, or a text; without a value it is the address", () => {
  const header = (name: string, value: string): FakeRequestOptions => ({ headers: [[name, value]] });
  const byHeader = compiled({ count: 1, time_window: 9, key: "http_x_user" });
  assert.equal(status(byHeader, header("X-User", "a")), 0);
  assert.equal(status(byHeader, header("X-User", "a")), 503);
  assert.equal(status(byHeader, header("X-User", "b")), 0);
  assert.deepEqual([status(byHeader), status(byHeader), status(byHeader, { remoteAddr: "10.0.0.1" })], [0, 503, 0]);

  const byTwo = compiled({ count: 1, time_window: 9, key_type: "var_combination", key: "$http_x_a $http_x_b" });
  assert.equal(status(byTwo, header("X-A", "1")), 0);
  assert.equal(status(byTwo, header("X-B", "1")), 0);
  assert.deepEqual([status(byTwo, header("X-A", "1")), status(byTwo), status(byTwo)], [503, 0, 503]);

  const constant = compiled({ count: 1, time_window: 9, key_type: "constant", key: "all" });
  assert.deepEqual([status(constant), status(constant, { remoteAddr: "10.0.0.1" })], [0, 503]);
});

test("count and time_window may be variables; what is no number fails unless degradation is allowed", () => {
  const conf = { count: "${http_x_count ?? 2}", time_window: "60", key: "http_x_k" };
  const of = (key: string, count?: string): FakeRequestOptions => ({
    headers: [["X-K", key], ...(count === undefined ? [] : [["X-Count", count] as const])],
  });
  const handlers = compiled(conf);
  assert.deepEqual(send(handlers, of("1")), [0, ...quota(2, 1, 60)]);
  assert.deepEqual(send(handlers, of("2", "1")), [0, ...quota(1, 0, 60)]);
  assert.equal(status(handlers, of("2", "1")), 503);
  for (const count of ["abc", "0", "-1", "1.5", "1e3", "99999999999999999", ""]) {
    assert.deepEqual(send(handlers, of("3", count)), [500], count);
  }
  assert.equal(status(compiled({ ...conf, allow_degradation: true }), of("3", "abc")), 0);
});

test("rules: each counts for itself, the first that is reached refuses, without its key a rule is left out", () => {
  const rules = [
    { count: 1, time_window: 10, key: "$http_x_a", header_prefix: "A" },
    { count: 2, time_window: 20, key: "$remote_addr" },
    { count: 1, time_window: 10, key: "no variable" },
  ];
  const handlers = compiled({ rules });
  const withA = { headers: [["X-A", "1"]] } as const;
  assert.deepEqual(send(handlers, withA), [0, ...quota(1, 0, 10, "A-RateLimit"), ...quota(2, 1, 20, "2-RateLimit")]);
  assert.deepEqual(send(handlers, withA), [503, ...quota(1, 0, 10, "A-RateLimit")]);
  assert.deepEqual(send(handlers), [0, ...quota(2, 0, 20, "2-RateLimit")]);
  assert.equal(status(handlers), 503);
  assert.throws(() => compiled({ rules: [{ ...rules[0], header_prefix: "a b" }] }), /header_prefix/);
});

test("a sliding window counts what passed in the one before, for the part that is still near", () => {
  const clock = { us: 100 * SECOND };
  const handlers = compiled({ count: 10, time_window: 10, window_type: "sliding" }, clock);
  for (let i = 0; i < 10; i++) assert.equal(status(handlers), 0);
  assert.deepEqual(send(handlers), [503, ...quota(10, 0, 10)]);
  clock.us += 15 * SECOND;
  const passed = Array.from({ length: 8 }, () => status(handlers)).filter((status) => status === 0);
  assert.equal(passed.length, 5, "half of the window before counts");
  clock.us += 30 * SECOND;
  assert.deepEqual(send(handlers), [0, ...quota(10, 9, 5)]);
});

test("routes of one group count together, others do not", () => {
  const counters = buildCounters();
  const conf = { count: 1, time_window: 9, group: "g" };
  const [one, two] = [1, 2].map(() =>
    compileChecked(limitCount, conf, { ...buildEnv(), counters: counters.named("r") }),
  );
  const other = compileChecked(limitCount, { ...conf, group: "h" }, { ...buildEnv(), counters });
  const higher = compileChecked(limitCount, { ...conf, count: 2 }, { ...buildEnv(), counters });
  assert.deepEqual(
    [one, two, other, higher].map((handlers) => status(handlers as PluginHandlers)),
    [0, 503, 0, 0],
  );
});

test("the metadata names the headers of a limit without rules", () => {
  const env = { ...buildEnv(), counters: buildCounters(), metadata: { limit_header: "L", reset_header: "R" } };
  const conf = { time_window: 9, count: 2 };
  assert.deepEqual(send(compileChecked(limitCount, conf, env)), [0, "L: 2", "X-RateLimit-Remaining: 1", "R: 9"]);
  const rules = { rules: [{ ...conf, key: "$remote_addr" }] };
  assert.deepEqual(send(compileChecked(limitCount, rules, env)), [0, ...quota(2, 1, 9, "1-RateLimit")]);
});

test("where there is no room to count, allow_degradation decides", () => {
  const conf = { count: 1, time_window: 9 };
  const answer = compileChecked(limitCount, conf).access?.(buildRequest()) as Reply | undefined;
  assert.deepEqual([answer?.status, answer?.body], [500, '{"error_msg":"failed to limit count"}\n']);
  assert.equal(status(compileChecked(limitCount, { ...conf, allow_degradation: true })), 0);
});

test("what no Redis can be asked with is refused", () => {
  const conf = {
    count: 1,
    time_window: 9,
    policy: "redis-cluster",
    redis_cluster_nodes: ["127.0.0.1"],
    redis_cluster_name: "c",
  };
  assert.throws(() => compiled(conf), /redis_cluster_nodes: 127.0.0.1 is no host:port/);
  const delayed = { count: 1, time_window: 9, policy: "redis", redis_host: "127.0.0.1" };
  const fault = (more: object): unknown => limitCount.checkConf?.({ ...delayed, ...more }, NO_CHECK);
  assert.match(String(fault({ sync_interval: 0.05 })), /^sync_interval should not be smaller than 0.1$/);
  assert.match(String(fault({ sync_interval: 10 })), /^sync_interval should be smaller than time_window$/);
  const rules = [{ key: "a", count: 1, time_window: 1 }];
  assert.match(String(fault({ time_window: undefined, rules, sync_interval: 2 })), /time_window/);
  for (const fine of [{ sync_interval: -1 }, { sync_interval: 9 }, { policy: "local", sync_interval: 0 }]) {
    assert.equal(fault(fine), null);
  }
  const year = { ...delayed, time_window: 31_536_000, sync_interval: 86_401 };
  assert.throws(() => compiled(year), /sync_interval: expected -1, or seconds from 0.1 to 86400/);
});
