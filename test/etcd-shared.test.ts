import assert from "node:assert/strict";
import { test } from "node:test";
import { startEtcd } from "./support/etcd.ts";
import { assertServes, contentOf } from "./support/etcd-content.ts";
import { type Answer, routeTo, startGateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";

// One etcd for APISIX and for Turnpike, in turn: keys and values are those of both.

const key = { "key-auth": { key: "golden-key" } };
const limits = { "limit-count": { count: 2, time_window: 60, key: "remote_addr", rejected_code: 503 } };

/** What a write through the Admin API leaves in etcd, times aside. */
const written: readonly (readonly [path: string, body: object, key: string, value: object])[] = [
  ["/upstreams/u", { nodes: { "127.0.0.1:1": 1 } }, "upstreams/u", { nodes: { "127.0.0.1:1": 1 }, id: "u" }],
  ["/services/s", { upstream_id: "u" }, "services/s", { upstream_id: "u", id: "s" }],
  ["/routes/1", { uri: "/one", service_id: "s" }, "routes/1", { uri: "/one", service_id: "s", id: "1" }],
  ["/consumers", { username: "jack" }, "consumers/jack", { username: "jack" }],
  ["/consumers/jack/credentials/c", { plugins: key }, "consumers/jack/credentials/c", { plugins: key, id: "c" }],
  ["/consumer_groups/g", { plugins: limits }, "consumer_groups/g", { plugins: limits, id: "g" }],
  [
    "/plugin_configs/p",
    { plugins: { "proxy-rewrite": { uri: "/x" } } },
    "plugin_configs/p",
    { plugins: { "proxy-rewrite": { uri: "/x" } }, id: "p" },
  ],
  ["/global_rules/1", { plugins: { "request-id": {} } }, "global_rules/1", { plugins: { "request-id": {} }, id: "1" }],
  [
    "/secrets/vault/1",
    { uri: "http://127.0.0.1:8200", prefix: "kv/apisix", token: "root" },
    "secrets/vault/1",
    { uri: "http://127.0.0.1:8200", prefix: "kv/apisix", token: "root", id: "vault/1" },
  ],
  ["/protos/1", { content: 'syntax = "proto3";' }, "protos/1", { content: 'syntax = "proto3";', id: "1" }],
];

test("what the Admin API writes lies in etcd as APISIX would have written it", async (t) => {
  const etcd = await startEtcd(t);
  const gateway = await startGateway(t, {
    provider: { etcd: { host: etcd.hosts } },
    workers: 1,
    config: { apisix: { data_encryption: { enable_encrypt_fields: false } } },
  });
  await gateway.until(200);
  let last = 0;
  for (const [path, body] of written) {
    const answer = await gateway.admin("PUT", path, body);
    assert.ok(answer.status === 201 || answer.status === 200, `${path}: ${answer.text}`);
    const revision = Number(answer.headers.get("x-turnpike-revision"));
    assert.ok(revision > last, `${path}: ${revision}`);
    last = revision;
  }
  const { texts } = await contentOf(etcd);
  for (const [path, , stored, expected] of written) {
    const {
      create_time: created,
      update_time: updated,
      ...value
    } = JSON.parse(texts.get(stored) ?? "{}") as {
      create_time?: number;
      update_time?: number;
    };
    assert.deepEqual(value, expected, path);
    assert.ok(typeof created === "number" && typeof updated === "number", path);
  }
  assert.equal(texts.size, written.length);
  await assertServes(gateway, etcd);
});

test("what APISIX left in etcd is served, shown and changed", async (t) => {
  const etcd = await startEtcd(t);
  const origin = await startOrigin(t);
  const times = { create_time: 1_700_000_000, update_time: 1_700_000_001 };
  for (const kind of ["routes", "services", "upstreams", "consumers", "plugin_metadata"]) {
    await etcd.put(`/apisix/${kind}/`, "init_dir");
  }
  await etcd.put("/apisix/data_plane/server_info/x", { id: "x", version: "3.18.0" });
  await etcd.put("/apisix/plugins", [{ name: "key-auth" }, { name: "limit-count", stream: true }]);
  const upstream = { type: "roundrobin", nodes: [{ host: "127.0.0.1", port: origin.port, weight: 1 }] };
  await etcd.put("/apisix/upstreams/u", { id: "u", ...upstream, ...times });
  const plugins = { "key-auth": {} };
  await etcd.put("/apisix/routes/1", { id: "1", uri: "/one", upstream_id: "u", plugins, ...times });
  await etcd.put("/apisix/consumers/jack", { username: "jack", ...times });
  await etcd.put("/apisix/consumers/jack/credentials/c", { id: "c", plugins: key, ...times });
  const gateway = await startGateway(t, {
    provider: { etcd: { host: etcd.hosts } },
    config: { apisix: { data_encryption: { enable_encrypt_fields: false } } },
  });
  await gateway.until(200);
  assert.deepEqual((await gateway.status("/status/config")).json().rejected, []);
  assert.equal((await gateway.get("/one")).status, 401);
  assert.equal((await gateway.get("/one", { headers: { apikey: "golden-key" } })).status, 200);
  await assertServes(gateway, etcd);

  const shown = (await gateway.admin("GET", "/routes/1")).json();
  assert.equal(shown.key, "/apisix/routes/1");
  assert.deepEqual(shown.value, { id: "1", uri: "/one", upstream_id: "u", plugins, ...times });
  const changed: Answer = await gateway.admin("PUT", "/routes/1", routeTo(origin.node, "/two"));
  assert.equal(changed.status, 200, changed.text);
  await gateway.applied(Number(changed.headers.get("x-turnpike-revision")));
  assert.equal((await gateway.get("/two")).status, 200);
  const { create_time: created } = JSON.parse((await contentOf(etcd)).texts.get("routes/1") ?? "{}") as {
    create_time?: number;
  };
  assert.equal(created, times.create_time);
});

test("etcd away: the Admin API says so at once, and nothing is lost", async (t) => {
  const etcd = await startEtcd(t);
  const gateway = await startGateway(t, { provider: { etcd: { host: etcd.hosts } }, workers: 1 });
  await gateway.until(200);
  await etcd.stopAll();
  const body = routeTo("127.0.0.1:1", "/one");
  for (const [method, sent] of [
    ["GET", undefined],
    ["PUT", body],
    ["DELETE", undefined],
  ] as const) {
    assert.equal((await gateway.admin(method, "/routes/1", sent)).status, 503, method);
  }
  assert.equal((await gateway.status("/status/ready")).status, 200);
  await etcd.startAll();
  const answer = await gateway.admin("PUT", "/routes/1", body);
  assert.equal(answer.status, 201, answer.text);
  const revision = answer.headers.get("x-turnpike-revision");
  assert.equal((await gateway.applied(Number(revision))).status, 200);
});
