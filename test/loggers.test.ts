import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { ask } from "./support/client.ts";
import { startEcho } from "./support/echo.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { serving, to } from "./support/serving.ts";
import { startHttpSink, startTcpSink, startUdpSink } from "./support/sinks.ts";

// The log plugins through the front door, against servers that keep what they get.

/** Routes by path, each to the node with its plugins. */
function routes(node: string, plugins: Readonly<Record<string, object>>): object[] {
  return Object.entries(plugins).map(([path, conf]) =>
    to({ [node]: 1 }, {}, { id: path.replaceAll(/\W/g, "") || "all", uri: path, plugins: conf }),
  );
}

const short = { batch_max_size: 1, log_format: { s: "$status", u: "$uri" } };

/** Asks again and again until the file holds so many lines. */
async function linesOf(file: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
    if (lines.length >= count) return lines;
    await setTimeout(10);
  }
}

test("http-logger posts single entries and batches, formatted by route and metadata", async (t) => {
  const echo = await startEcho(t);
  const sink = await startHttpSink(t);
  const uri = `${sink.url}/logs?a=1`;
  const gateway = await serving(t, {
    plugin_metadata: [{ id: "http-logger", log_format: { m: "$request_method", nested: { port: "$server_port" } } }],
    routes: routes(echo.node, {
      "/one": { "http-logger": { uri, batch_max_size: 1 } },
      "/own": { "http-logger": { uri, ...short, auth_header: "Bearer t" } },
      "/two": { "http-logger": { uri, ...short, batch_max_size: 2 } },
      "/lines": { "http-logger": { uri, ...short, batch_max_size: 2, concat_method: "new_line" } },
      "/again": { "http-logger": { uri, ...short, max_retry_count: 1, retry_delay: 0 } },
      "/idle": { "http-logger": { uri, ...short, batch_max_size: 9, inactive_timeout: 1 } },
    }),
  });
  const get = async (...paths: string[]): Promise<void> => {
    for (const path of paths) assert.equal((await ask(gateway.httpPort, path)).status, 200);
  };
  await get("/one");
  const one = await sink.inbox.next();
  assert.deepEqual(one.json(), { m: "GET", nested: { port: String(gateway.httpPort) }, route_id: "one" });
  const { host, "content-type": type, authorization } = one.headers;
  assert.deepEqual(
    [one.method, one.url, host, type],
    ["POST", "/logs?a=1", `127.0.0.1:${sink.port}`, "application/json"],
  );
  assert.equal(authorization, undefined);
  await get("/own");
  const own = await sink.inbox.next();
  assert.deepEqual(own.json(), { u: "/own", s: 200, route_id: "own" });
  assert.equal(own.headers.authorization, "Bearer t");
  await get("/two", "/two");
  const two = { u: "/two", s: 200, route_id: "two" };
  assert.deepEqual((await sink.inbox.next()).json(), [two, two]);
  await get("/lines", "/lines");
  const lines = await sink.inbox.next();
  assert.equal(lines.text, Array(2).fill('{"s":200,"u":"/lines","route_id":"lines"}').join("\n"));
  assert.equal(lines.headers["content-type"], "text/plain");
  await get("/idle");
  assert.deepEqual((await sink.inbox.next()).json(), [{ u: "/idle", s: 200, route_id: "idle" }]);

  // A server that refuses is asked once more, then the entry is dropped and the error log says so.
  sink.answer = () => [500, "no\nspace"];
  await get("/again");
  assert.equal((await sink.inbox.next()).text, (await sink.inbox.next()).text);
  while (!gateway.errorLog.includes("1 entry dropped: the server answered 500: no\\nspace")) await setTimeout(10);
});

