import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createEtcdStore } from "../src/source/etcd/etcd-store.ts";
import { startEtcd } from "./support/etcd.ts";
import { assertServes } from "./support/etcd-content.ts";
import { freePort } from "./support/ports.ts";
import { routeTo, runIn, startGateway } from "./support/gateway.ts";
import { burst } from "./support/load.ts";
import { startOrigin } from "./support/origin.ts";
import { etcdSettings, retried } from "./support/etcd-settings.ts";

test("etcd away at start: alive, not ready, then ready without a restart; an empty prefix is a configuration", async (t) => {
  const etcd = await startEtcd(t);
  await etcd.stopAll();
  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts } } });
  await gateway.until("has not received configuration");
  assert.equal((await gateway.status("/status")).status, 200);
  await etcd.startAll();
  await gateway.until(200);
  const config = (await gateway.status("/status/config")).json();
  assert.deepEqual([config.source, config.state, config.rejected], ["etcd", "synced", []]);
});

test("routes come, change and go with etcd; what etcd holds is what every worker serves", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts } } });
  await gateway.until(200);
  const created = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/one"));
  assert.equal((await gateway.applied(created)).status, 200);
  assert.equal((await gateway.get("/one")).status, 200);
  const bad = await etcd.put("/apisix/routes/2", '{"uri":1}');
  const refused = await gateway.applied(bad);
  assert.equal(refused.status, 409);
  assert.match(refused.text, /routes\/2: .*uri/);
  await assertServes(gateway, etcd);
  const removed = await etcd.remove("/apisix/routes/1");
  await gateway.status(`/status/ready?revision=${removed}&rejected=ignore`);
  assert.equal((await gateway.get("/one")).status, 404);
  const elsewhere = await etcd.put("/foreign", "x");
  assert.equal((await gateway.status(`/status/ready?revision=${elsewhere}&rejected=ignore`)).status, 200);
  const { events } = (await gateway.status("/status/events")).json() as { events: { type: string }[] };
  assert.ok(events.some(({ type }) => type === "config-applied"));
});

test("outages of etcd: ready stays, traffic flows, nothing is lost, nothing invented", async (t) => {
  const etcd = await startEtcd(t, { members: 3 });
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts } } });
  await gateway.until(200);
  for (const id of ["a", "b", "c"]) await etcd.put(`/apisix/routes/${id}`, routeTo(origin.node, `/${id}`));
  await assertServes(gateway, etcd);

  const unready: string[] = [];
  let watching = true;
  const probes = (async () => {
    while (watching) {
      const { status, text } = await gateway.status("/status/ready");
      if (status !== 200) unready.push(text);
      if ((await gateway.get("/a")).status !== 200) unready.push("/a");
      await sleep(20);
    }
  })();

  await etcd.members[0]!.stop();
  await etcd.members[1]!.kill();
  await etcd.members[2]!.stop();
  for (;;) {
    const { last_failure: failure } = (await gateway.status("/status/config")).json() as {
      last_failure: { current: boolean } | null;
    };
    if (failure?.current === true) break;
    await sleep(20);
  }
  await etcd.startAll();
  await etcd.remove("/apisix/routes/b");
  await etcd.put("/apisix/routes/d", routeTo(origin.node, "/d"));
  await etcd.compact();
  await assertServes(gateway, etcd);
  assert.deepEqual([(await gateway.get("/b")).status, (await gateway.get("/d")).status], [404, 200]);

  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const store = createEtcdStore(etcdSettings(etcd.hosts), log);
  t.after(() => store.close());
  const leader = await etcd.leader();
  let done = 0;
  const write = async (index: number): Promise<void> => {
    const key = `routes/w${index % 50}`;
    const text = JSON.stringify(routeTo(origin.node, `/w${index}`));
    await retried(() => (index % 7 === 6 ? store.delete(key) : store.put(key, text)));
    if (++done === 300) await leader.kill();
  };
  for (let at = 0; at < 1_000; at += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, index) => write(at + index)));
  }
  await assertServes(gateway, etcd);
  watching = false;
  await probes;
  assert.deepEqual(unready, []);
});

