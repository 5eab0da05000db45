import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, type AskOptions, exchangeBytes, type Reply } from "./support/client.ts";
import { type Echo, echoOf, startEcho } from "./support/echo.ts";
import { serving, to } from "./support/serving.ts";

// Plugins that turn requests away, answer them in place of the node or change them, through
// the front door. What is expected was recorded from APISIX 3.18; docs/plugins.md says where
// it is done differently.

const header = (echo: Echo, name: string): readonly string[] =>
  echo.headers.filter((line) => line.toLowerCase().startsWith(`${name}:`)).map((line) => line.slice(name.length + 2));

/** A gateway with a route `/<id>*` for each of these configurations, before an echoing node. */
async function gatewayWith(
  t: Parameters<typeof startEcho>[0],
  plugins: Readonly<Record<string, object>>,
): Promise<{ readonly port: number; readonly send: (path: string, options?: AskOptions) => Promise<Reply> }> {
  const echo = await startEcho(t);
  const routes = Object.entries(plugins).map(([id, conf]) =>
    to({ [echo.node]: 1 }, {}, { id, uri: `/${id}*`, plugins: conf }),
  );
  const gateway = await serving(t, { routes });
  return { port: gateway.httpPort, send: (path, options) => ask(gateway.httpPort, path, options) };
}

/** Status and message of an answer in JSON. */
const said = ({ status, text }: Reply): unknown => {
  const { message, error_msg: error } = JSON.parse(text) as { message?: string; error_msg?: string };
  return [status, message ?? error];
};

test("by address, user agent, referer and uri", async (t) => {
  const { send } = await gatewayWith(t, {
    w: { "ip-restriction": { whitelist: ["127.0.0.1", "10.0.0.0/8"] } },
    b: { "ip-restriction": { blacklist: ["127.0.0.1"], message: "no", response_code: 404 } },
    real: { "real-ip": { source: "arg_ip" }, "ip-restriction": { whitelist: ["10.0.0.0/8"] } },
    ua: { "ua-restriction": { denylist: ["my-bot", "(Spider)/(\\d+)"] } },
    ref: { "referer-restriction": { whitelist: ["xx.com", "*.xx.com"] } },
    uri: { "uri-blocker": { block_rules: ["root.exe"], rejected_msg: "gone", rejected_code: 410 } },
    page: { "uri-blocker": { block_rules: ["root.exe"] } },
  });
  const with_ = (name: string, value: string | string[]): AskOptions => ({ headers: { [name]: value } });
  assert.equal((await send("/w")).status, 200);
  assert.equal((await send("/w", with_("X-Real-IP", "10.1.1.1"))).status, 200);
  assert.deepEqual(said(await send("/w", with_("X-Real-IP", "2001:db8::5"))), [403, "Your IP address is not allowed"]);
  assert.deepEqual(said(await send("/b")), [404, "no"]);
  assert.equal((await send("/real")).status, 403);
  const real = echoOf(await send("/real?ip=10.0.0.9:77"));
  assert.deepEqual(header(real, "x-real-ip"), ["10.0.0.9"]);
  assert.deepEqual(header(real, "x-forwarded-for"), ["10.0.0.9"]);

  assert.equal((await send("/ua", with_("User-Agent", "curl"))).status, 200);
  for (const agent of ["a my-bot", "Spider/3", ["curl", "my-bot"]]) {
    assert.deepEqual(said(await send("/ua", with_("User-Agent", agent))), [403, "Not allowed"]);
  }
  assert.equal((await send("/ua")).status, 403);
  assert.equal((await send("/ref", with_("Referer", "https://www.xx.com:8/a?b"))).status, 200);
  assert.deepEqual(said(await send("/ref", with_("Referer", "http://xx.com.evil.com"))), [
    403,
    "Your referer host is not allowed",
  ]);
  assert.deepEqual(said(await send("/uri?x=r%6fot.exe")), [410, "gone"]);
  const page = await send("/page/root.exe");
  assert.deepEqual([page.status, page.headers["content-type"]], [403, "text/html; charset=utf-8"]);
  assert.match(page.text, /403 Forbidden/);
});

test("cors: preflight requests and answers; csrf: the token comes back", async (t) => {
  const { send } = await gatewayWith(t, {
    any: { cors: {} },
    one: {
      cors: { allow_origins: "http://a.com", allow_credential: true, allow_methods: "GET", allow_headers: "X-A" },
    },
    csrf: { csrf: { key: "k", name: "tok" } },
  });
  const from = (origin: string, method = "GET"): AskOptions => ({ method, headers: { Origin: origin } });
  const any = await send("/any");
  assert.equal(any.headers["access-control-allow-origin"], "*");
  assert.equal(any.headers.vary, undefined);
  const preflight = await send("/one", from("http://a.com", "OPTIONS"));
  assert.deepEqual([preflight.status, preflight.text], [200, ""]);
  assert.equal(preflight.headers["access-control-allow-origin"], "http://a.com");
  assert.equal(preflight.headers["access-control-allow-credentials"], "true");
  assert.equal(preflight.headers.vary, "Origin");
  const other = await send("/one", from("http://evil.com"));
  assert.deepEqual([other.status, other.headers["access-control-allow-origin"]], [200, undefined]);

  const first = await send("/csrf");
  const token = /^tok=([^;]+);path=\/;SameSite=Lax;Expires=/.exec(first.headers["set-cookie"]?.[0] ?? "")?.[1] ?? "";
  const post = (headers: Record<string, string>): Promise<Reply> => send("/csrf", { method: "POST", headers });
  assert.deepEqual(said(await post({})), [401, "no csrf token in headers"]);
  assert.deepEqual(said(await post({ tok: "a" })), [401, "no csrf cookie"]);
  assert.deepEqual(said(await post({ tok: "a", Cookie: "tok=b" })), [401, "csrf token mismatch"]);
  const forged = await post({ tok: "a", Cookie: "tok=a" });
  assert.deepEqual(said(forged), [401, "Failed to verify the csrf token signature"]);
  assert.ok(forged.headers["set-cookie"]);
  assert.equal((await post({ tok: token, Cookie: `tok=${token}` })).status, 200);
});