test("bodies are logged as they passed, whatever others do with them", async (t) => {
  const origin = await startOrigin(t, "o", (request, response) => {
    response.setHeader("Content-Type", "text/plain");
    if (request.url === "/zip") response.setHeader("Content-Encoding", "gzip").end(gzipSync("zipped"));
    else request.pipe(response);
  });
  const sink = await startHttpSink(t);
  const logger = { uri: sink.url, batch_max_size: 1, include_req_body: true, include_resp_body: true };
  const gateway = await serving(t, {
    routes: routes(origin.node, {
      "/all": { "http-logger": logger },
      "/cut": { "http-logger": { ...logger, max_req_body_bytes: 2, max_resp_body_bytes: 4 } },
      "/zip": { "http-logger": logger },
      "/gzip": { "http-logger": logger, gzip: { types: "*", min_length: 1 } },
      "/read": { "http-logger": logger, "request-validation": { body_schema: { type: "object" } } },
      "/if": {
        "http-logger": {
          ...logger,
          include_req_body_expr: [["arg_a", "==", "1"]],
          include_resp_body_expr: [["status", ">=", 400]],
        },
      },
    }),
  });
  const post = async (path: string, body: string, headers = {}): Promise<(string | undefined)[]> => {
    const answer = await ask(gateway.httpPort, path, { method: "POST", body, headers });
    assert.equal(answer.status, 200);
    const logged = (await sink.inbox.next()).json() as Record<
      "request" | "response",
      { headers: object; body?: string }
    >;
    // With those that frame the answer and the gateway's own.
    assert.deepEqual(logged.response.headers, { ...answer.headers });
    return [logged.request.body, logged.response.body];
  };
  assert.deepEqual(await post("/all", "abcdef"), ["abcdef", "abcdef"]);
  const long = "x".repeat(600_000);
  const cut = (await post("/all", long)).map((text) => text?.length);
  assert.deepEqual(cut, [524_288, 524_288]);
  assert.deepEqual(await post("/cut", "abcdef"), ["ab", "abcd"]);
  assert.deepEqual(await post("/zip", ""), [undefined, "zipped"]);
  assert.deepEqual(await post("/gzip", "packed", { "Accept-Encoding": "gzip" }), ["packed", "packed"]);
  const json = { "Content-Type": "application/json" };
  assert.deepEqual(await post("/read", '{"a":1}', json), ['{"a":1}', '{"a":1}']);
  assert.deepEqual(await post("/if", "abc"), [undefined, undefined]);
  assert.deepEqual(await post("/if?a=1", "abc"), ["abc", undefined]);
});

test("tcp-logger, udp-logger and syslog send over sockets, and come back to a server that cut the connection", async (t) => {
  const echo = await startEcho(t);
  const [whole, lines, udp] = [
    await startTcpSink(t, { whole: true }),
    await startTcpSink(t, { whole: false }),
    await startUdpSink(t),
  ];
  const at = (port: number): object => ({ host: "127.0.0.1", port, ...short });
  const gateway = await serving(t, {
    routes: routes(echo.node, {
      "/tcp": { "tcp-logger": at(whole.port) },
      "/tcp2": { "tcp-logger": { ...at(whole.port), batch_max_size: 2 } },
      "/udp": { "udp-logger": at(udp.port) },
      "/udp2": { "udp-logger": { ...at(udp.port), batch_max_size: 2 } },
      "/syslog": { syslog: at(lines.port) },
      "/syslog-udp": { syslog: { ...at(udp.port), sock_type: "udp" } },
    }),
  });
  const get = async (path: string): Promise<string> => {
    assert.equal((await ask(gateway.httpPort, path, { headers: { Host: "log.test" } })).status, 200);
    return `{"s":200,"u":"${path}","route_id":"${path.replaceAll(/\W/g, "")}"}`;
  };
  const tcp = await get("/tcp");
  assert.equal(await whole.inbox.next(), tcp);
  const tcp2 = [await get("/tcp2"), await get("/tcp2")];
  assert.equal(await whole.inbox.next(), `[${tcp2.join(",")}]`);
  const datagram = await get("/udp");
  assert.equal(await udp.inbox.next(), datagram);
  const udp2 = [await get("/udp2"), await get("/udp2")];
  assert.equal(await udp.inbox.next(), `[${udp2.join(",")}]`);
  const message = /^<46>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z log\.test apisix \d+ - - (\{.*\})$/;
  const syslogUdp = await get("/syslog-udp");
  assert.equal(message.exec(await udp.inbox.next())?.[1], syslogUdp);
  for (let round = 0; round < 2; round++) {
    const syslog = await get("/syslog");
    assert.equal(message.exec(await lines.inbox.next())?.[1], syslog);
    assert.equal(lines.connections(), 1);
    // The gateway learns of it and opens another one.
    lines.cut();
  }
});

test("TLS: certificates are verified where that is asked for", async (t) => {
  const echo = await startEcho(t);
  const [https, tls] = [await startHttpSink(t, true), await startTcpSink(t, { whole: true, tls: true })];
  const at = { host: "127.0.0.1", port: tls.port, tls: true, ...short };
  const gateway = await serving(t, {
    routes: routes(echo.node, {
      "/any": { "http-logger": { uri: https.url, ...short } },
      "/verified": { "http-logger": { uri: https.url, ...short, ssl_verify: true } },
      "/tcp": { "tcp-logger": at },
      "/syslog": { syslog: at },
    }),
  });
  for (const path of ["/verified", "/tcp", "/syslog"]) {
    assert.equal((await ask(gateway.httpPort, path)).status, 200);
    const said = `of routes/${path.slice(1)}: batch`;
    while (!gateway.errorLog.split(said).at(1)?.includes("1 entry dropped: self-signed certificate"))
      await setTimeout(10);
  }
  await ask(gateway.httpPort, "/any");
  assert.deepEqual((await https.inbox.next()).json(), { u: "/any", s: 200, route_id: "any" });
});

