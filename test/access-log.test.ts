import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ask, exchangeBytes, Wire } from "./support/client.ts";
import { startEcho } from "./support/echo.ts";
import { type Gateway, startGateway } from "./support/gateway.ts";
import { type Origin, startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";

/** A gateway of one worker that logs as these keys of `nginx_config.http` say. */
async function logging(t: TestContext, http: object, routes: readonly object[]): Promise<Gateway> {
  const gateway = await startGateway(t, { workers: 1, config: { nginx_config: { http } }, standalone: { routes } });
  await gateway.until(200);
  return gateway;
}

/** Ends the gateway, which writes what is left of the log, and returns the lines. */
async function linesOf(gateway: Gateway, file = "logs/access.log"): Promise<readonly string[]> {
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  return readFileSync(join(gateway.prefix, file), "utf8").split("\n").slice(0, -1);
}

const route = (origin: Origin, more: object = {}): object => ({
  id: "all",
  uri: "/*",
  upstream: { nodes: { [origin.node]: 1 } },
  ...more,
});

const TIME = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`;

test("the default format is APISIX's", async (t) => {
  const echo = await startEcho(t);
  const dead = `127.0.0.1:${await freePort()}`;
  const refused = { id: "refused", uri: "/refused", upstream: { nodes: { [dead]: 1 } } };
  const rewritten = { id: "rewritten", uri: "/rewritten", plugins: { "proxy-rewrite": { uri: "/inner" } } };
  const routes = [route(echo, { host: "shop.com" }), refused, { ...route(echo), ...rewritten }];
  const gateway = await logging(t, {}, routes);
  const port = gateway.httpPort;
  const headers = { Host: "shop.com", "User-Agent": 'curl "8"', Referer: "http://r/" };
  const served = await ask(port, "/a?b=1", { method: "POST", headers, body: "abc" });
  await ask(port, "/none");
  await ask(port, "/refused");
  await ask(port, "/rewritten?x=1", { headers: { Host: "x.com:80" } });
  await exchangeBytes(port, "GET /bad HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");

  const [first = "", none = "", broken = "", inner = "", bad = "", ...more] = await linesOf(gateway);
  assert.match(
    first,
    new RegExp(
      String.raw`^127\.0\.0\.1 - - ${TIME} shop\.com "POST /a\?b=1 HTTP/1\.1" 200 ${served.text.length} \d\.\d{3} ` +
        String.raw`"http://r/" "curl \\x228\\x22" ${echo.node} 200 \d\.\d{3} "http://shop\.com"$`,
    ),
  );
  const host = String.raw`127\.0\.0\.1:${port}`;
  assert.match(none, new RegExp(`${host} "GET /none HTTP/1\\.1" 404 36 \\d\\.\\d{3} "-" "-" - - - "http://${host}"$`));
  assert.match(
    broken,
    new RegExp(`"GET /refused HTTP/1\\.1" 502 \\d+ \\d\\.\\d{3} "-" "-" ${dead} 502 \\d\\.\\d{3} "`),
  );
  assert.match(inner, /"GET \/rewritten\?x=1 HTTP\/1\.1" 200 .* "http:\/\/x\.com:80\/inner\?x=1"$/);
  assert.match(bad, / 400 /);
  assert.deepEqual(more, []);
});

