import assert from "node:assert/strict";
import { test } from "node:test";
import { TurnpikeError } from "../../lib/errors.ts";
import { clientCertificate, clientKey, serverCertificate, serverKey } from "./testing-certificates.ts";
import { startAdmin, type TestAdmin } from "./testing.ts";

const upstream = { type: "roundrobin", nodes: { "127.0.0.1:1980": 1 } };
const route = { uri: "/a", upstream };

/** The value in an answer, without its times. */
function valueOf({ body }: { readonly body: Record<string, unknown> }): unknown {
  const { create_time: _created, update_time: _updated, ...value } = body.value as Record<string, unknown>;
  return value;
}

test("create, read, replace, list, delete", async (t) => {
  const admin = await startAdmin(t);
  assert.deepEqual((await admin.send("GET", "/routes")).body, { total: 0, list: [] });
  const created = await admin.send("PUT", "/routes/1", route);
  assert.equal(created.status, 201);
  assert.deepEqual(Object.keys(created.body).sort(), ["key", "value"]);
  assert.equal(created.body.key, "/apisix/routes/1");
  assert.deepEqual(valueOf(created), { ...route, id: "1" }, "no default is filled in");
  assert.equal(created.headers.get("x-api-version"), "v3");
  assert.equal(created.headers.get("x-turnpike-revision"), String(admin.repository.revision));
  assert.equal(created.headers.get("x-turnpike-rejected"), null);
  const replaced = await admin.send("PUT", "/routes/1", { ...route, desc: "second" });
  assert.equal(replaced.status, 200);
  const read = await admin.send("GET", "/routes/1/and/more");
  assert.deepEqual(valueOf(read), { ...route, desc: "second", id: "1" });
  assert.equal(read.headers.get("etag"), `"${String(read.body.modifiedIndex)}"`);
  assert.ok(Number(read.body.createdIndex) < Number(read.body.modifiedIndex));
  const posted = await admin.send("POST", "/routes", route);
  assert.equal(posted.status, 201);
  assert.match(String((posted.body.value as { id: string }).id), /^\d{20}$/);
  assert.equal((await admin.send("GET", "/routes")).body.total, 2);
  const deleted = await admin.send("DELETE", "/routes/1");
  assert.deepEqual(deleted.body, { key: "/apisix/routes/1", deleted: "1" });
  assert.ok(deleted.headers.has("x-turnpike-revision"));
  for (const method of ["GET", "DELETE"]) {
    const gone = await admin.send(method, "/routes/1");
    assert.equal(gone.status, 404);
    assert.deepEqual(gone.body, { message: "Key not found" });
  }
});

test("times: set by the server, kept by PUT, settable by PATCH", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", route);
  const times = async (): Promise<unknown> => {
    const { create_time, update_time } = (await admin.send("GET", "/routes/1")).body.value as Record<string, unknown>;
    return { create_time, update_time };
  };
  await admin.send("PATCH", "/routes/1", { create_time: 1000, update_time: 2000 });
  assert.deepEqual(await times(), { create_time: 1000, update_time: 2000 });
  await admin.send("PUT", "/routes/1", route);
  const { create_time, update_time } = (await times()) as Record<string, number>;
  assert.equal(create_time, 1000);
  assert.ok(Math.abs(Number(update_time) - Date.now() / 1000) < 60);
  for (const [body, name] of [
    [{ ...route, create_time: 1 }, "create_time"],
    [{ ...route, upstream: { ...upstream, update_time: 1 } }, "upstream.update_time"],
    [{ ...route, plugins: { create_time: {} } }, "plugins.create_time"],
  ] as const) {
    const answer = await admin.send("PUT", "/routes/1", body);
    assert.equal(answer.body.error_msg, `the property is forbidden:  ${name}`);
  }
});

