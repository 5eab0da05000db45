import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { instance, startConsul } from "../../../test/support/consul.ts";
import type { ConsulSettings } from "../../settings/settings.ts";
import { createConsul, type Consul } from "./consul.ts";

function following(
  t: TestContext,
  servers: readonly string[],
  changes: Partial<ConsulSettings> = {},
): { consul: Consul; next: () => Promise<string>; hosts: () => Promise<string> } {
  const told: ((service: string) => void)[] = [];
  const consul = createConsul({
    settings: {
      servers,
      token: "secret",
      answerMs: 5_000,
      waitMs: 60_000,
      intervalMs: 20,
      weight: 5,
      skipped: [],
      fallback: null,
      ...changes,
    },
    authorities: () => [],
    changed: (service) => {
      for (const resolve of told.splice(0)) resolve(service);
    },
  });
  t.after(() => consul.close());
  const hosts = async (): Promise<string> => {
    const found = await consul.look("shop");
    return "failure" in found ? found.failure : found.targets.map(({ host }) => host).join(" ");
  };
  return { consul, next: () => new Promise((resolve) => told.push(resolve)), hosts };
}

test("passing instances with their weights; the next server where one does not answer", async (t) => {
  const rows = [
    instance("10.0.0.2", 81, { Passing: 10, Warning: 1 }),
    instance("", 80, { Passing: 1, Warning: 1 }),
    instance("10.0.0.3", 0),
    {},
  ];
  const [bad, good] = [await startConsul(t), await startConsul(t, rows)];
  bad.status = 500;
  const { consul } = following(t, ["http://127.0.0.1:1", bad.url, good.url], { intervalMs: 60_000 });
  const found = await consul.look("shop a");
  assert.deepEqual("targets" in found && found.targets, [
    { host: "10.0.0.2", port: 81, weight: 50, priority: 0 },
    { host: "10.0.0.3", port: 80, weight: 5, priority: 0 },
    { host: "10.0.0.9", port: 80, weight: 5, priority: 0 },
  ]);
  assert.deepEqual(good.asked, ["/v1/health/service/shop%20a?passing=true secret"]);
});

test("an answer is held back until something is different, and told at once then", async (t) => {
  const server = await startConsul(t, [instance("10.0.0.1", 80)], 7);
  const { consul, next, hosts } = following(t, [server.url]);
  assert.equal(await hosts(), "10.0.0.1");
  await server.wasAsked(2);
  assert.equal(server.asked[1], "/v1/health/service/shop?passing=true&index=7&wait=60s secret");
  const changed = next();
  server.now([instance("10.0.0.2", 80)], 8);
  assert.equal(await changed, "shop");
  assert.equal(await hosts(), "10.0.0.2");
  await server.wasAsked(3);
  assert.match(server.asked[2]!, /index=8/);
  // An index that goes back: the server has begun anew.
  server.now([instance("10.0.0.2", 80)], 3);
  await server.wasAsked(4);
  assert.doesNotMatch(server.asked[3]!, /index/);
  await server.wasAsked(5);
  consul.forget("shop");
  while (server.held.size > 0) await new Promise(setImmediate);
});

test("the only server tells at once of a service that comes, goes and comes back", async (t) => {
  const server = await startConsul(t, [], 7);
  const { next, hosts } = following(t, [server.url], { intervalMs: 60_000 });
  assert.match(await hosts(), /knows no passing instance/);
  const steps = [[instance("10.0.0.1", 80)], [], [instance("10.0.0.2", 80)]];
  for (const [step, instances] of steps.entries()) {
    await server.wasAsked(step + 2);
    const changed = next();
    server.now(instances, step + 8);
    await changed;
  }
  assert.equal(await hosts(), "10.0.0.2");
});

test("without an index, and with keepalive: false, the server is asked again and again", async (t) => {
  for (const [index, waitMs] of [
    [0, 60_000],
    [7, null],
  ] as const) {
    const server = await startConsul(t, [instance("10.0.0.1", 80)], index);
    const { next, hosts } = following(t, [server.url], { waitMs });
    assert.equal(await hosts(), "10.0.0.1");
    await server.wasAsked(3);
    const changed = next();
    server.now([instance("10.0.0.2", 80)], index);
    await changed;
    assert.equal(await hosts(), "10.0.0.2");
    assert.ok(server.asked.every((path) => !path.includes("index=")));
  }
});

test("a server that goes away, or knows nobody any more: the others are asked", async (t) => {
  const [one, two] = [
    await startConsul(t, [instance("10.0.0.1", 80)], 7),
    await startConsul(t, [instance("10.0.0.2", 80)], 90),
  ];
  const { next, hosts } = following(t, [one.url, two.url]);
  assert.equal(await hosts(), "10.0.0.1");
  await one.wasAsked(2);
  const moved = next();
  one.now("[]", 8);
  await moved;
  assert.equal(await hosts(), "10.0.0.2");
  await two.wasAsked(2);
  const gone = next();
  two.status = 500;
  two.now("", 91);
  await gone;
  assert.match(await hosts(), /: status 500$/);
  const back = next();
  one.now([instance("10.0.0.3", 80)], 9);
  await back;
  assert.equal(await hosts(), "10.0.0.3");
});

test("default_service counts where no server knows an instance, skip_services is never asked for", async (t) => {
  const server = await startConsul(t);
  const fallback = { host: "10.9.9.9", port: 99, weight: 1 };
  const { consul, next, hosts } = following(t, [server.url], { fallback, skipped: ["hidden"] });
  assert.equal(await hosts(), "10.9.9.9");
  const there = next();
  server.now([instance("10.0.0.1", 80)], 2);
  await there;
  assert.equal(await hosts(), "10.0.0.1");
  await server.wasAsked(server.asked.length + 1);
  const gone = next();
  server.now([], 3);
  await gone;
  assert.equal(await hosts(), "10.9.9.9");
  const skipped = await consul.look("hidden");
  assert.equal("targets" in skipped && skipped.targets[0]?.host, "10.9.9.9");
  const bare = following(t, [server.url], { skipped: ["hidden"] }).consul;
  const none = await bare.look("hidden");
  assert.match("failure" in none ? none.failure : "", /skip_services/);
  assert.ok(server.asked.every((path) => !path.includes("hidden")));
});

test("what comes to nothing has a reason, and never the token", async (t) => {
  for (const [text, reason] of [
    ["[]", /knows no passing instance of shop/],
    ["{", /JSON/],
    ["{}", /no list/],
    ["[1, null]", /no passing instance|Cannot/],
  ] as const) {
    const server = await startConsul(t);
    server.text = text;
    const { consul } = following(t, [server.url], { intervalMs: 60_000 });
    const found = await consul.look("shop");
    assert.ok("failure" in found, text);
    assert.match(found.failure, reason);
    assert.doesNotMatch(found.failure, /secret/);
  }
});

test("a registry that has the catalogue alone", async (t) => {
  const server = await startConsul(t);
  server.catalogOnly = true;
  const row = (address: string, more: object): object => ({
    Node: "n",
    Address: "10.0.0.9",
    ServiceAddress: address,
    ...more,
  });
  server.now(
    [row("10.0.0.1", { ServicePort: 81, ServiceWeights: { Passing: 3, Warning: 1 } }), row("", { ServicePort: 0 })],
    0,
  );
  const { consul } = following(t, [server.url], { intervalMs: 60_000 });
  const found = await consul.look("shop");
  assert.deepEqual("targets" in found && found.targets, [
    { host: "10.0.0.1", port: 81, weight: 15, priority: 0 },
    { host: "10.0.0.9", port: 80, weight: 5, priority: 0 },
  ]);
});
