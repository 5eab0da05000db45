import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { hashText } from "../lib/hash-text.ts";
import { HEALTH_CAPACITY, HEALTH_WORDS, HealthTable } from "../board/health-table.ts";
import type { HealthChecks } from "../schema/health-check.ts";
import {
  activeJudgement,
  countOf,
  eventOf,
  failureEventOf,
  judge,
  passiveJudgement,
  statusText,
  type HealthEvent,
  type HealthLimits,
  type Judgement,
} from "./health.ts";

const events = ["success", "http", "tcp", "timeout"] as const;

/** The rules as they are documented: counts of events in a row. */
class Model {
  healthy = true;
  readonly counts: Record<HealthEvent, number> = { success: 0, http: 0, tcp: 0, timeout: 0 };

  happen(event: HealthEvent, limits: HealthLimits): void {
    const { counts } = this;
    if (limits[event] === 0) return;
    if (event === "success") {
      if (this.healthy && counts.http + counts.tcp + counts.timeout === 0) return;
      Object.assign(counts, { http: 0, tcp: 0, timeout: 0, success: this.healthy ? 0 : counts.success + 1 });
      if (counts.success >= limits.success && !this.healthy) this.healthy = true;
    } else {
      counts.success = 0;
      if (!this.healthy) return;
      counts[event]++;
      if (counts[event] >= limits[event]) this.healthy = false;
    }
  }
}

test("the judgement agrees with the rules through every sequence of events", () => {
  const limit = fc.integer({ min: 0, max: 4 });
  fc.assert(
    fc.property(
      fc.record({ success: limit, http: limit, tcp: limit, timeout: limit }),
      fc.array(fc.constantFrom(...events), { maxLength: 60 }),
      (limits, sequence) => {
        const model = new Model();
        let state = { counts: 0, healthy: true };
        for (const event of sequence) {
          state = judge(state.counts, state.healthy, event, limits);
          model.happen(event, limits);
          assert.equal(state.healthy, model.healthy);
          assert.deepEqual(
            events.map((one) => countOf(state.counts, one)),
            events.map((one) => model.counts[one]),
          );
        }
      },
    ),
  );
});

test("the words for states", () => {
  const limits = { success: 2, http: 2, tcp: 2, timeout: 2 };
  let state = { counts: 0, healthy: true };
  const seen = [statusText(state)];
  for (const event of ["http", "http", "success", "success", "timeout", "success"] as const) {
    state = judge(state.counts, state.healthy, event, limits);
    seen.push(statusText(state));
  }
  const expected = [
    "healthy",
    "mostly_healthy",
    "unhealthy",
    "mostly_unhealthy",
    "healthy",
    "mostly_healthy",
    "healthy",
  ];
  assert.deepEqual(seen, expected);
});

test("the largest counts that can be configured do not run into each other", () => {
  const limits = { success: 254, http: 254, tcp: 254, timeout: 254 };
  let state = { counts: 0, healthy: true };
  for (let i = 0; i < 253; i++) {
    for (const event of ["http", "tcp", "timeout"] as const) state = judge(state.counts, state.healthy, event, limits);
  }
  assert.deepEqual(
    events.map((event) => countOf(state.counts, event)),
    [0, 253, 253, 253],
  );
  assert.equal(state.healthy, true);
  assert.equal(judge(state.counts, true, "timeout", limits).healthy, false);
});

test("a part that is absent has the counts of APISIX; without `passive` requests say nothing", () => {
  const active = activeJudgement({ active: {} } as unknown as HealthChecks);
  assert.deepEqual(active.limits, { success: 2, http: 5, tcp: 2, timeout: 3 });
  assert.deepEqual([eventOf(200, active), eventOf(404, active), eventOf(403, active)], ["success", "http", null]);
  assert.equal(passiveJudgement({ active: {} } as unknown as HealthChecks), null);
  const passive = passiveJudgement({ active: {}, passive: { type: "http" } } as unknown as HealthChecks);
  assert.deepEqual(passive?.limits, { success: 5, http: 5, tcp: 2, timeout: 7 });
  assert.deepEqual([eventOf(301, passive!), eventOf(429, passive!), eventOf(502, passive!)], ["success", "http", null]);
});

test("failed requests that are not counted as such count as their status, where that is a failure", () => {
  const judgement = (unhealthy: object): Judgement =>
    passiveJudgement({ passive: { unhealthy } } as unknown as HealthChecks)!;
  const statuses = { http_statuses: [502], http_failures: 1 };
  const uncounted = judgement({ ...statuses, tcp_failures: 0, timeouts: 0 });
  assert.equal(failureEventOf("tcp", uncounted), "http");
  assert.equal(failureEventOf("timeout", uncounted), "timeout");
  assert.equal(failureEventOf("tcp", judgement({ ...statuses, tcp_failures: 2, timeouts: 0 })), "tcp");
});

const newTable = (): HealthTable => new HealthTable(new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4)));

test("the table: places are found, kept, given back, and never mixed up", () => {
  const key = fc.integer({ min: 0, max: 40 }).map((n) => `upstreams/${n} 10.0.0.${n}:80`);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("claim", "release", "fail"), key), { maxLength: 200 }), (steps) => {
      const words = new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4));
      const table = new HealthTable(words);
      const model = new Map<string, number>();
      for (const [step, name] of steps) {
        if (step === "claim") {
          assert.ok(table.claim(name) >= 0);
          if (!model.has(name)) model.set(name, 0);
        } else if (step === "release") {
          if (model.delete(name)) table.release(table.find(name));
        } else if (model.has(name)) {
          table.update(table.find(name), (counts, healthy) => ({ counts: counts + 1, healthy }));
          model.set(name, model.get(name)! + 1);
        }
      }
      assert.equal(table.taken, model.size);
      for (const [name, failures] of model) {
        const place = table.find(name);
        assert.ok(table.owns(place, name));
        assert.deepEqual(table.read(place), { counts: failures, healthy: true });
      }
      assert.equal(table.find("nobody"), -1);
      table.retain(new Set([...model.keys()].slice(0, 1).map((name) => table.find(name))));
      assert.equal(table.taken, Math.min(1, model.size));
      table.retain(new Set());
      assert.ok(
        words.every((word, i) => i % 4 > 1 || word === 0),
        "nothing is left that searches go on behind",
      );
    }),
    { numRuns: 30 },
  );
});

test("keys of which half of the hash is the same have places of their own", () => {
  const [one, other] = ["upstreams/esxylo 10.0.0.64:80", "upstreams/d18lbo 10.0.0.208:80"];
  assert.equal(hashText(one), hashText(other));
  const table = newTable();
  assert.notEqual(table.claim(one), table.claim(other));
});

test("a full table gives no more places and goes on finding those that are taken", () => {
  const table = newTable();
  let given = 0;
  while (table.claim(`n${given}`) >= 0) given++;
  assert.equal(given, Math.floor(HEALTH_CAPACITY * 0.9));
  assert.ok(table.find("n0") >= 0);
  assert.equal(table.find("one more"), -1);
  table.release(table.find("n1"));
  assert.ok(table.claim("one more") >= 0);
  assert.equal(table.claim("another"), -1);
});