test("If-Match and If-None-Match keep writers from overwriting each other", async (t) => {
  const admin = await startAdmin(t);
  const put = (desc: string, headers: Record<string, string>): ReturnType<TestAdmin["send"]> =>
    admin.send("PUT", "/routes/1", { ...route, desc }, headers);
  const stale = await put("a", { "If-Match": "*" });
  assert.equal(stale.status, 412);
  assert.deepEqual(stale.body.current, null);
  assert.equal((await put("a", { "If-None-Match": "*" })).status, 201);
  assert.equal((await put("b", { "If-None-Match": "*" })).status, 412);
  const index = Number((await admin.send("GET", "/routes/1")).body.modifiedIndex);
  assert.equal((await put("b", { "If-Match": `"${index}"` })).status, 200);
  const again = await put("b", { "If-Match": `${index}` });
  assert.equal(again.status, 200, "the same write, sent again because its answer was lost");
  assert.equal(again.headers.get("x-turnpike-revision"), String(admin.repository.revision));
  const conflict = await put("c", { "If-Match": `${index}` });
  assert.equal(conflict.status, 412);
  assert.deepEqual(conflict.body.current, { modifiedIndex: admin.repository.revision });
  assert.match(String(conflict.body.error_msg), /\/apisix\/routes\/1: its modifiedIndex is \d+/);
  for (const [method, body] of [
    ["PATCH", { desc: "d" }],
    ["DELETE", undefined],
  ] as const) {
    assert.equal((await admin.send(method, "/routes/1", body, { "If-Match": `${index}` })).status, 412);
    assert.equal((await admin.send(method, "/routes/1", body, { "If-Match": "W/x" })).status, 400);
  }
  assert.equal((valueOf(await admin.send("GET", "/routes/1")) as { desc: string }).desc, "b");
  const current = String(admin.repository.revision);
  assert.equal((await admin.send("PATCH", "/routes/1", { desc: "d" }, { "If-Match": current })).status, 200);
  assert.equal((await admin.send("DELETE", "/routes/1", undefined, { "If-Match": "*" })).status, 200);
});

test("of patches sent at the same time none is lost", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", { ...route, labels: {} });
  const names = Array.from({ length: 8 }, (_, index) => `l${index}`);
  const answers = await Promise.all(
    names.map((name, index) =>
      index % 2 === 0
        ? admin.send("PATCH", "/routes/1", { labels: { [name]: "x" } })
        : admin.send("PATCH", `/routes/1/labels/${name}`, '"x"'),
    ),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const { labels } = valueOf(await admin.send("GET", "/routes/1")) as { labels: object };
  assert.deepEqual(Object.keys(labels).sort(), names);
});

test("patches that go nowhere or make the resource invalid change nothing", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", { ...route, labels: { a: "b" }, methods: ["GET"] });
  const before = await admin.send("GET", "/routes/1");
  for (const [path, body, status] of [
    ["/routes/1", '"x"', 400],
    ["/routes/1", "[]", 400],
    ["/routes/1", "", 400],
    ["/routes/1", '{"nonsense":1}', 400],
    ["/routes/1", '{"uri":null}', 400],
    ["/routes/1", '{"id":"2"}', 400],
    ["/routes/1/uri/deeper", "1", 400],
    ["/routes/1/methods/0", '"PUT"', 400],
    ["/routes/1/labels", "null", 400],
    ["/routes/1/labels/a%2Fb", '"x"', 400],
    ["/routes", "{}", 400],
    ["/routes/2", "{}", 404],
    ["/protos/1", "{}", 405],
  ] as const) {
    const answer = await admin.send("PATCH", path, body === "" ? undefined : body);
    assert.equal(answer.status, status, `${path} ${body}`);
  }
  assert.deepEqual((await admin.send("GET", "/routes/1")).body, before.body);
});

test("names that are no names elsewhere are names in labels", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", '{"uri":"/a","plugins":{},"labels":{"__proto__":"a"}}');
  await admin.send("PATCH", "/routes/1", '{"labels":{"constructor":"b"}}');
  await admin.send("PATCH", "/routes/1/labels/toString", '"c"');
  const { text } = await admin.send("GET", "/routes/1");
  assert.match(text, /"labels":\{"__proto__":"a","constructor":"b","toString":"c"\}/);
});

