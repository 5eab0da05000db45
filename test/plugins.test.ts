import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { ask, bodyOf, closing, exchangeBytes, type Reply } from "./support/client.ts";
import { type Echo, echoOf, startEcho } from "./support/echo.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { serving, to } from "./support/serving.ts";

// The first plugins and what holds for all of them, through the front door. What is expected
// was recorded from APISIX 3.18; docs/plugins.md says where it is done differently.

const header = (echo: Echo, name: string): readonly string[] =>
  echo.headers.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 2));

/** Asserts an answer of key-auth that lets nobody in. */
function assertRefused(reply: Reply, message: string, what = message): void {
  assert.equal(reply.status, 401, what);
  assert.equal(reply.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(reply.headers["www-authenticate"], 'apikey realm="key"');
  assert.deepEqual(JSON.parse(reply.text), { message });
}

const missing = "Missing API key in request";
const invalid = "Invalid API key in request";

test("key-auth: no key, a wrong one, the right one in a header or the query; credentials; hiding", async (t) => {
  const echo = await startEcho(t);
  const nodes = { [echo.node]: 1 };
  const route = (id: string, keyAuth: object): object =>
    to(nodes, {}, { id, uri: `/${id}`, plugins: { "key-auth": keyAuth } });
  const gateway = await serving(t, {
    consumers: [
      { username: "ann", plugins: { "key-auth": { key: "ann-key" } }, labels: { custom_id: "42" } },
      { username: "bob" },
      { id: "bob/credentials/phone", plugins: { "key-auth": { key: "phone-key" } } },
    ],
    routes: [
      route("plain", {}),
      route("named", { header: "X-Key", query: "k" }),
      route("hiding", { hide_credentials: true }),
      route("open", { anonymous_consumer: "bob" }),
    ],
  });
  const get = (path: string, headers: Record<string, string> = {}): Promise<Reply> =>
    ask(gateway.httpPort, path, { headers });

  assertRefused(await get("/plain"), missing);
  assertRefused(await get("/plain", { apikey: "nope" }), invalid);
  assertRefused(await get("/plain?apikey=nope"), invalid);
  assertRefused(await get("/plain?apikey=ann-key", { apikey: "nope" }), invalid, "the header wins");
  assertRefused(await get("/plain", { "X-Key": "ann-key" }), missing);

  const ann = echoOf(await get("/plain", { apikey: "ann-key", "X-Consumer-Username": "forged" }));
  assert.deepEqual(header(ann, "x-consumer-username"), ["ann"]);
  assert.deepEqual(header(ann, "apikey"), ["ann-key"]);
  const phone = echoOf(await get("/plain?apikey=phone-key"));
  assert.deepEqual(header(phone, "x-consumer-username"), ["bob"]);
  assert.deepEqual(header(phone, "x-credential-identifier"), ["phone"]);
  assert.equal((await get("/named", { "X-Key": "ann-key" })).status, 200);
  assert.equal((await get("/named?k=ann-key")).status, 200);

  const hidden = echoOf(await get("/hiding?a=1", { apikey: "ann-key" }));
  assert.deepEqual([hidden.uri, header(hidden, "apikey")], ["/hiding?a=1", []]);
  assert.equal(echoOf(await get("/hiding?a=1&apikey=ann-key&b=%20")).uri, "/hiding?a=1&b=%20");
  assert.equal(echoOf(await get("/hiding?apikey=ann-key")).uri, "/hiding");
  const anonymous = echoOf(await get("/open"));
  assert.deepEqual(header(anonymous, "x-consumer-username"), ["bob"]);
});

test("key-auth: who is taken out of the file gets in no more, a changed key counts at once", async (t) => {
  const echo = await startEcho(t);
  const route = to({ [echo.node]: 1 }, {}, { plugins: { "key-auth": {} } });
  const consumer = (key: string): object => ({ username: "ann", plugins: { "key-auth": { key } } });
  const gateway = await serving(t, { routes: [route], consumers: [consumer("old")] });
  const status = async (apikey: string): Promise<number> =>
    (await ask(gateway.httpPort, "/", { headers: { apikey } })).status;
  assert.equal(await status("old"), 200);
  await serving(t, { routes: [route], consumers: [consumer("new")] });
  assert.deepEqual([await status("old"), await status("new")], [401, 200]);
  await serving(t, { routes: [route], consumers: [] });
  assert.equal(await status("new"), 401);
});

test("proxy-rewrite: path, query, method, host and headers of what goes to the node", async (t) => {
  const echo = await startEcho(t);
  const route = (id: string, uri: string, rewrite: object, upstream: object = {}): object =>
    to({ [echo.node]: 1 }, upstream, { id, uri, plugins: { "proxy-rewrite": rewrite } });
  const edits = { add: { "X-A": "added" }, set: { "X-B": "$remote_addr-$1", "X-C": "set" }, remove: ["X-D"] };
  const gateway = await serving(t, {
    routes: [
      route("u", "/u*", { uri: "/new" }),
      route("r", "/r/*", { regex_uri: ["^/r/(.*)/(.*)$", "/$2/$1"] }),
      route("m", "/m/*", { regex_uri: ["^/m/a/(.*)", "/A/$1", "^/m/(.*)", "/M/$1"] }),
      route("v", "/v", { uri: "/v/$arg_x/$remote_addr" }),
      route("q", "/q", { uri: "/q?fixed=1" }),
      route("h", "/h", { host: "new.host:99" }),
      route("hn", "/hn", { host: "new.host" }, { pass_host: "node" }),
      route("post", "/post", { method: "POST" }),
      route("edit", "/edit/*", { regex_uri: ["^/edit/(.*)", "/$1"], headers: edits }),
    ],
  });
  const paths: Readonly<Record<string, string>> = {
    "/u": "/new",
    "/u?a=1": "/new?a=1",
    "/u/x?a=1&b=%20": "/new?a=1&b=%20",
    "/r/a/b?x=1": "/b/a?x=1",
    "/r/a": "/r/a",
    "/r/a%20b/c": "/c/a%20b",
    "/m/a/1": "/A/1",
    "/m/b": "/M/b",
    "/v?x=1": "/v/1/127.0.0.1?x=1",
    "/v": "/v//127.0.0.1",
    "/q": "/q?fixed=1",
    "/q?a=1": "/q?fixed=1&a=1",
  };
  for (const [path, uri] of Object.entries(paths))
    assert.equal(echoOf(await ask(gateway.httpPort, path)).uri, uri, path);

  const climbing = await ask(gateway.httpPort, "/v?x=..");
  assert.equal(climbing.status, 400, "an argument cannot climb out of the path");
  assert.deepEqual(header(echoOf(await ask(gateway.httpPort, "/h")), "host"), ["new.host:99"]);
  assert.deepEqual(header(echoOf(await ask(gateway.httpPort, "/hn")), "host"), [echo.node], "pass_host goes before");
  assert.equal(echoOf(await ask(gateway.httpPort, "/post")).method, "POST");

  const headers = { "X-A": "client", "X-C": "client", "X-D": "client" };
  const edited = echoOf(await ask(gateway.httpPort, "/edit/one", { headers }));
  assert.equal(edited.uri, "/one");
  assert.deepEqual(header(edited, "x-a").join(", "), "client, added");
  assert.deepEqual(
    [header(edited, "x-b"), header(edited, "x-c"), header(edited, "x-d")],
    [["127.0.0.1-one"], ["set"], []],
  );
});

test("values of clients in bodies and headers of answers: UTF-8, whichever way they came", async (t) => {
  const seen = "$arg_a $http_x_a $binary_remote_addr";
  const gateway = await serving(t, {
    routes: [
      {
        id: "m",
        uri: "/m",
        plugins: { mocking: { response_example: seen, response_headers: { "X-B": `ä ${seen}` } } },
      },
      {
        id: "f",
        uri: "/f",
        plugins: { "fault-injection": { abort: { http_status: 400, body: seen, headers: { "X-B": seen } } } },
      },
    ],
  });
  const headers = { "X-A": Buffer.from("é€").toString("latin1"), "X-Real-IP": "10.13.10.97" };
  for (const [path, prefix] of [
    ["/m", "ä "],
    ["/f", ""],
  ] as const) {
    const reply = await ask(gateway.httpPort, `${path}?a=%C3%B6`, { headers });
    assert.equal(Buffer.from(reply.text, "latin1").toString(), "ö é€ \n\r\na");
    assert.equal(Buffer.from(String(reply.headers["x-b"]), "latin1").toString(), `${prefix}ö é€ a`);
  }
});

test("response-rewrite: status, headers and body, with a length that is the new body's", async (t) => {
  const origin = await startOrigin(t, "page", (request, response) => {
    response.setHeader("X-Old", "old");
    response.setHeader("Content-Type", "text/plain");
    if (request.url === "/gzip") response.setHeader("Content-Encoding", "gzip");
    response.end(request.url === "/gzip" ? gzipSync("hello hello") : "hello hello");
  });
  const nodes = { [origin.node]: 1 };
  const route = (id: string, rewrite: object): object =>
    to(nodes, {}, { id, uri: `/${id}`, plugins: { "response-rewrite": rewrite } });
  const filters = [{ regex: "hello", replace: "bye", scope: "global" }];
  const gateway = await serving(t, {
    routes: [
      route("all", {
        status_code: 201,
        body: "replaced",
        headers: { set: { "X-New": "$remote_addr" }, remove: ["X-Old"] },
      }),
      route("base64", { body: Buffer.from("binary\u0000").toString("base64"), body_base64: true }),
      route("filter", { filters }),
      route("gzip", { filters }),
      route("when", {
        body: "so",
        vars: [
          ["status", "==", 200],
          ["sent_http_x_old", "==", "old"],
        ],
      }),
      route("unless", { body: "so", vars: [["upstream_status", "==", 404]] }),
      { ...route("gone", { body: "nobody is there" }), upstream: { nodes: { [`127.0.0.1:${await freePort()}`]: 1 } } },
    ],
  });
  const all = await ask(gateway.httpPort, "/all");
  assert.deepEqual([all.status, all.text, all.headers["content-length"]], [201, "replaced", "8"]);
  assert.deepEqual([all.headers["x-new"], all.headers["x-old"]], ["127.0.0.1", undefined]);
  assert.equal((await ask(gateway.httpPort, "/base64")).text, "binary\u0000");
  assert.equal((await ask(gateway.httpPort, "/filter")).text, "bye bye");
  assert.equal((await ask(gateway.httpPort, "/when")).text, "so");
  assert.equal((await ask(gateway.httpPort, "/unless")).text, "hello hello");
  const gzip = await ask(gateway.httpPort, "/gzip");
  const body = Buffer.from(gzip.text, "latin1");
  assert.equal(String(gzip.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body), "bye bye");
  const gone = await ask(gateway.httpPort, "/gone");
  assert.deepEqual([gone.status, gone.text], [502, "nobody is there"]);

  const head = await exchangeBytes(gateway.httpPort, `HEAD /all HTTP/1.1\r\nHost: a\r\n\r\nGET /all ${closing}`);
  assert.match(head, /^HTTP\/1\.1 201 [^\r]+\r\n/);
  assert.doesNotMatch(head, /Content-Length: (?!8\r)/, "never the length of the body that was replaced");
  assert.match(bodyOf(head), /^HTTP\/1\.1 201 /, "HEAD has no body, the next answer follows");
});

test("request-id: a new id, the client's own, in the answer or not", async (t) => {
  const echo = await startEcho(t);
  const route = (id: string, requestId: object): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins: { "request-id": requestId } });
  const gateway = await serving(t, {
    routes: [
      route("default", {}),
      route("named", { header_name: "X-Rid" }),
      route("inward", { include_in_response: false }),
      route("nanoid", { algorithm: "nanoid" }),
      route("range", { algorithm: "range_id", range_id: { length: 16 } }),
      route("ksuid", { algorithm: "ksuid" }),
    ],
  });
  const shapes: Readonly<Record<string, RegExp>> = {
    default: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    nanoid: /^[\w-]{21}$/,
    range: /^\w{16}$/,
    ksuid: /^[0-9A-Za-z]{27}$/,
  };
  for (const [path, shape] of Object.entries(shapes)) {
    const first = await ask(gateway.httpPort, `/${path}`);
    const id = String(first.headers["x-request-id"]);
    assert.match(id, shape, path);
    assert.deepEqual(header(echoOf(first), "x-request-id"), [id], "node and client get the same");
    assert.notEqual((await ask(gateway.httpPort, `/${path}`)).headers["x-request-id"], id);
  }
  const mine = await ask(gateway.httpPort, "/default", { headers: { "X-Request-Id": "mine" } });
  assert.deepEqual([mine.headers["x-request-id"], ...header(echoOf(mine), "x-request-id")], ["mine", "mine"]);
  const empty = await ask(gateway.httpPort, "/default", { headers: { "X-Request-Id": "" } });
  assert.match(String(empty.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
  const named = await ask(gateway.httpPort, "/named");
  assert.deepEqual(header(echoOf(named), "x-rid"), [named.headers["x-rid"]]);
  const inward = await ask(gateway.httpPort, "/inward");
  assert.equal(inward.headers["x-request-id"], undefined);
  assert.equal(header(echoOf(inward), "x-request-id").length, 1);
});

test("plugins of a consumer, its group, the route, its plugin config and its service: the first that has one", async (t) => {
  const echo = await startEcho(t);
  const naming = (who: string): object => ({ "response-rewrite": { headers: { set: { "X-Who": who } } } });
  const consumer = (username: string, plugins: object, more: object = {}): object => ({
    username,
    plugins: { "key-auth": { key: username }, ...plugins },
    ...more,
  });
  const gateway = await serving(t, {
    services: [{ id: "s", upstream: { nodes: { [echo.node]: 1 } }, plugins: naming("service") }],
    plugin_configs: [{ id: "p", plugins: { ...naming("config"), "key-auth": {} } }],
    consumer_groups: [{ id: "g", plugins: naming("group") }],
    consumers: [
      consumer("own", naming("consumer"), { group_id: "g" }),
      consumer("grouped", {}, { group_id: "g" }),
      consumer("bare", {}),
    ],
    routes: [
      { id: "route", uri: "/route", service_id: "s", plugin_config_id: "p", plugins: naming("route") },
      { id: "config", uri: "/config", service_id: "s", plugin_config_id: "p" },
      { id: "service", uri: "/service", service_id: "s" },
    ],
  });
  const who = async (path: string, apikey?: string): Promise<unknown> =>
    (await ask(gateway.httpPort, path, { headers: apikey === undefined ? {} : { apikey } })).headers["x-who"];
  assert.equal(await who("/route", "own"), "consumer");
  assert.equal(await who("/route", "grouped"), "group");
  assert.equal(await who("/route", "bare"), "route");
  assert.equal(await who("/route"), "route", "a refusal, too");
  assert.equal(await who("/config", "bare"), "config");
  assert.equal(await who("/service"), "service");
});

test("global rules run on every request, the one without a route included", async (t) => {
  const echo = await startEcho(t);
  const set = { "X-Global": "1", "X-Who": "global" };
  const rules = [
    { id: "1", plugins: { "response-rewrite": { headers: { set } } } },
    { id: "2", plugins: { "proxy-rewrite": { headers: { set: { "X-From": "global" } } } } },
  ];
  const plugins = { "response-rewrite": { headers: { set: { "X-Who": "route" } } } };
  const routes = [to({ [echo.node]: 1 }, {}, { uri: "/1", plugins })];
  const consumers = [{ username: "ann", plugins: { "key-auth": { key: "ann-key" } } }];
  const gateway = await serving(t, { global_rules: rules, routes, consumers });
  const served = await ask(gateway.httpPort, "/1");
  assert.deepEqual([served.headers["x-who"], served.headers["x-global"]], ["route", "1"], "the route comes last");
  assert.deepEqual(header(echoOf(served), "x-from"), ["global"]);
  const none = await ask(gateway.httpPort, "/none");
  assert.deepEqual([none.status, none.headers["x-who"]], [404, "global"]);

  await serving(t, { global_rules: [...rules, { id: "3", plugins: { "key-auth": {} } }], routes, consumers });
  const refused = await ask(gateway.httpPort, "/none");
  assertRefused(refused, missing);
  assert.equal(refused.headers["x-who"], "global");
  assert.equal((await ask(gateway.httpPort, "/1", { headers: { apikey: "ann-key" } })).status, 200);
});

test("_meta: disable, error_response", async (t) => {
  const echo = await startEcho(t);
  const route = (id: string, _meta: object): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins: { "key-auth": { _meta } } });
  const gateway = await serving(t, {
    routes: [
      route("disabled", { disable: true }),
      route("enabled", { disable: false }),
      route("table", { error_response: { message: "custom" } }),
      route("text", { error_response: "plain text" }),
    ],
  });
  assert.equal((await ask(gateway.httpPort, "/disabled")).status, 200);
  assertRefused(await ask(gateway.httpPort, "/enabled"), missing);
  assertRefused(await ask(gateway.httpPort, "/table"), "custom");
  const text = await ask(gateway.httpPort, "/text");
  assert.deepEqual([text.status, text.text.trim()], [401, "plain text"]);
});

