import assert from "node:assert/strict";
import { test } from "node:test";
import { startDns } from "../../../test/support/dns.ts";
import type { DiscoverySettings } from "../../settings/settings.ts";
import { createLookup } from "./lookup.ts";

const dnsSettings = { servers: [], validMs: null, timeoutMs: 30_000, search: true, ipv6: true };
const none = {
  changed: () => undefined,
  listed: () => undefined,
  authorities: () => [],
  log: { warn: () => undefined },
};
const nowhere: DiscoverySettings = { dns: null, consul: null, kubernetes: [] };

test("services in the DNS: SRV records turned into nodes, a port in the name wins", async (t) => {
  const dns = await startDns(t);
  dns.answers.set("srv.example", [
    { type: "SRV", value: "10 60 1980 a.example", ttl: 40 },
    { type: "SRV", value: "0 20 1981 b.example", ttl: 40 },
  ]);
  dns.answers.set("a.example", [{ type: "A", value: "10.0.0.1", ttl: 40 }]);
  dns.answers.set("b.example", [{ type: "A", value: "10.0.0.2", ttl: 40 }]);
  const { look } = createLookup(
    dnsSettings,
    { ...nowhere, dns: { servers: [{ ip: "127.0.0.1", port: dns.port }], resolvConf: null, order: ["SRV", "A"] } },
    none,
  );
  assert.deepEqual(await look("dns/srv.example"), {
    targets: [
      { host: "10.0.0.1", port: 1980, weight: 60, priority: -10 },
      { host: "10.0.0.2", port: 1981, weight: 20, priority: 0 },
    ],
    ttlMs: 40_000,
  });
  for (const [service, host, port] of [
    ["127.0.0.1:1980", "127.0.0.1", 1980],
    ["10.0.0.9", "10.0.0.9", null],
    ["[::1]:80", "::1", 80],
    ["::1", "::1", null],
  ] as const) {
    const found = await look(`dns/${service}`);
    assert.deepEqual("targets" in found && found.targets, [{ host, port, weight: 1, priority: 0 }], service);
  }
  assert.deepEqual(await look("dns/a.example:70000"), { failure: "70000 is no port", answered: true });
  assert.deepEqual(await look("dns/a.example:8080"), {
    targets: [{ host: "10.0.0.1", port: 8080, weight: 1, priority: 0 }],
    ttlMs: 40_000,
  });
});

test("a source that is not configured says so", async () => {
  const { look } = createLookup(dnsSettings, nowhere, none);
  assert.deepEqual(await look("consul/shop"), {
    failure: "discovery.consul is not configured in config.yaml",
    gone: true,
  });
});