test("what is referred to must be there; what is in use stays, unless forced", async (t) => {
  const admin = await startAdmin(t);
  const error = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await admin.send(method, path, body);
    assert.equal(answer.status, 400, path);
    return answer.body.error_msg;
  };
  const gone = (label: string, id: string): string =>
    `failed to fetch ${label} info by ${label} id [${id}], response code: 404`;
  assert.equal(await error("PUT", "/routes/r", { uri: "/", upstream_id: "u" }), gone("upstream", "u"));
  assert.equal(await error("PUT", "/routes/r", { uri: "/", service_id: 7 }), gone("service", "7"));
  assert.equal(
    await error("PUT", "/routes/r", { uri: "/", upstream, plugin_config_id: "p" }),
    gone("plugin config", "p"),
  );
  assert.equal(await error("PUT", "/consumers", { username: "a", group_id: "g" }), gone("consumer group", "g"));
  await admin.send("PUT", "/upstreams/u", upstream);
  await admin.send("PUT", "/services/7", { upstream_id: "u" });
  await admin.send("PUT", "/plugin_configs/p", { plugins: {} });
  await admin.send("PUT", "/consumer_groups/g", { plugins: {} });
  await admin.send("PUT", "/consumers", { username: "a", group_id: "g" });
  assert.equal((await admin.send("PUT", "/routes/r", { uri: "/", service_id: 7, plugin_config_id: "p" })).status, 201);
  const used = (what: string, by: string): string => `can not delete this ${what}, ${by} is still using it now`;
  assert.equal(await error("DELETE", "/upstreams/u"), used("upstream", "service [7]"));
  assert.equal(await error("DELETE", "/services/7"), used("service directly", "route [r]"));
  assert.equal(await error("DELETE", "/plugin_configs/p"), used("plugin config", "route [r]"));
  assert.equal(await error("DELETE", "/consumer_groups/g"), used("consumer group", "consumer [a]"));
  assert.equal(await error("DELETE", "/upstreams/u?force=TRUE"), used("upstream", "service [7]"));
  assert.equal((await admin.send("DELETE", "/upstreams/u?force=true")).status, 200);
});

test("consumers, their keys and their credentials", async (t) => {
  const admin = await startAdmin(t);
  const keyAuth = (key: string): object => ({ plugins: { "key-auth": { key } } });
  assert.equal((await admin.send("PUT", "/consumers/jill", { username: "jack" })).status, 400);
  assert.equal((await admin.send("PUT", "/consumers/jack/credentials/c", keyAuth("k"))).status, 404);
  const created = await admin.send("PUT", "/consumers", { username: "jack", ...keyAuth("golden") });
  assert.equal(created.status, 201);
  assert.deepEqual(valueOf(created), {
    username: "jack",
    plugins: { "key-auth": { key: "QStWcXKl6rz1RvB8hCaCkQ==" } },
  });
  const read = await admin.send("GET", "/consumers/jack");
  assert.deepEqual(valueOf(read), { username: "jack", ...keyAuth("golden") }, "shown in clear text");
  const clash = await admin.send("PUT", "/consumers", { username: "jill", ...keyAuth("golden") });
  assert.equal(clash.body.error_msg, "duplicate key of plugin key-auth found with consumer: jack");
  assert.equal((await admin.send("PUT", "/consumers/jack/credentials/c", keyAuth("other"))).status, 201);
  const second = await admin.send("PUT", "/consumers/jack/credentials/d", keyAuth("other"));
  assert.equal(second.body.error_msg, "duplicate key of plugin key-auth found with credential: c of consumer: jack");
  const basic = { "basic-auth": { username: "same", password: "p" } };
  assert.equal((await admin.send("PUT", "/consumers", { username: "joe", plugins: basic })).status, 201);
  const third = await admin.send("PUT", "/consumers/jack/credentials/d", { plugins: basic });
  assert.equal(third.body.error_msg, "duplicate username of plugin basic-auth found with consumer: joe");
  assert.equal((await admin.send("PUT", "/consumers", { username: "joe", plugins: basic, desc: "x" })).status, 200);
  assert.equal((await admin.send("DELETE", "/consumers/joe")).status, 200);
  assert.equal((await admin.send("POST", "/consumers/jack/credentials", {})).status, 405);
  assert.equal((await admin.send("GET", "/consumers")).body.total, 1);
  assert.equal((await admin.send("DELETE", "/consumers/jack")).status, 200);
  assert.equal((await admin.send("GET", "/consumers/jack/credentials/c")).status, 404);
});

