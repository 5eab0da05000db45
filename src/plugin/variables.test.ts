import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { buildConsumer, buildRequest } from "./fake-request.ts";
import { compileTemplate, compileVariable, isTextVariable } from "./variables.ts";

const attempt = {
  address: "10.0.0.1:80",
  named: "10.0.0.1",
  scheme: "https",
  host: "a.test",
  status: 502,
  connectTime: -1,
  headerTime: -1,
  responseTime: 0.001,
};
const last = {
  address: "[::1]:8080",
  named: "[::1]:8080",
  scheme: "https",
  host: "b.test:8080",
  status: 200,
  connectTime: 0.0004,
  headerTime: 1.5,
  responseTime: 12.3456,
};

const request = buildRequest({
  method: "POST",
  target: "/a%20b?x=1&y=%41+z",
  headers: [
    ["Host", "Foo.com:81"],
    ["X-Name", "ann"],
    ["x_other", "o"],
    ["Authorization", `Basic ${Buffer.from("ann:p:w").toString("base64")}`],
    ["Cookie", "sid=7; sid=8"],
    ["Content-Type", "text/plain; charset=utf-8"],
  ],
  status: 404,
  responseHeaders: [["X-Answer", "yes"]],
  attempts: [attempt, last],
  route: { id: "r1", serviceName: "svc" },
});
request.authenticate({ ...buildConsumer("ann"), groupId: "staff" });

const values: Record<string, string | undefined> = {
  remote_addr: "127.0.0.1",
  binary_remote_addr: "\x7f\0\0\x01",
  realip_remote_port: "50001",
  proxy_protocol_addr: undefined,
  proxy_protocol_server_port: undefined,
  http2: "",
  connection_time: "1.500",
  request_completion: "OK",
  ssl_alpn_protocol: undefined,
  remote_user: "ann",
  host: "foo.com",
  http_host: "Foo.com:81",
  http_x_name: "ann",
  http_X_Name: "ann",
  http_x_other: "o",
  http_none: undefined,
  content_type: "text/plain; charset=utf-8",
  arg_y: "A z",
  arg_none: undefined,
  cookie_sid: "8",
  sent_http_x_answer: "yes",
  request: "POST /a%20b?x=1&y=%41+z HTTP/1.1",
  request_method: "POST",
  request_uri: "/a%20b?x=1&y=%41+z",
  uri: "/a b",
  args: "x=1&y=%41+z",
  query_string: "x=1&y=%41+z",
  is_args: "?",
  scheme: "http",
  server_protocol: "HTTP/1.1",
  server_port: "9080",
  status: "404",
  body_bytes_sent: "12",
  bytes_sent: "150",
  request_length: "80",
  request_time: "0.004",
  connection: "7",
  connection_requests: "1",
  hostname: hostname(),
  pid: String(process.pid),
  upstream_addr: "10.0.0.1:80, [::1]:8080",
  upstream_status: "502, 200",
  upstream_connect_time: "-, 0.000",
  upstream_header_time: "-, 1.500",
  upstream_response_time: "0.001, 12.346",
  upstream_response_length: "0, 12",
  llm_model: "",
  llm_prompt_tokens: "0",
  upstream_http_x_answer: "yes",
  upstream_unresolved_host: "::1",
  request_body: undefined,
  upstream_scheme: "https",
  upstream_host: "b.test:8080",
  upstream_uri: "",
  balancer_ip: "::1",
  balancer_port: "8080",
  route_id: "r1",
  route_name: undefined,
  service_name: "svc",
  consumer_name: "ann",
  consumer_group_id: "staff",
  unheard_of: undefined,
  constructor: undefined,
};

for (const [name, value] of Object.entries(values)) {
  test(`$${name}`, () => assert.equal(compileVariable(name)(request), value));
}

test("variables of a request that reached no node", () => {
  const plain = buildRequest();
  for (const name of [
    "upstream_addr",
    "upstream_status",
    "upstream_response_time",
    "balancer_ip",
    "args",
    "remote_user",
  ]) {
    assert.equal(compileVariable(name)(plain), undefined);
  }
});

test("$request_id stays the same within a request and differs between requests", () => {
  const id = compileVariable("request_id");
  assert.match(id(request) ?? "", /^[0-9a-f]{32}$/);
  assert.equal(id(request), id(request));
  assert.notEqual(id(buildRequest()), id(request));
});

test("$upstream_uri tells of a rewritten target", () => {
  const rewritten = buildRequest({ target: "/a" });
  rewritten.upstream.target = "/b?c";
  assert.equal(compileVariable("upstream_uri")(rewritten), "/b?c");
});

test("times are printed as nginx prints them", () => {
  assert.match(compileVariable("time_local")(request) ?? "", /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}$/);
  assert.match(compileVariable("time_iso8601")(request) ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/);
  assert.match(compileVariable("msec")(request) ?? "", /^\d{10}\.\d{3}$/);
});

test("a plugin's value is a variable", () => {
  const marked = buildRequest();
  marked.values.set("cache_key", "k").set("hits", 3).set("object", {});
  assert.equal(compileVariable("cache_key")(marked), "k");
  assert.equal(compileVariable("hits")(marked), "3");
  assert.equal(compileVariable("object")(marked), undefined);
});

test("templates", () => {
  const rows: [text: string, rendered: string][] = [
    ["", ""],
    ["plain", "plain"],
    ["$host", "foo.com"],
    ["a-$remote_addr-${uri}b", "a-127.0.0.1-/a bb"],
    ["$none|${ none }|${none ?? 2}|${arg_x ?? 2}", "||2|1"],
    ["$host. $none.host|", "foo.com. |"],
    ["\\$host and $ and $$host", "\\$host and $ and $foo.com"],
  ];
  for (const [text, rendered] of rows) assert.equal(compileTemplate(text).render(request), rendered);
  assert.equal(compileTemplate("plain").constant, "plain");
  assert.equal(compileTemplate("$host").constant, null);
});

test("in a log format a dot ends a name and a backslash is text", () => {
  assert.equal(compileTemplate("\\$host.", "nginx").render(request), "\\foo.com.");
});

test("the request's id is one, that of a plugin where there is one", () => {
  const [own, apisix] = [compileVariable("request_id"), compileVariable("apisix_request_id")];
  const ctx = buildRequest();
  assert.match(apisix(ctx) ?? "", /^[0-9a-f]{32}$/);
  assert.equal(apisix(ctx), own(ctx));
  ctx.values.set("apisix_request_id", "from-a-plugin");
  assert.equal(apisix(ctx), "from-a-plugin");
});

test("$binary_remote_addr: the bytes of the address", () => {
  const packed = (remoteAddr: string): string | undefined =>
    compileVariable("binary_remote_addr")(buildRequest({ remoteAddr }));
  assert.equal(packed("255.0.10.13"), "\xff\0\n\r");
  assert.equal(packed("2001:db8::ff"), `\x20\x01\x0d\xb8${"\0".repeat(11)}\xff`);
  assert.equal(packed("::ffff:10.0.0.1"), `${"\0".repeat(10)}\xff\xff\n\0\0\x01`);
  assert.equal(packed("no address"), undefined);
  assert.equal(isTextVariable("binary_remote_addr"), false);
});

test("$upstream_cookie_NAME: a cookie that the node sets", () => {
  const responseHeaders = [["Set-Cookie", "sid=7; Path=/"]] as const;
  assert.equal(compileVariable("upstream_cookie_sid")(buildRequest({ responseHeaders })), "7");
  assert.equal(compileVariable("upstream_cookie_none")(buildRequest({ responseHeaders })), undefined);
});
