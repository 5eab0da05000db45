import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { ask, type AskOptions, type Reply } from "./support/client.ts";
import { type Echo, echoOf, startEcho } from "./support/echo.ts";
import { freePort } from "./support/ports.ts";
import { serving, to } from "./support/serving.ts";

// Authentication through the front door. What is expected was recorded from APISIX 3.18;
// docs/plugins.md says where it is done differently.

const header = (echo: Echo, name: string): readonly string[] =>
  echo.headers.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 2));

/** Who the node was told the request comes from. */
const consumerOf = (reply: Reply): string | undefined => header(echoOf(reply), "x-consumer-username")[0];

const messageOf = (reply: Reply): unknown => (JSON.parse(reply.text) as { message?: string }).message;

const secret = "a-secret-of-more-than-thirty-two-bytes";
const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");

function jwt(claims: object, algorithm = "HS256", key = secret): string {
  const signed = `${encode({ alg: algorithm, typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac(`sha${algorithm.slice(2)}`, key)
    .update(signed)
    .digest("base64url")}`;
}

/** Headers of a request that is signed for hmac-auth. */
function signature(method: string, path: string, more: Record<string, string> = {}): Record<string, string> {
  const date = new Date().toUTCString();
  const text = `dan-key\n${method} ${path}\ndate: ${date}\n`;
  const value = createHmac("sha256", "sec").update(text).digest("base64");
  const fields = `keyId="dan-key",algorithm="hmac-sha256",headers="@request-target date",signature="${value}"`;
  return { Date: date, Authorization: `Signature ${fields}`, ...more };
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64");
const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

const consumers = [
  { username: "ann", plugins: { "basic-auth": { username: "ann", password: "a:b" }, "key-auth": { key: "ann-key" } } },
  { username: "bob", plugins: { "jwt-auth": { key: "bob-key", secret } } },
  { username: "cat" },
  { id: "cat/credentials/one", plugins: { "basic-auth": { username: "cat", password: "meow" } } },
  { username: "dan", plugins: { "hmac-auth": { key_id: "dan-key", secret_key: "sec" } }, group_id: "g" },
  { username: "guest" },
];

test("each way to authenticate: who is let in, who is not, what is hidden, who is anonymous", async (t) => {
  const echo = await startEcho(t);
  const route = (id: string, plugins: object): object => to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins });
  const both = { auth_plugins: [{ "basic-auth": {} }, { "jwt-auth": {} }, { "key-auth": { hide_credentials: true } }] };
  const gateway = await serving(t, {
    consumer_groups: [{ id: "g", plugins: {} }],
    consumers,
    routes: [
      route("basic", { "basic-auth": {} }),
      route("hidden", { "basic-auth": { hide_credentials: true, anonymous_consumer: "guest" } }),
      route("jwt", { "jwt-auth": {} }),
      route("jwt-hidden", { "jwt-auth": { hide_credentials: true, cookie: "c" } }),
      route("hmac", { "hmac-auth": { validate_request_body: true } }),
      route("multi", { "multi-auth": both }),
      route("two", { "basic-auth": {}, "key-auth": {} }),
      route("only", { "basic-auth": {}, "consumer-restriction": { whitelist: ["ann"] } }),
      route("group", { "hmac-auth": {}, "consumer-restriction": { type: "consumer_group_id", whitelist: ["g"] } }),
    ],
  });
  const get = (path: string, headers: Record<string, string> = {}, more: AskOptions = {}): Promise<Reply> =>
    ask(gateway.httpPort, path, { headers, ...more });

  const refused = await get("/basic", { Authorization: basic("ann:a") });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers["www-authenticate"], 'Basic realm="basic"');
  assert.equal(refused.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(messageOf(refused), "Invalid user authorization");
  assert.equal(messageOf(await get("/basic")), "Missing authorization in request");
  assert.equal(consumerOf(await get("/basic", { Authorization: basic("ann:a:b") })), "ann");
  const cat = echoOf(await get("/basic", { Authorization: basic("cat:meow") }));
  assert.deepEqual(header(cat, "x-credential-identifier"), ["one"]);
  const hidden = echoOf(await get("/hidden", { Authorization: basic("ann:a:b") }));
  assert.deepEqual([header(hidden, "x-consumer-username"), header(hidden, "authorization")], [["ann"], []]);
  assert.equal(consumerOf(await get("/hidden", { Authorization: basic("ann:no") })), "guest");

  const token = jwt({ key: "bob-key" });
  assert.equal(consumerOf(await get("/jwt", { Authorization: `Bearer ${token}` })), "bob");
  assert.equal(consumerOf(await get(`/jwt?jwt=${token}`)), "bob");
  const cookie = echoOf(await get("/jwt-hidden", { Cookie: `a=1; c=${token}` }));
  assert.deepEqual([header(cookie, "x-consumer-username"), header(cookie, "cookie")], [["bob"], ["a=1"]]);
  for (const [bad, message] of [
    [jwt({ key: "bob-key" }, "HS512"), "failed to verify jwt"],
    [jwt({ key: "bob-key" }, "HS256", "other"), "failed to verify jwt"],
    [jwt({ key: "bob-key", exp: 1_000 }), "failed to verify jwt"],
    [jwt({ key: "nobody" }), "Invalid user key in JWT token"],
    [jwt({}), "missing user key in JWT token"],
    [`${encode({ alg: "none" })}.${encode({ key: "bob-key" })}.`, "JWT token invalid"],
  ] as const) {
    const reply = await get("/jwt", { Authorization: `Bearer ${bad}` });
    assert.deepEqual([reply.status, messageOf(reply)], [401, message]);
    assert.equal(reply.headers["www-authenticate"], 'Bearer realm="jwt"');
  }

  const digest = (text: string): string => `SHA-256=${digestOf(text)}`;
  const signed = signature("POST", "/hmac", { Digest: digest("hello") });
  const accepted = echoOf(await get("/hmac", signed, { headers: signed, method: "POST", body: "hello" }));
  assert.deepEqual([header(accepted, "x-consumer-username"), accepted.body], [["dan"], "hello"]);
  for (const [method, body, headers] of [
    ["POST", "hallo", signed],
    ["PUT", "hello", signed],
    ["POST", "hello", signature("POST", "/hmac")],
    ["POST", "hello", signature("POST", "/other", { Digest: digest("hello") })],
  ] as const) {
    const reply = await ask(gateway.httpPort, "/hmac", { method, body, headers });
    assert.deepEqual([reply.status, messageOf(reply)], [401, "client request can't be validated"]);
  }

  assert.equal(consumerOf(await get("/multi", { Authorization: basic("ann:a:b") })), "ann");
  assert.equal(consumerOf(await get("/multi", { Authorization: `Bearer ${token}` })), "bob");
  const keyed = await get("/multi", { apikey: "ann-key" });
  assert.deepEqual([consumerOf(keyed), header(echoOf(keyed), "apikey")], ["ann", []]);
  assert.equal(keyed.headers["www-authenticate"], undefined);
  const none = await get("/multi");
  assert.deepEqual([none.status, messageOf(none)], [401, "Authorization Failed"]);
  assert.equal(none.headers["www-authenticate"], 'apikey realm="key"');
  assert.equal((await get("/two", { Authorization: basic("ann:a:b") })).status, 401);
  assert.equal((await get("/two", { Authorization: basic("ann:a:b"), apikey: "ann-key" })).status, 200);

  assert.equal((await get("/only", { Authorization: basic("ann:a:b") })).status, 200);
  const forbidden = await get("/only", { Authorization: basic("cat:meow") });
  assert.deepEqual([forbidden.status, messageOf(forbidden)], [403, "The consumer_name is forbidden."]);
  assert.equal((await get("/group", signature("GET", "/group"))).status, 200);
});