test("a plugin stands in one global rule", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/global_rules/1", { plugins: { "request-id": {} } });
  for (const [method, path, body] of [["PUT", "/global_rules/2", { plugins: { "request-id": {} } }]] as const) {
    const answer = await admin.send(method, path, body);
    assert.equal(answer.body.error_msg, "plugin 'request-id' already exists in global rule with id '1'");
  }
  assert.equal((await admin.send("PATCH", "/global_rules/1", { plugins: { "key-auth": {} } })).status, 200);
});

test("what APISIX takes and this node cannot serve is stored, and the answer says why it is not served", async (t) => {
  const admin = await startAdmin(t);
  const written = await admin.send("PUT", "/routes/1", { ...route, filter_func: "function(vars) return true end" });
  assert.equal(written.status, 201);
  assert.match(String(written.headers.get("x-turnpike-rejected")), /filter_func/);
  assert.match(String((await admin.send("GET", "/routes/1")).headers.get("x-turnpike-rejected")), /filter_func/);
  assert.equal((await admin.send("PUT", "/routes/1", route)).headers.get("x-turnpike-rejected"), null);
  const script = await admin.send("PUT", "/routes/1", { ...route, filter_func: "function (vars) { return true; }" });
  assert.equal(script.status, 200, "JavaScript is as good as Lua");
  const neither = await admin.send("PUT", "/routes/1", { ...route, filter_func: "function (vars) { return" });
  assert.equal(neither.status, 400);
  assert.match(String(neither.body.error_msg), /^failed to load 'filter_func' string: /);
});

test("a store that cannot be reached: 503, for reads, writes and references", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/routes/1", route);
  admin.repository.fail(new TurnpikeError("SOURCE_UNREADABLE", "has no healthy etcd endpoint available"));
  for (const [method, path, body] of [
    ["GET", "/routes", undefined],
    ["GET", "/routes/1", undefined],
    ["PUT", "/routes/1", { uri: "/b", service_id: "1" }],
    ["POST", "/routes", route],
    ["PATCH", "/routes/1", { uri: "/b" }],
    ["DELETE", "/routes/1", undefined],
  ] as const) {
    const answer = await admin.send(method, path, body);
    assert.equal(answer.status, 503, `${method} ${path}`);
    assert.equal(answer.body.error_msg, "has no healthy etcd endpoint available");
  }
  assert.equal((await admin.send("POST", "/schema/validate/routes", route)).status, 200);
  admin.repository.fail(null);
  assert.deepEqual(valueOf(await admin.send("GET", "/routes/1")), { ...route, id: "1" });
});

test("lifetimes", async (t) => {
  const admin = await startAdmin(t);
  for (const ttl of ["abc", "", "1.5", "1e30", "0x", "1s"]) {
    assert.equal((await admin.send("PUT", `/services/1?ttl=${ttl}`, {})).status, 400, ttl);
    assert.equal((await admin.send("GET", "/services/1")).status, 404);
  }
  for (const ttl of ["0", "-1"]) assert.ok((await admin.send("PUT", `/services/1?ttl=${ttl}`, {})).status < 202, ttl);
  const expired = new Promise<void>((resolve) => {
    const { onChange } = admin.repository;
    admin.repository.onChange = (key, text) => {
      onChange(key, text);
      if (text === null) resolve();
    };
  });
  assert.equal((await admin.send("PATCH", "/services/1?ttl=1", { desc: "x" })).status, 200);
  await expired;
  assert.equal((await admin.send("GET", "/services/1")).status, 404);
});

