import { definePlugin } from "../../src/plugin/plugin.ts";

/**
 * Plugins with the cost of two that the gateway does not have yet: what they count is
 * shared memory as it will be, what they answer is what APISIX's answer.
 */

/** Rows of the counters' table; a power of two. */
const ROWS = 4_096;

/** As limit-count: a counter for the client's address, found by hash in shared memory, and three headers. */
export const counterStandIn = definePlugin({
  name: "counter-stand-in",
  priority: 1002,
  version: "0.1",
  schema: { type: "object", properties: { count: { type: "integer" } }, required: ["count"] },
  compile({ count }) {
    const counters = new Int32Array(new SharedArrayBuffer(ROWS * 4));
    const limit = String(count);
    return {
      access(ctx) {
        const used = Atomics.add(counters, rowOf(ctx.remoteAddr), 1) + 1;
        ctx.values.set("counter-stand-in", count - used);
      },
      header_filter(ctx, head) {
        head.setHeader("X-RateLimit-Limit", limit);
        head.setHeader("X-RateLimit-Remaining", String(ctx.values.get("counter-stand-in")));
        head.setHeader("X-RateLimit-Reset", "60");
      },
    };
  },
});

/** FNV-1a of the key, as a row. */
function rowOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash & (ROWS - 1);
}

/** Upper bounds of prometheus' default buckets in APISIX, milliseconds. */
const BOUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
/** Requests, bytes in, bytes out; then three histograms: buckets, sum and count. */
const PER_SERIES = 3 + 3 * (BOUNDS.length + 3);

/** As prometheus: a status counter, two of bytes and three latency histograms by route, status, consumer and node. */
export const histogramStandIn = definePlugin({
  name: "histogram-stand-in",
  priority: 500,
  version: "0.1",
  schema: { type: "object", properties: {} },
  compile() {
    const cells = new BigInt64Array(new SharedArrayBuffer(1_024 * PER_SERIES * 8));
    const series = new Map<string, number>();
    return {
      log(ctx) {
        const attempt = ctx.attempts.at(-1);
        const labels = `${ctx.route.id}|${ctx.status}|${ctx.consumer?.username ?? ""}|${attempt?.address ?? ""}`;
        let at = series.get(labels);
        if (at === undefined) {
          at = series.size * PER_SERIES;
          series.set(labels, at);
        }
        Atomics.add(cells, at, 1n);
        Atomics.add(cells, at + 1, BigInt(ctx.requestLength));
        Atomics.add(cells, at + 2, BigInt(ctx.bytesSent));
        const total = ctx.requestTime * 1_000;
        const upstream = attempt === undefined ? 0 : attempt.responseTime * 1_000;
        observe(cells, at + 3, total);
        observe(cells, at + 3 + BOUNDS.length + 3, upstream);
        observe(cells, at + 3 + 2 * (BOUNDS.length + 3), total - upstream);
      },
    };
  },
});

function observe(cells: BigInt64Array, at: number, milliseconds: number): void {
  let bucket = 0;
  while (bucket < BOUNDS.length && milliseconds > BOUNDS[bucket]!) bucket++;
  Atomics.add(cells, at + bucket, 1n);
  Atomics.add(cells, at + BOUNDS.length + 1, BigInt(Math.round(milliseconds * 1_000)));
  Atomics.add(cells, at + BOUNDS.length + 2, 1n);
}