test("TLS: a server whose certificate is trusted gets lines and batches", async (t) => {
  const echo = await startEcho(t);
  const tls = await startTcpSink(t, { whole: false, tls: true });
  const https = await startHttpSink(t, true);
  const gateway = await serving(
    t,
    {
      routes: routes(echo.node, {
        "/syslog": { syslog: { host: "localhost", port: tls.port, tls: true, ...short } },
        "/http": { "http-logger": { uri: https.url, ssl_verify: true, ...short } },
      }),
    },
    {
      config: { apisix: { ssl: { ssl_trusted_certificate: join(import.meta.dirname, "support", "certificate.pem") } } },
    },
  );
  await ask(gateway.httpPort, "/syslog");
  assert.match(await tls.inbox.next(), /\{"s":200,"u":"\/syslog","route_id":"syslog"\}$/);
  await ask(gateway.httpPort, "/http");
  assert.deepEqual((await https.inbox.next()).json(), { u: "/http", s: 200, route_id: "http" });
});

test("loki-logger pushes streams, elasticsearch-logger fills an index of any version", async (t) => {
  const echo = await startEcho(t);
  const [loki, es] = [await startHttpSink(t), await startHttpSink(t)];
  let version = "8.11.0";
  es.answer = ({ method }) =>
    method === "GET" ? [200, JSON.stringify({ version: { number: version } })] : [200, '{"errors":false}'];
  const elastic = { endpoint_addrs: [es.url], field: { index: "gateway-$route_id" }, ...short };
  const gateway = await serving(t, {
    routes: routes(echo.node, {
      "/loki": {
        "loki-logger": {
          endpoint_addrs: [loki.url],
          tenant_id: "t",
          headers: { "X-More": "m" },
          log_labels: { job: "apisix", origin: "$remote_addr", none: "$http_none" },
          ...short,
        },
      },
      "/es": { "elasticsearch-logger": { ...elastic, auth: { username: "elastic", password: "p:w" } } },
      "/es6": { "elasticsearch-logger": elastic },
    }),
  });
  await ask(gateway.httpPort, "/loki");
  const push = await loki.inbox.next();
  assert.deepEqual(
    [push.url, push.headers["x-scope-orgid"], push.headers["x-more"], push.headers["content-type"]],
    ["/loki/api/v1/push", "t", "m", "application/json"],
  );
  const { streams } = push.json() as { streams: { stream: object; values: [string, string][] }[] };
  assert.deepEqual(
    streams.map(({ stream }) => stream),
    [{ job: "apisix", origin: "127.0.0.1" }],
  );
  const [time, line] = streams[0]?.values[0] ?? ["", ""];
  assert.match(time, /^\d{13}000000$/);
  assert.equal(line, '{"s":200,"u":"/loki","route_id":"loki"}');

  await ask(gateway.httpPort, "/es");
  const [info, bulk] = [await es.inbox.next(), await es.inbox.next()];
  assert.deepEqual([info.method, info.url, bulk.method, bulk.url.split("?")[0]], ["GET", "/", "POST", "/_bulk"]);
  assert.equal(bulk.headers.authorization, `Basic ${btoa("elastic:p:w")}`);
  assert.equal(bulk.headers["content-type"], "application/x-ndjson");
  assert.equal(bulk.text, '{"create":{"_index":"gateway-es"}}\n{"s":200,"u":"/es","route_id":"es"}\n');
  version = "6.8.23";
  await ask(gateway.httpPort, "/es6");
  await es.inbox.next();
  assert.match((await es.inbox.next()).text, /^\{"create":\{"_index":"gateway-es6","_type":"_doc"\}\}\n/);
});

