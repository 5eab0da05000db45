import assert from "node:assert/strict";
import { test } from "node:test";
import { HEALTH_WORDS, HealthTable } from "../board/health-table.ts";
import { UpstreamWatch } from "./upstream-watch.ts";

const checks = {
  active: {
    type: "tcp",
    timeout: 1,
    concurrency: 1,
    http_path: "/",
    healthy: { interval: 60, http_statuses: [200], successes: 1 },
    unhealthy: { interval: 60, http_statuses: [500], http_failures: 1, tcp_failures: 1, timeouts: 1 },
  },
};

test("upstreams inside plugins are checked as long as they stand there", (t) => {
  const watch = new UpstreamWatch({
    table: new HealthTable(new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4))),
    dns: { servers: [], validSeconds: null, timeoutMs: 1_000, search: false } as never,
    discovery: { dns: null, consul: null, kubernetes: [] },
    trustedCertificates: null,
    serverName: true,
    healthChecksOff: false,
    publish: () => undefined,
    discovered: () => undefined,
    checked: () => undefined,
    log: { warn: () => undefined, notice: () => undefined },
  });
  t.after(() => watch.close());
  const upstream = { type: "roundrobin", scheme: "http", nodes: { "127.0.0.1:1": 1, "127.0.0.1:2": 1 }, checks };
  const set = (kind: "routes" | "global_rules", id: string, split: object | null): readonly string[] => {
    const plugins = split === null ? {} : { "traffic-split": split };
    watch.apply([{ kind, id, text: JSON.stringify({ id, plugins }) }]);
    return watch.health("").map(({ name }) => name);
  };
  const rule = { weighted_upstreams: [{ weight: 1 }, { upstream }] };
  assert.deepEqual(set("routes", "1", { rules: [rule] }), ["/routes/1/traffic-split/0.1"]);
  const both = ["/routes/1/traffic-split/0.1", "/global_rules/g/traffic-split/1.1"];
  assert.deepEqual(set("global_rules", "g", { rules: [{}, rule] }), both);
  assert.deepEqual(set("routes", "1", { rules: [rule], _meta: { disable: true } }), [both[1]]);
  assert.deepEqual(set("global_rules", "g", null), []);
});
