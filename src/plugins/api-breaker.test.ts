import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt } from "../plugin/context.ts";
import { buildRequest } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { apiBreaker } from "./api-breaker.ts";
import { buildCounters, buildEnv, compileChecked } from "./checked-plugin.ts";

const SECOND = 1_000_000;

function compiled(conf: object, clock = { us: 0 }): PluginHandlers {
  const counters = buildCounters(clock);
  return compileChecked(apiBreaker, { break_response_code: 502, ...conf }, { ...buildEnv(), counters });
}

const node = { address: "a:1", named: "a:1", scheme: "http", host: "a" };

/** Sends a request to which the upstream answers `status`; 0: it was not asked. */
function send(handlers: PluginHandlers, status: number, target = "/"): number {
  const attempt: Attempt = { ...node, status, connectTime: 0, headerTime: 0, responseTime: 0 };
  const broken = handlers.access?.(buildRequest({ target })) !== undefined;
  handlers.log?.(buildRequest({ target, attempts: broken ? [] : [attempt] }));
  return broken ? 0 : status;
}

const times = (count: number, one: () => number): number[] => Array.from({ length: count }, one);

test("after so many failures there is a break, twice as long each time, up to the longest", () => {
  const clock = { us: 1_000 * SECOND };
  const handlers = compiled({ max_breaker_sec: 10, unhealthy: { failures: 2 } }, clock);
  for (const length of [2, 4, 8, 10, 10]) {
    assert.deepEqual(
      times(3, () => send(handlers, 500)),
      [500, 500, 0],
    );
    clock.us += length * SECOND;
    assert.equal(send(handlers, 500), 0, "the last second counts whole");
    clock.us += SECOND;
  }
});

test("successes in a row after a break forget it, and failures before one", () => {
  const clock = { us: 1_000 * SECOND };
  const handlers = compiled({ unhealthy: { failures: 2 }, healthy: { successes: 2 } }, clock);
  times(2, () => send(handlers, 500));
  clock.us += 3 * SECOND;
  assert.deepEqual(
    [send(handlers, 200), send(handlers, 500), send(handlers, 200), send(handlers, 200)],
    [200, 500, 200, 200],
  );
  times(2, () => send(handlers, 500));
  clock.us += 3 * SECOND;
  assert.equal(send(handlers, 500), 500, "the first break again");
});

test("other statuses, other paths and other hosts count for nothing", () => {
  const handlers = compiled({ unhealthy: { http_statuses: [500], failures: 1 } });
  assert.deepEqual(
    [send(handlers, 503), send(handlers, 404), send(handlers, 500, "/a?x"), send(handlers, 500, "/a")],
    [503, 404, 500, 0],
  );
  assert.equal(send(handlers, 200, "/b"), 200);
  const other = buildRequest({ target: "/a", headers: [["Host", "other"]] });
  assert.equal(handlers.access?.(other), undefined);
});

test("failures of requests sent before a break do not make it longer", () => {
  const clock = { us: 1_000 * SECOND };
  const handlers = compiled({ unhealthy: { failures: 1 } }, clock);
  const attempts = [{ ...node, status: 500, connectTime: 0, headerTime: 0, responseTime: 0 }];
  for (let i = 0; i < 5; i++) handlers.log?.(buildRequest({ attempts }));
  clock.us += 3 * SECOND;
  assert.equal(send(handlers, 500), 500);
});

test("the answer of a break has the configured body, and headers with variables", () => {
  const headers = [{ key: "X_Host", value: "$host" }];
  const handlers = compiled({
    break_response_code: 599,
    break_response_body: '{"broken":true}',
    break_response_headers: headers,
    unhealthy: { failures: 1 },
  });
  send(handlers, 500);
  const expected: Reply = { status: 599, headers: [["X-Host", "127.0.0.1"]], body: '{"broken":true}' };
  assert.deepEqual(handlers.access?.(buildRequest()), expected);
  const withoutBody = compiled({ break_response_headers: headers, unhealthy: { failures: 1 } });
  send(withoutBody, 500);
  assert.deepEqual(withoutBody.access?.(buildRequest()), { status: 502, headers: [], body: "" });
});

test("what cannot be counted or sent is refused", () => {
  assert.throws(() => compiled({ unhealthy: { failures: 1_000_000 } }), /more than 524288/);
  assert.throws(() => compiled({ break_response_headers: [{ key: "a b", value: "c" }] }), /not a header's name/);
});