test("file-logger appends lines that match, follows a rotation, and bears a path that is not there", async (t) => {
  const echo = await startEcho(t);
  const logger = { path: "logs/requests.log", log_format: { u: "$request_uri" } };
  const gateway = await serving(t, {
    plugin_metadata: [{ id: "file-logger", path: "logs/shared.log" }],
    routes: routes(echo.node, {
      "/file": { "file-logger": { ...logger, match: [["arg_a", "==", "1"]] } },
      "/shared": { "file-logger": { log_format: logger.log_format } },
      "/lost": { "file-logger": { path: "missing/requests.log" } },
    }),
  });
  const file = join(gateway.prefix, logger.path);
  const get = async (path: string): Promise<void> => assert.equal((await ask(gateway.httpPort, path)).status, 200);
  for (const path of ["/file?a=1", "/file?a=2", "/file?a=1&b"]) await get(path);
  const line = (uri: string): string => `{"u":"${uri}","route_id":"file"}`;
  assert.deepEqual(await linesOf(file, 2), [line("/file?a=1"), line("/file?a=1&b")]);
  renameSync(file, `${file}.1`);
  gateway.child.kill("SIGUSR1");
  // The signal has no answer: the file that is made anew tells that it was followed.
  while (!existsSync(file)) {
    await get("/file?a=1&c");
    await setTimeout(120);
  }
  assert.equal((await linesOf(file, 1))[0], line("/file?a=1&c"));
  await get("/shared");
  assert.deepEqual(await linesOf(join(gateway.prefix, "logs/shared.log"), 1), ['{"u":"/shared","route_id":"shared"}']);
  await get("/lost");
  while (!/1 entry dropped: ENOENT: .*missing\/requests\.log/.test(gateway.errorLog)) await setTimeout(10);
  // Once the directory is there, entries are.
  mkdirSync(join(gateway.prefix, "missing"));
  await get("/lost");
  const [entry = ""] = await linesOf(join(gateway.prefix, "missing/requests.log"), 1);
  assert.equal((JSON.parse(entry) as { route_id: string }).route_id, "lost");
});

test("what is gathered is sent to where it was meant for, after a change of the route and before the gateway ends", async (t) => {
  const echo = await startEcho(t);
  const [before, after] = [await startHttpSink(t), await startHttpSink(t)];
  const configured = (uri: string): object => {
    const slow = { uri, log_format: { u: "$uri" }, inactive_timeout: 1_000, buffer_duration: 1_000 };
    return { routes: routes(echo.node, { "/*": { "http-logger": slow } }) };
  };
  const gateway = await serving(t, configured(before.url), {});
  await ask(gateway.httpPort, "/a");
  await ask(gateway.httpPort, "/b");
  const revision = await gateway.revision();
  gateway.writeStandalone(configured(after.url));
  assert.equal((await gateway.applied(revision + 1)).status, 200);
  await ask(gateway.httpPort, "/c");
  gateway.child.kill("SIGTERM");
  const paths = async (sink: typeof before): Promise<string[]> =>
    ((await sink.inbox.next()).json() as { u: string }[]).map(({ u }) => u);
  assert.deepEqual([await paths(before), await paths(after)], [["/a", "/b"], ["/c"]]);
  assert.equal(await gateway.exited, 0);
});

test("with a server that is away requests go on, memory is bounded, and what is lost is counted and told", async (t: TestContext) => {
  const echo = await startEcho(t);
  const [away, metrics] = [await freePort(), await freePort()];
  const gateway = await serving(
    t,
    {
      plugin_metadata: [{ id: "http-logger", max_pending_entries: 20 }],
      routes: routes(echo.node, {
        "/away": { "http-logger": { uri: `http://127.0.0.1:${away}`, batch_max_size: 10, max_retry_count: 1_000 } },
      }),
    },
    {
      config: {
        nginx_config: { worker_shutdown_timeout: "1s" },
        plugin_attr: { prometheus: { export_addr: { ip: "127.0.0.1", port: metrics } } },
      },
    },
  );
  for (let i = 0; i < 100; i++) assert.equal((await ask(gateway.httpPort, "/away")).status, 200);
  assert.match(
    gateway.errorLog,
    /plugin http-logger of routes\/away: batch http logger: 1 entry dropped: 20 entries are waiting/,
  );
  const told = /^turnpike_log_entries_dropped_total\{plugin="http-logger"\} 80$/m;
  const waiting = /^apisix_batch_process_entries\{name="http logger",route_id="away",server_addr=""\} 20$/m;
  for (;;) {
    const { text } = await ask(metrics, "/apisix/prometheus/metrics");
    if (told.test(text) && waiting.test(text)) break;
    await setTimeout(50);
  }
  gateway.child.kill("SIGTERM");
  assert.equal(await gateway.exited, 0);
  // 80 did not fit, of which one was told at once; 20 were still waiting.
  const dropped = gateway.errorLog.matchAll(/batch http logger: (\d+) entr(?:y|ies) dropped/g);
  assert.equal(
    Array.from(dropped, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0),
    100,
  );
  assert.match(gateway.errorLog, /\d\d entries dropped: the gateway ends/);
});
