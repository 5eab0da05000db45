import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { instance, startConsul } from "../../test/support/consul.ts";
import { HEALTH_WORDS, HealthTable } from "../board/health-table.ts";
import type { Change } from "../schema/kinds.ts";
import type { ConsulSettings } from "../settings/settings.ts";
import type { StagedEntry } from "../store/stage.ts";
import { UpstreamWatch, type UpstreamWatchParts } from "./upstream-watch.ts";

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

function watching(
  t: TestContext,
  consul: ConsulSettings | null,
  publish: UpstreamWatchParts["publish"],
): UpstreamWatch {
  const watch = new UpstreamWatch({
    table: new HealthTable(new Int32Array(new SharedArrayBuffer(HEALTH_WORDS * 4))),
    dns: { servers: [], validMs: null, timeoutMs: 1_000, search: false, ipv6: true },
    discovery: { dns: null, consul, kubernetes: [] },
    trustedCertificates: null,
    serverName: true,
    healthChecksOff: false,
    publish,
    discovered: () => undefined,
    checked: () => undefined,
    log: { warn: () => undefined, notice: () => undefined },
  });
  t.after(() => watch.close());
  return watch;
}

test("a change waits for the services that it names, but not for long, and not again", async (t) => {
  const consul = await startConsul(t, [instance("10.0.0.1", 80)], 7);
  const published: string[] = [];
  const watch = watching(
    t,
    {
      servers: [consul.url],
      token: null,
      answerMs: 30_000,
      waitMs: 60_000,
      intervalMs: 60_000,
      weight: 1,
      skipped: [],
      fallback: null,
    },
    ({ entries }) => published.push(...entries.map(([key]) => key)),
  );
  const naming = (service: unknown, type = "consul"): readonly StagedEntry[] => {
    const raw = JSON.stringify({ upstream: { discovery_type: type, service_name: service } });
    const content = {
      state: "read",
      raw,
      read: () => JSON.parse(raw) as unknown,
      references: new Set<string>(),
    } as const;
    return [{ kind: "routes", key: "routes/1", id: "1", content }];
  };
  assert.equal(watch.prepare(naming("shop")), null, "the first load does not wait");
  watch.apply([]);
  for (const type of ["dns", "none"]) assert.equal(watch.prepare(naming("shop", type)), null, "not configured");
  for (const service of [null, {}]) assert.equal(watch.prepare(naming(service)), null, "what is no name");
  await watch.prepare(naming("shop"));
  assert.deepEqual(published, ["consul/shop"]);
  assert.equal(watch.prepare(naming("shop")), null);
  // From here on every answer is held back.
  consul.silent = true;
  await watch.prepare(naming("slow"));
  assert.equal(watch.prepare(naming("slower")), null);
});

test("a service that moves from one upstream to another keeps its nodes; one that is gone is forgotten after the change", async (t) => {
  const consul = await startConsul(t, [instance("10.0.0.1", 80)], 7);
  const published: string[] = [];
  let told = (): void => undefined;
  const settings = { token: null, answerMs: 30_000, waitMs: 60_000, intervalMs: 60_000, weight: 1 };
  const watch = watching(t, { ...settings, servers: [consul.url], skipped: [], fallback: null }, ({ entries }) => {
    published.push(...entries.map(([key, targets]) => `${key} ${targets?.length ?? "gone"}`));
    told();
  });
  const naming = (id: string, service: string): Change => {
    const text = JSON.stringify({ id, discovery_type: "consul", service_name: service });
    return { kind: "upstreams", id, text };
  };
  const next = async (): Promise<void> => await new Promise((resolve) => (told = resolve));
  watch.apply([naming("1", "blue"), naming("2", "green")]);
  while (published.length < 2) await next();
  assert.deepEqual(published.splice(0).sort(), ["consul/blue 1", "consul/green 1"]);
  watch.apply([naming("1", "green"), naming("2", "blue")]);
  await setImmediate();
  assert.deepEqual(published, []);
  watch.apply([naming("1", "blue")]);
  // The workers do not have the change yet, and still send requests to what it gives up.
  assert.deepEqual(published, []);
  await setImmediate();
  assert.deepEqual(published, ["consul/green gone"]);
});

test("upstreams inside plugins are checked as long as they stand there", (t) => {
  const watch = watching(t, null, () => undefined);
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