interface Asked {
  readonly method: string;
  readonly uri: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** An authorisation service: `ok` passes, `slow` gets no answer, everything else is refused. */
async function startAuthorisation(t: TestContext): Promise<{ readonly url: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked.push({ method: request.method ?? "", uri: request.url ?? "", headers: request.headers, body });
      if (request.headers.authorization === "slow") return;
      const passes = request.headers.authorization === "ok";
      response.writeHead(passes ? 200 : 403, passes ? { "X-User": "alice" } : { "X-Why": "no", "X-Other": "secret" });
      response.end(passes ? "" : "denied");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth?x=1`, asked };
}

test("forward-auth: what the service is asked, what it lets pass, and what happens without it", async (t) => {
  const echo = await startEcho(t);
  const service = await startAuthorisation(t);
  const closed = `http://127.0.0.1:${await freePort()}/`;
  const route = (id: string, conf: object): object =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}`, plugins: { "forward-auth": conf } });
  const passing = {
    uri: service.url,
    request_headers: ["Authorization"],
    upstream_headers: ["X-User", "X-Missing"],
    client_headers: ["X-Why"],
  };
  const gateway = await serving(t, {
    routes: [
      route("get", { ...passing, extra_headers: { "X-Arg": "$arg_a" } }),
      route("post", { ...passing, request_method: "POST", extra_headers: { tenant: "$post_arg.tenant.id" } }),
      route("slow", { ...passing, timeout: 50 }),
      route("down", { uri: closed }),
      route("down-503", { uri: closed, status_on_error: 503 }),
      route("degraded", { uri: closed, allow_degradation: true, upstream_headers: ["X-User"] }),
    ],
  });
  const send = (path: string, options: AskOptions = {}): Promise<Reply> => ask(gateway.httpPort, path, options);

  const forged = { Authorization: "ok", "X-User": "forged", "X-Missing": "forged", "X-Custom": "c" };
  const passed = echoOf(await send("/get?a=%0d%0aX:%20y", { headers: forged }));
  assert.deepEqual([header(passed, "x-user"), header(passed, "x-missing")], [["alice"], []]);
  const { headers, ...question } = service.asked[0] as Asked;
  assert.deepEqual(question, { method: "GET", uri: "/auth?x=1", body: "" });
  assert.equal(headers.authorization, "ok");
  assert.equal(headers["x-forwarded-method"], "GET");
  assert.equal(headers["x-forwarded-uri"], "/get?a=%0d%0aX:%20y");
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(headers["x-arg"], "X: y");
  assert.equal(headers["x-custom"], undefined);

  const refused = await send("/get", { headers: { Authorization: "no" } });
  assert.deepEqual([refused.status, refused.text, refused.headers["x-why"]], [403, "denied", "no"]);
  assert.equal(refused.headers["x-other"], undefined);
  const body = '{"tenant":{"id":7}}';
  const json = { Authorization: "ok", "Content-Type": "application/json" };
  const posted = echoOf(await send("/post", { method: "POST", headers: json, body }));
  assert.equal(posted.body, body);
  assert.deepEqual([service.asked.at(-1)?.body, service.asked.at(-1)?.headers["tenant"]], [body, "7"]);
  assert.equal((await send("/slow", { headers: { Authorization: "slow" } })).status, 403);
  assert.equal((await send("/down")).status, 403);
  assert.equal((await send("/down-503")).status, 503);
  const degraded = echoOf(await send("/degraded", { headers: forged }));
  assert.deepEqual([header(degraded, "x-user"), header(degraded, "x-custom")], [[], ["c"]]);
});