test("roles: a control plane is ready and listens for no traffic; a data plane follows the same etcd", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  const revision = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/one"));
  const hosts = [`http://127.0.0.1:${await freePort()}`, ...etcd.hosts];
  const control = await startGateway(t, { provider: { etcd: { host: hosts }, role: "control_plane" } });
  const data = await startGateway(t, { provider: { etcd: { host: hosts }, role: "data_plane" } });
  for (const gateway of [control, data]) {
    await gateway.until(200);
    assert.equal((await gateway.applied(revision)).status, 200);
    await assertServes(gateway, etcd);
  }
  assert.equal((await data.get("/one")).status, 200);
  await assert.rejects(control.get("/one"));
});

test("a control thread that comes back takes over from etcd", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  await etcd.put("/apisix/routes/1", routeTo(origin.node, "/one"));
  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts } }, faults: "on" });
  await gateway.until(200);
  await gateway.control("/v1/faults?fault=control-crash");
  const changed = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/two"));
  assert.equal((await gateway.applied(changed)).status, 200);
  assert.deepEqual([(await gateway.get("/one")).status, (await gateway.get("/two")).status], [404, 200]);
  await assertServes(gateway, etcd);
});

test("the control thread crashes before it has delivered a change, and its successor cannot read it: nobody claims it", async (t) => {
  const origin = await startOrigin(t);
  const etcd = await startEtcd(t);
  const gateway = await startGateway(t, { faults: "on", provider: { etcd: { host: etcd.hosts } } });
  await gateway.until(200);
  assert.equal(
    (await gateway.applied(await etcd.put("/apisix/routes/1", routeTo(origin.node, "/before")))).status,
    200,
  );
  // What was sent to a worker and not read before the next control thread came is as good as not sent.
  for (const id of [0, 1]) await gateway.fault(id, "hold-config");
  const lost = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/after"));
  await gateway.untilConfig(({ revision }) => revision === lost);
  etcd.members[0]?.pause();
  await gateway.control("/v1/faults?fault=control-crash");
  const exited = async (): Promise<boolean> => (await gateway.status("/status/events")).text.includes("control-exited");
  while (!(await exited())) await sleep(10);
  for (const id of [0, 1]) await gateway.fault(id, "release");
  await gateway.untilConfig(({ last_failure: failure }) => failure !== null);
  const barrier = await gateway.status(`/status/ready?revision=${lost}&timeout=0`);
  assert.equal(barrier.status, 503, barrier.text);
  assert.equal((await gateway.status("/status/ready")).status, 200, "what can be served is served");
  assert.deepEqual((await gateway.status("/status/ready?verbose")).json().divergence, []);
  assert.deepEqual(await burst(gateway.httpPort, 20, "/before"), { "200 origin GET /before": 20 });
  etcd.members[0]?.resume();
  assert.equal((await gateway.applied(lost)).status, 200);
  assert.deepEqual(await burst(gateway.httpPort, 20, "/after"), { "200 origin GET /after": 20 });
});

test("a node that starts while etcd is away serves what it served before, then follows again", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  await etcd.put("/apisix/routes/1", routeTo(origin.node, "/one"));
  const first = await startGateway(t, { provider: { etcd: { host: etcd.hosts } } });
  await first.until(200);
  first.child.kill("SIGTERM");
  assert.equal(await first.exited, 0);
  await etcd.stopAll();

  const ports = [first.httpPort, first.statusPort, first.controlPort, first.adminPort] as const;
  const gateway = runIn(first.prefix, ports);
  t.after(() => gateway.close());
  await gateway.until(200);
  assert.equal((await gateway.get("/one")).status, 200);
  const { state } = (await gateway.status("/status/config")).json();
  assert.equal(state, "degraded");
  await etcd.startAll();
  const changed = await etcd.put("/apisix/routes/1", routeTo(origin.node, "/two"));
  assert.equal((await gateway.status(`/status/fleet?revision=${changed}`)).status, 200);
  assert.deepEqual([(await gateway.get("/one")).status, (await gateway.get("/two")).status], [404, 200]);
  await assertServes(gateway, etcd);
});