test("a line tells the scheme and the Host that the node was sent, also those of a second attempt", async (t) => {
  const echo = await startEcho(t);
  const dead = await freePort();
  const [, port] = echo.node.split(":");
  const through = (id: string, upstream: object, more: object = {}): object => ({
    id,
    uri: `/${id}`,
    upstream: { nodes: { [echo.node]: 1 }, ...upstream },
    ...more,
  });
  const proxyRewrite = { plugins: { "proxy-rewrite": { host: "plugin.com" } } };
  const backup = [
    { host: "127.0.0.1", port: dead, weight: 1, priority: 1 },
    { host: "localhost", port: Number(port), weight: 1 },
  ];
  const gateway = await logging(t, { access_log_format: "$uri $upstream_scheme $upstream_host" }, [
    through("pass", {}),
    through("rewrite", { pass_host: "rewrite", upstream_host: "up.com:81" }, proxyRewrite),
    through("node", { pass_host: "node" }),
    through("plugin", {}, proxyRewrite),
    through("backup", { nodes: backup, pass_host: "node" }),
    // The origin speaks no TLS: that it was asked to is what counts.
    through("https", { scheme: "https" }),
    { id: "nobody", uri: "/nobody", upstream: { nodes: [], scheme: "https", pass_host: "node" } },
  ]);
  const paths = ["pass", "rewrite", "node", "plugin", "backup", "https", "nobody"];
  for (const path of paths) await ask(gateway.httpPort, `/${path}`, { headers: { Host: "client.com" } });
  assert.deepEqual(await linesOf(gateway), [
    "/pass http client.com",
    "/rewrite http up.com:81",
    `/node http ${echo.node}`,
    "/plugin http plugin.com",
    `/backup http localhost:${port}`,
    "/https https client.com",
    "/nobody http client.com",
  ]);
});

test("a client that leaves before its answer: 499, and no status of the node", async (t) => {
  const asked = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const silent = await startOrigin(t, "silent", (request) => {
    request.socket.once("close", closed.resolve);
    asked.resolve();
  });
  const gateway = await logging(
    t,
    { access_log_format: "$status $upstream_addr $upstream_status $upstream_header_time" },
    [route(silent)],
  );
  const client = new Wire(gateway.httpPort);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await asked.promise;
  client.socket.resetAndDestroy();
  await closed.promise;
  assert.deepEqual(await linesOf(gateway), [`499 ${silent.node} - -`]);
});

test("a format of one's own, with several attempts and any variable", async (t) => {
  const echo = await startEcho(t);
  const dead = `127.0.0.1:${await freePort()}`;
  const gateway = await logging(
    t,
    {
      access_log: "logs/own.log",
      access_log_format:
        "$request_method|$uri|$args|$arg_b|$http_x_a|$cookie_c|$host|$status|${body_bytes_sent}|" +
        "$upstream_addr|$upstream_status|$route_id|$sent_http_content_type|$nothing_such|ünï",
    },
    [{ id: "r1", uri: "/*", upstream: { nodes: { [dead]: 1, [echo.node]: 1 } } }],
  );
  const headers = { Host: "H.com", "X-A": "one\ttwo", Cookie: "c=3" };
  for (let i = 0; i < 2; i++) await ask(gateway.httpPort, "/p%20q?a=1&b=2", { method: "HEAD", headers });
  const lines = await linesOf(gateway, "logs/own.log");
  const retried = lines.find((line) => line.includes(dead)) ?? "";
  const start = String.raw`HEAD|/p q|a=1&b=2|2|one\x09two|3|h.com|200|0|`;
  assert.equal(lines.length, 2);
  assert.equal(retried, `${start}${dead}, ${echo.node}|502, 200|r1|application/json|-|ünï`);
  assert.ok(lines.includes(`${start}${echo.node}|200|r1|application/json|-|ünï`));
});

test("escape json: each line is JSON, whatever clients send", async (t) => {
  const echo = await startEcho(t);
  const gateway = await logging(
    t,
    {
      access_log_format: '{"agent":"$http_user_agent","missing":"$http_x_none","status":$status,"uri":"$request_uri"}',
      access_log_format_escape: "json",
    },
    [route(echo)],
  );
  const agent = 'say "hi" \\ \t ü';
  await ask(gateway.httpPort, "/a%22b", { headers: { "User-Agent": Buffer.from(agent).toString("latin1") } });
  const [line = ""] = await linesOf(gateway);
  assert.deepEqual(JSON.parse(line), { agent, missing: "", status: 200, uri: "/a%22b" });
});

