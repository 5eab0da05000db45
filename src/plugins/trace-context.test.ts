import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { compileSampler } from "./opentelemetry-sampler.ts";
import { parseB3, parseTraceparent, randomSpanId, randomTraceId, traceparent } from "./trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

test("traceparent is read as strictly as it is specified", () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-02`), { traceId, spanId, sampled: false });
  // A later version may say more.
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01-what`), { traceId, spanId, sampled: true });
  const bad = [
    undefined,
    "",
    `00-${traceId}-${spanId}-01-what`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
  ];
  for (const value of bad) assert.equal(parseTraceparent(value), null, String(value));
});

test("what is written is read again, whatever the ids", () => {
  fc.assert(
    fc.property(fc.boolean(), (sampled) => {
      const parent = { traceId: randomTraceId(), spanId: randomSpanId(), sampled };
      assert.deepEqual(parseTraceparent(traceparent(parent)), parent);
    }),
    { numRuns: 20 },
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseTraceparent(text);
      parseB3(() => text);
    }),
  );
  // B3 knows trace ids of 64 bits.
  assert.equal(traceparent({ traceId: spanId, spanId, sampled: true }), `00-${"0".repeat(16)}${spanId}-${spanId}-01`);
});

test("B3 comes in one header or in several; what is not valid counts as absent", () => {
  const b3 = (headers: Record<string, string>) => parseB3((name) => headers[name]);
  const nothing = { traceId: null, spanId: null, sampled: null };
  assert.deepEqual(b3({}), nothing);
  assert.deepEqual(b3({ b3: `${traceId}-${spanId}-1-${spanId}` }), { traceId, spanId, sampled: true });
  assert.deepEqual(b3({ b3: `${traceId}-${spanId}` }), { traceId, spanId, sampled: null });
  assert.deepEqual(b3({ b3: "0" }), { ...nothing, sampled: false });
  assert.deepEqual(b3({ b3: "d" }), { ...nothing, sampled: true });
  assert.deepEqual(b3({ b3: "x-y-z-a-b" }), nothing);
  const several = { "x-b3-traceid": spanId, "x-b3-spanid": spanId.toUpperCase() };
  assert.deepEqual(b3(several), { traceId: spanId, spanId, sampled: null });
  assert.deepEqual(b3({ ...several, "x-b3-sampled": "0" }), { traceId: spanId, spanId, sampled: false });
  assert.deepEqual(b3({ ...several, "x-b3-sampled": "0", "x-b3-flags": "1" }).sampled, true);
  assert.deepEqual(b3({ ...several, "x-b3-spanid": "1\r\nX: y" }), nothing);
  assert.deepEqual(b3({ ...several, "x-b3-traceid": "0".repeat(16) }), nothing);
});

test("samplers", () => {
  const high = "f".repeat(32);
  const low = `${"f".repeat(19)}${"0".repeat(12)}1`;
  const decisions = (conf: Parameters<typeof compileSampler>[0]): boolean[] => {
    const sampler = compileSampler(conf);
    return [sampler(high, null), sampler(low, null), sampler(high, true), sampler(low, false)];
  };
  assert.deepEqual(decisions({ name: "always_on" }), [true, true, true, true]);
  assert.deepEqual(decisions({ name: "always_off" }), [false, false, false, false]);
  assert.deepEqual(decisions({ name: "trace_id_ratio", options: { fraction: 0.5 } }), [false, true, false, true]);
  assert.deepEqual(decisions({ name: "trace_id_ratio", options: { fraction: 1 } }), [true, true, true, true]);
  assert.deepEqual(decisions({ name: "trace_id_ratio", options: { fraction: 0 } }), [false, false, false, false]);
  assert.deepEqual(decisions({ name: "parent_base" }), [false, false, true, false]);
  const root = { name: "trace_id_ratio", options: { fraction: 0.5 } } as const;
  assert.deepEqual(decisions({ name: "parent_base", options: { root } }), [false, true, true, false]);
});