test("a plugin that is configured wrongly rejects its route: never served without it", async (t) => {
  const echo = await startEcho(t);
  const wrong: Readonly<Record<string, object>> = {
    "wrong-type": { "key-auth": { header: 5 } },
    "unknown-plugin": { "key-aut": {} },
    "not-here-yet": { "wolf-rbac": {} },
    "bad-regex": { "key-auth": {}, "proxy-rewrite": { regex_uri: ["^/(", "/x"] } },
    "bad-meta": { "key-auth": { _meta: { disable: "nope" } } },
  };
  const routes = Object.entries(wrong).map(([id, plugins]) =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins }),
  );
  const gateway = await serving(t, { routes: [] });
  const revision = (await gateway.revision()) + 1;
  gateway.writeStandalone({ routes: [...routes, to({ [echo.node]: 1 }, {}, { uri: "/good" })] });
  assert.equal((await gateway.applied(revision)).status, 409);
  assert.equal((await ask(gateway.httpPort, "/good")).status, 200);
  for (const id of Object.keys(wrong)) assert.equal((await ask(gateway.httpPort, `/${id}`)).status, 404, id);
  const { rejected } = (await gateway.status("/status/config")).json() as { rejected: Record<string, string>[] };
  assert.deepEqual(
    rejected.map(({ kind, id, serving: instead }) => `${kind}/${id} ${instead}`).toSorted(),
    Object.keys(wrong)
      .map((id) => `routes/${id} nothing`)
      .toSorted(),
  );
  assert.match(rejected.find(({ id }) => id === "unknown-plugin")?.error ?? "", /unknown plugin \[key-aut\]/);
  assert.equal(echo.requests(), 1);
});