test("bodies: limited, validated, filled in, held back", async (t) => {
  const body = { type: "object", required: ["n"], properties: { n: { type: "integer", minimum: 1 } } };
  const filled = { type: "object", properties: { d: { type: "string", default: "dflt" } } };
  const { port, send } = await gatewayWith(t, {
    limited: { "client-control": { max_body_size: 5 } },
    judged: { "request-validation": { body_schema: body } },
    filled: { "request-validation": { body_schema: filled } },
    held: { "proxy-control": { request_buffering: true } },
    heads: { "request-validation": { header_schema: { type: "object", required: ["x-a"] }, rejected_code: 422 } },
  });
  const post = (path: string, text: string): Promise<Reply> => send(path, { method: "POST", body: text });
  const chunked = (path: string, ...chunks: readonly string[]): Promise<string> =>
    exchangeBytes(
      port,
      `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("")}0\r\n\r\n`,
    );
  assert.equal(echoOf(await post("/limited", "12345")).body, "12345");
  assert.equal((await post("/limited", "123456")).status, 413);
  assert.match(await chunked("/limited", "123", "456"), /^HTTP\/1.1 413 /);
  assert.match(await chunked("/limited", "123", "45"), /^HTTP\/1.1 200 [^]*12345/);

  assert.equal(echoOf(await post("/judged", '{"n":1}')).body, '{"n":1}');
  const refused = await post("/judged", '{"n":0}');
  assert.deepEqual(
    [refused.status, refused.text],
    [400, 'property "n" validation failed: expected 0 to be at least 1'],
  );
  assert.match(await chunked("/judged", '{"n"', ":1}"), /^HTTP\/1.1 200 /);
  const more = echoOf(await post("/filled", '{"a":1}'));
  assert.deepEqual([more.body, header(more, "content-length")], ['{"a":1,"d":"dflt"}', ["18"]]);
  assert.match(await chunked("/filled", "{}"), /^HTTP\/1.1 200 [^]*dflt/);
  assert.equal((await send("/heads")).status, 422);
  const long = "x".repeat(200_000);
  assert.equal(echoOf(await post("/held", long)).body, long);
});

test("answers in place of the node, and around its own", async (t) => {
  const { port, send } = await gatewayWith(t, {
    moved: { redirect: { uri: "/new$uri?x=$arg_x" } },
    https: { redirect: { http_to_https: true } },
    regex: { redirect: { regex_uri: ["^/regex/(.*)$", "/$1"], append_query_string: true } },
    fault: { "fault-injection": { abort: { http_status: 418, body: "h $arg_x", headers: { "X-F": "$arg_x" } } } },
    delayed: { "fault-injection": { delay: { duration: 0.01 } } },
    mock: { mocking: { response_example: '{"a":1}' } },
    echo: { echo: { before_body: "<", after_body: ">", headers: { "X-E": "1" } } },
    said: { echo: { body: "said" } },
  });
  const moved = await send("/moved?x=1");
  assert.deepEqual([moved.status, moved.headers.location], [302, "/new/moved?x=1"]);
  assert.match(moved.text, /302 Found/);
  assert.equal(moved.headers["content-type"], "text/html");
  const split = await exchangeBytes(
    port,
    "GET /moved?x=%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assert.doesNotMatch(split, /^Set-Cookie/m);
  const https = await send("/https?a=1", { method: "POST", headers: { Host: "foo.com:99" } });
  assert.deepEqual([https.status, https.headers.location], [308, "https://foo.com/https?a=1"]);
  assert.equal((await send("/regex/a?b=1")).headers.location, "/a?b=1");
  const fault = await send("/fault?x=7");
  assert.deepEqual([fault.status, fault.text, fault.headers["x-f"]], [418, "h 7", "7"]);
  assert.equal((await send("/delayed")).status, 200);
  const mock = await send("/mock");
  assert.deepEqual([mock.text, mock.headers["content-type"]], ['{"a":1}', "application/json;charset=utf8"]);
  const around = await send("/echo");
  assert.match(around.text, /^<\{.*\}>$/s);
  assert.equal(around.headers["x-e"], "1");
  assert.equal((await send("/said")).text, "said");
});
