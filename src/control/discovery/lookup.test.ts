import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { startDns } from "../../../test/support/dns.ts";
import type { DiscoverySettings } from "../../settings/settings.ts";
import { createLookup } from "./lookup.ts";

const dnsSettings = { servers: [], validMs: null, timeoutMs: 100, search: true };
const none = { changed: () => undefined, log: { warn: () => undefined } };
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
    { ...nowhere, dns: { servers: [{ ip: "127.0.0.1", port: dns.port }] } },
    none,
  );
  assert.deepEqual(await look("dns/srv.example"), {
    targets: [
      { host: "10.0.0.1", port: 1980, weight: 60, priority: -10 },
      { host: "10.0.0.2", port: 1981, weight: 20, priority: 0 },
    ],
    ttlMs: 40_000,
  });
  assert.deepEqual(await look("dns/a.example:8080"), {
    targets: [{ host: "10.0.0.1", port: 8080, weight: 1, priority: 0 }],
    ttlMs: 40_000,
  });
});

/** A stand-in of Consul that answers one path. */
async function consulWith(
  t: TestContext,
  answer: { status?: number; text: string },
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${String(request.headers["x-consul-token"])}`);
    response.writeHead(answer.status ?? 200).end(answer.text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const row = (address: string, port: number, weights?: object): object => ({
  Node: { Node: "n1", Address: "10.0.0.9" },
  Service: { ID: "x", Service: "shop", Address: address, Port: port, Weights: weights },
  Checks: [{ Status: "passing" }],
});

test("services in Consul: passing instances, the next server where one does not answer", async (t) => {
  const rows = [row("10.0.0.2", 81, { Passing: 10, Warning: 1 }), row("", 80), row("10.0.0.3", 0), {}];
  const [bad, good] = [
    await consulWith(t, { status: 500, text: "" }),
    await consulWith(t, { text: JSON.stringify(rows) }),
  ];
  const consul = { servers: ["http://127.0.0.1:1", bad.url, good.url], token: "secret", intervalMs: 3_000, weight: 5 };
  const { look } = createLookup(dnsSettings, { ...nowhere, consul }, none);
  assert.deepEqual(await look("consul/shop a"), {
    targets: [
      { host: "10.0.0.2", port: 81, weight: 10, priority: 0 },
      { host: "10.0.0.9", port: 80, weight: 5, priority: 0 },
    ],
    ttlMs: 3_000,
  });
  assert.deepEqual(good.asked, ["/v1/health/service/shop%20a?passing=true secret"]);
});

test("what comes to nothing has a reason, and never the token", async (t) => {
  for (const [text, reason] of [
    ["[]", /knows no passing instance of shop/],
    ["{", /JSON/],
    ["{}", /no list/],
    ["[1, null]", /no passing instance|Cannot/],
  ] as const) {
    const { url } = await consulWith(t, { text });
    const { look } = createLookup(
      dnsSettings,
      {
        ...nowhere,
        consul: { servers: [url], token: "secret", intervalMs: 1, weight: 1 },
      },
      none,
    );
    const found = await look("consul/shop");
    assert.ok("failure" in found, text);
    assert.match(found.failure, reason);
    assert.doesNotMatch(found.failure, /secret/);
  }
  const { look } = createLookup(dnsSettings, nowhere, none);
  assert.deepEqual(await look("consul/shop"), { failure: "discovery.consul is not configured in config.yaml" });
});