test("escape none, and no access log at all", async (t) => {
  const echo = await startEcho(t);
  const format =
    "$http_x_a|$request_body|$sent_http_server|$sent_http_connection|$sent_http_content_length|" +
    "$upstream_http_content_type|$upstream_response_length|$body_bytes_sent";
  const plain = await logging(t, { access_log_format: format, access_log_format_escape: "none" }, [route(echo)]);
  const { text, headers } = await ask(plain.httpPort, "/", {
    method: "POST",
    body: "a=b",
    headers: { "X-A": '"\\', Connection: "close" },
  });
  const length = text.length;
  assert.deepEqual(await linesOf(plain), [
    `"\\|a=b|${headers.server}|close|${length}|application/json|${length}|${length}`,
  ]);

  const silent = await logging(t, { enable_access_log: false }, [route(echo)]);
  assert.equal((await ask(silent.httpPort, "/")).status, 200);
  silent.child.kill("SIGTERM");
  await silent.exited;
  assert.ok(!existsSync(join(silent.prefix, "logs/access.log")));
});

test("what a connection and a node tell, in values that no line breaks over", async (t) => {
  const origin = await startOrigin(t, "origin", ({ url }, response) => {
    if (url !== "/kept")
      response.setHeader("Set-Cookie", ["a=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT", "Sid = 7, x=8; Path=/"]);
    if (url !== "/broken") response.end("whole");
    else response.writeHead(200, { "Content-Length": 9 }).write("part", () => response.destroy());
  });
  const format =
    "$uri|$binary_remote_addr|$realip_remote_addr|$request_completion|$upstream_cookie_sid|$upstream_cookie_x|" +
    "$upstream_cache_status|$connection_time|$http_cookie|$proxy_protocol_addr|$ssl_alpn_protocol|$http2|";
  const kept = { "proxy-cache": { cache_strategy: "memory", cache_zone: "memory_cache" } };
  const gateway = await logging(t, { access_log_format: format }, [
    route(origin),
    { ...route(origin), id: "kept", uri: "/kept", plugins: kept },
  ]);
  const port = gateway.httpPort;
  await exchangeBytes(
    port,
    "GET /one HTTP/1.1\r\nHost: a\r\nX-Real-IP: 10.13.34.255\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n",
  );
  await exchangeBytes(port, "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
  for (let i = 0; i < 2; i++) await ask(port, "/kept");
  const lines = await linesOf(gateway);
  assert.match(
    lines[0] ?? "",
    /^\/one\|\\x0A\\x0D\\x22\\xFF\|127\.0\.0\.1\|OK\|7, x=8\|-\|-\|\d\.\d{3}\|a=1; b=2\|-\|-\|\|$/,
  );
  assert.match(lines[1] ?? "", /^\/broken\|\\x7F\\x00\\x00\\x01\|127\.0\.0\.1\|\|7, x=8\|/);
  assert.match(lines[2] ?? "", /^\/kept\|.*\|OK\|-\|-\|MISS\|/);
  assert.match(lines[3] ?? "", /^\/kept\|.*\|OK\|-\|-\|HIT\|/);
  assert.equal(lines.length, 4);
});

test("after a rotation, reopened by SIGUSR1, lines go to the new file", async (t) => {
  const echo = await startEcho(t);
  const gateway = await logging(t, { access_log_format: "$uri" }, [route(echo)]);
  const log = join(gateway.prefix, "logs/access.log");
  await ask(gateway.httpPort, "/before");
  renameSync(log, `${log}.1`);
  gateway.child.kill("SIGUSR1");
  while (!existsSync(log)) await setTimeout(5);
  await ask(gateway.httpPort, "/after");
  assert.deepEqual(await linesOf(gateway), ["/after"]);
  assert.equal(readFileSync(`${log}.1`, "utf8"), "/before\n");
});