test("private keys are never shown in clear text", async (t) => {
  const admin = await startAdmin(t);
  const client = { ...upstream, tls: { client_cert: clientCertificate, client_key: clientKey } };
  const ssl = { sni: "a.test", cert: serverCertificate, key: serverKey };
  assert.equal((await admin.send("PUT", "/ssls/1", ssl)).status, 201);
  const strange = await admin.send("PUT", "/ssls/2", { ...ssl, key: clientKey });
  assert.equal(strange.body.error_msg, "the key does not belong to the certificate");
  const broken = await admin.send("PUT", "/ssls/2", { ...ssl, client: { ca: "x".repeat(200) } });
  assert.match(String(broken.body.error_msg), /^failed to validate client_cert: /);
  await admin.send("PUT", "/upstreams/1", client);
  await admin.send("PUT", "/routes/1", { uri: "/", upstream: client });
  for (const path of ["/ssls/1", "/ssls", "/upstreams/1", "/routes", "/routes/1"]) {
    const { text, status } = await admin.send("GET", path);
    assert.equal(status, 200);
    assert.ok(!text.includes("PRIVATE KEY"), path);
  }
  const stored = await admin.repository.get("upstreams/1");
  assert.equal((await admin.send("PATCH", "/upstreams/1", { desc: "x" })).status, 200);
  const after = JSON.parse((await admin.repository.get("upstreams/1"))?.text ?? "") as typeof client;
  assert.equal(after.tls.client_key, (JSON.parse(stored?.text ?? "") as typeof client).tls.client_key);
});

test("the form of version 2", async (t) => {
  const admin = await startAdmin(t, { settings: { version: "v2" } });
  const set = await admin.send("PUT", "/routes/1", route);
  assert.equal(set.body.action, "set");
  assert.equal(set.headers.get("x-api-version"), "v2");
  const list = (await admin.send("GET", "/routes")).body.node as { dir: boolean; key: string; nodes: unknown[] };
  assert.deepEqual([list.dir, list.key, list.nodes.length], [true, "/apisix/routes", 1]);
  assert.deepEqual((await admin.send("DELETE", "/routes/1")).body, {
    action: "delete",
    key: "/apisix/routes/1",
    node: {},
    deleted: "1",
  });
});

test("whole configurations can be checked where resources are kept by key", async (t) => {
  const admin = await startAdmin(t);
  const check = async (body: unknown): Promise<unknown> => {
    const answer = await admin.send("POST", "/configs/validate", body);
    return { status: answer.status, ...answer.body };
  };
  const service = { id: "s", upstream };
  assert.deepEqual(await check({ services: [service], routes: [{ id: "r", uri: "/a", service_id: "s" }] }), {
    status: 200,
  });
  const routes = [
    { id: "a", uri: "/a", plugins: { "limit-count": { count: -1 } } },
    { id: "b", ...route },
    { id: "b", ...route },
  ];
  const wrong = (await check({ routes })) as { status: number; error_msg: string; errors: { index: number }[] };
  assert.equal(wrong.status, 400);
  assert.equal(wrong.error_msg, "Configuration validation failed");
  assert.deepEqual(
    wrong.errors.map(({ index }) => index),
    [0, 2],
  );
  assert.deepEqual((await admin.send("GET", "/routes")).body, { total: 0, list: [] }, "nothing is taken over");
  for (const [method, path] of [
    ["GET", "/configs"],
    ["PUT", "/configs"],
    ["GET", "/configs/validate"],
    ["POST", "/configs/validate/more"],
  ] as const) {
    const { status, body } = await admin.send(method, path, method === "GET" ? undefined : {});
    assert.deepEqual({ status, body }, { status: 404, body: { error_msg: "Unsupported resource type: configs" } });
  }
});

test("a list of routes can be asked for by what they refer to", async (t) => {
  const admin = await startAdmin(t);
  await admin.send("PUT", "/services/s", { upstream });
  await admin.send("PUT", "/routes/1", { uri: "/a", service_id: "s" });
  await admin.send("PUT", "/routes/2", route);
  const total = async (path: string): Promise<unknown> => (await admin.send("GET", path)).body.total;
  assert.equal(await total("/routes?filter=service_id%3Ds"), 1);
  assert.equal(await total("/routes?filter=upstream_id%3Ds"), 0);
  assert.equal(await total("/services?filter=service_id%3Dx"), 1, "other kinds have no such fields");
});

test("the Server header says whose API it is", async (t) => {
  const admin = await startAdmin(t);
  assert.match((await admin.send("GET", "/routes")).headers.get("server") ?? "", /APISIX\/3\.18\.0$/);
});
