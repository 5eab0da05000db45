import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { ask, exchangeBytes, type Reply } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { serving, to } from "./support/serving.ts";

// Plugins that lead traffic elsewhere, copy, keep, compress or answer it, through the front door.

/** Routes by path, each to the node with its plugins. */
function routes(node: string, plugins: Readonly<Record<string, object>>): object[] {
  return Object.entries(plugins).map(([path, conf]) =>
    to({ [node]: 1 }, {}, { id: path.replaceAll(/\W/g, "_"), uri: path, plugins: conf }),
  );
}

/** A port on which one piece of text arrives, told by `data`. */
async function startSink(t: TestContext) {
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (piece: Buffer) => {
      text += piece.toString("latin1");
      if (text.endsWith("copied")) {
        server.emit("copy", text);
        socket.end("HTTP/1.1 204 No Content\r\n\r\n");
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { server, port: address.port };
}

test("traffic-split leads shares and matches elsewhere, to names and ids, with the body looked into", async (t) => {
  const [one, two] = [await startEcho(t, "one"), await startEcho(t, "two")];
  const named = { type: "roundrobin", nodes: { [two.node.replace("127.0.0.1", "localhost")]: 1 } };
  const is = (name: string) => ({ match: [{ vars: [[name, "==", "1"]] }] });
  const split = (...rules: object[]): object => ({ "traffic-split": { rules } });
  const gateway = await serving(t, {
    upstreams: [{ id: "two", type: "roundrobin", nodes: { [two.node]: 1 }, pass_host: "rewrite", upstream_host: "h" }],
    routes: routes(one.node, {
      "/shares": split({ weighted_upstreams: [{ upstream: named, weight: 2 }, { weight: 1 }] }),
      "/match": split({ ...is("arg_a"), weighted_upstreams: [{ upstream_id: "two" }] }),
      "/body": split({ ...is("post_arg_a"), weighted_upstreams: [{ upstream_id: "two" }] }),
      "/gone": split({ weighted_upstreams: [{ upstream_id: "gone" }] }),
    }),
  });
  const origin = async (path: string, options = {}): Promise<string> =>
    echoOf(await ask(gateway.httpPort, path, options)).origin;
  const shares: string[] = [];
  for (let i = 0; i < 6; i++) shares.push(await origin("/shares"));
  assert.deepEqual(shares, ["two", "one", "two", "two", "one", "two"]);
  assert.equal(await origin("/match"), "one");
  const matched = echoOf(await ask(gateway.httpPort, "/match?a=1"));
  assert.deepEqual([matched.origin, matched.headers[0]], ["two", "Host: h"]);
  const form = (body: string) => ({
    method: "POST",
    body,
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  assert.deepEqual([await origin("/body", form("a=1")), await origin("/body", form("a=2"))], ["two", "one"]);
  const gone = await ask(gateway.httpPort, "/gone");
  assert.deepEqual([gone.status, gone.text], [500, "failed to fetch upstream info by upstream id: gone"]);
});

test("gzip compresses whole and chunked answers, error-page replaces what the gateway answers", async (t) => {
  const origin = await startOrigin(t, "o", (request, response) => {
    response.setHeader("Content-Type", "text/html");
    if (request.url === "/chunks") {
      response.write("chunk ".repeat(100));
      response.end("and more");
    } else if (request.url === "/status") response.writeHead(404).end("the node's");
    else response.end("whole ".repeat(100));
  });
  const away = await freePort();
  const gateway = await serving(t, {
    plugin_metadata: [{ id: "error-page", enable: true, error_502: { body: "away", content_type: "text/plain" } }],
    global_rules: [{ id: "1", plugins: { "error-page": {} } }],
    routes: [
      ...routes(origin.node, { "/*": { gzip: { vary: true } } }),
      ...routes(`127.0.0.1:${away}`, { "/away": {} }),
    ],
  });
  const raw = async (path: string, encoding = "gzip"): Promise<{ head: string; body: Buffer }> => {
    const request = `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${encoding}\r\nConnection: close\r\n\r\n`;
    const answer = await exchangeBytes(gateway.httpPort, request);
    const end = answer.indexOf("\r\n\r\n");
    const [head, body] = [answer.slice(0, end), answer.slice(end + 4)];
    return { head, body: Buffer.from(head.includes("\r\nTransfer-Encoding: ") ? unchunked(body) : body, "latin1") };
  };
  for (const [path, text] of [
    ["/whole", "whole ".repeat(100)],
    ["/chunks", `${"chunk ".repeat(100)}and more`],
  ] as const) {
    const { head, body } = await raw(path);
    assert.match(head, /^HTTP\/1.1 200 [^]*\r\nContent-Encoding: gzip/);
    assert.match(head, /\r\nVary: Accept-Encoding/);
    assert.equal(gunzipSync(body).toString(), text);
  }
  assert.doesNotMatch((await raw("/whole", "gzip;q=0")).head, /Content-Encoding/);
  const page = await ask(gateway.httpPort, "/away");
  assert.deepEqual([page.status, page.text, page.headers["content-type"]], [502, "away", "text/plain; charset=utf-8"]);
  assert.equal((await ask(gateway.httpPort, "/status")).text, "the node's");
});

test("what changes bodies does so before they are compressed, and a cache sees those of the node", async (t) => {
  const origin = await startOrigin(t, "o", (request, response) => {
    response.setHeader("Content-Type", "text/html");
    // Not all of it comes at once.
    response.write("the node's ");
    setImmediate(() => response.end(request.url));
  });
  const body = "replaced ".repeat(5);
  const cache = { cache_strategy: "memory", cache_zone: "memory_cache", cache_ttl: 300, cache_key: ["$uri"] };
  const onlyOne = { body, vars: [["arg_x", "==", "1"]] };
  const gateway = await serving(t, {
    global_rules: [{ id: "1", plugins: { gzip: {} } }],
    routes: routes(origin.node, {
      "/body": { "response-rewrite": { body }, gzip: {} },
      "/filters": { "response-rewrite": { filters: [{ regex: "node", replace: "gateway" }] } },
      "/around": { echo: { before_body: "before ", after_body: " after" } },
      "/instead": {
        "response-rewrite": { filters: [{ regex: "a", replace: "A" }] },
        echo: { body: "another body for all" },
      },
      "/kept": { "proxy-cache": cache, "response-rewrite": onlyOne },
    }),
  });
  // Asks until the connection is closed: then the node's answer has been read to its end, too.
  const asked = async (path: string, method = "GET"): Promise<readonly unknown[]> => {
    const lines = `${method} ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`;
    const answer = await exchangeBytes(gateway.httpPort, lines);
    const end = answer.indexOf("\r\n\r\n");
    const header = (name: string): string | undefined =>
      new RegExp(`\r\n${name}: (.*)`).exec(answer.slice(0, end))?.[1];
    const body = answer.slice(end + 4);
    const bytes = Buffer.from(header("Transfer-Encoding") === undefined ? body : unchunked(body), "latin1");
    const shown = header("Apisix-Cache-Status") ?? header("Content-Length");
    return [header("Content-Encoding"), shown, method === "GET" ? gunzipSync(bytes).toString() : ""];
  };
  const [coding, length, text] = await asked("/body");
  assert.deepEqual([coding, text], ["gzip", body]);
  assert.deepEqual(await asked("/body", "HEAD"), ["gzip", length, ""]);
  assert.equal((await asked("/filters"))[2], "the gateway's /filters");
  assert.equal((await asked("/around"))[2], "before the node's /around after");
  assert.equal((await asked("/instead"))[2], "another body for all");
  // What one client gets instead is not kept for another one.
  assert.deepEqual(await asked("/kept?x=1"), ["gzip", "MISS", body]);
  assert.deepEqual(await asked("/kept"), ["gzip", "HIT", "the node's /kept?x=1"]);
  assert.deepEqual(await asked("/kept?x=1"), ["gzip", "HIT", body]);
  assert.equal(origin.requests(), 6);
});

function unchunked(text: string): string {
  let body = "";
  for (let at = 0; ;) {
    const end = text.indexOf("\r\n", at);
    const length = Number.parseInt(text.slice(at, end), 16);
    if (!(length > 0)) return body;
    body += text.slice(end + 2, end + 2 + length);
    at = end + 4 + length;
  }
}

test("proxy-cache keeps, varies, bypasses and purges; proxy-mirror copies with the body", async (t) => {
  let count = 0;
  const origin = await startOrigin(t, "o", (_, response) => {
    response.writeHead(200, { "X-Kept": "yes", Vary: "X-V" }).end(`answer ${++count}`);
  });
  const sink = await startSink(t);
  const cache = { cache_strategy: "memory", cache_zone: "memory_cache", cache_bypass: ["$arg_bypass"] };
  const gateway = await serving(t, {
    routes: routes(origin.node, {
      "/cached": { "proxy-cache": { ...cache, cache_key: ["$uri"] } },
      "/mirrored": { "proxy-mirror": { host: `http://127.0.0.1:${sink.port}`, path: "/copy" } },
    }),
  });
  const status = async (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<string> => {
    const reply: Reply = await ask(gateway.httpPort, path, { headers, method });
    return `${reply.headers["apisix-cache-status"]} ${reply.text} ${reply.headers["x-kept"]}`;
  };
  assert.equal(await status("/cached"), "MISS answer 1 yes");
  assert.equal(await status("/cached"), "HIT answer 1 yes");
  assert.equal(await status("/cached", {}, "HEAD"), "HIT  yes");
  assert.equal(await status("/cached", { "X-V": "2" }), "MISS answer 2 yes");
  assert.equal(await status("/cached", { "X-V": "2" }), "HIT answer 2 yes");
  assert.equal(await status("/cached?bypass=1"), "BYPASS answer 3 yes");
  assert.equal((await ask(gateway.httpPort, "/cached", { method: "PURGE" })).status, 200);
  assert.equal((await ask(gateway.httpPort, "/cached", { method: "PURGE" })).status, 404);
  assert.equal(await status("/cached"), "MISS answer 4 yes");

  const copied = once(sink.server, "copy");
  const reply = await ask(gateway.httpPort, "/mirrored?a=1", { method: "POST", body: "to be copied" });
  assert.equal(reply.text, "answer 5");
  const [copy] = (await copied) as [string];
  assert.match(copy, /^POST \/copy\?a=1 HTTP\/1\.1\r\n[^]*\r\nContent-Length: 12\r\n[^]*\r\n\r\nto be copied$/);
});

test("workflow answers by conditions, functions change requests and answers", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, {
    routes: routes(echo.node, {
      "/flow": { workflow: { rules: [{ case: [["arg_a", "==", "1"]], actions: [["return", { code: 403 }]] }] } },
      "/functions": {
        "serverless-pre-function": {
          phase: "rewrite",
          functions: [
            `function (conf, ctx) { ctx.request.setHeader("X-From", ctx.vars.remote_addr); }`,
            `(conf, ctx) => { if (ctx.vars.arg_no) return [418, { no: ctx.vars.arg_no }]; }`,
          ],
        },
        "serverless-post-function": {
          phase: "header_filter",
          functions: [`function (conf, ctx) { ctx.response.setHeader("X-To", ctx.vars.uri); }`],
        },
      },
      "/broken": { "serverless-pre-function": { functions: [`() => { throw new Error("on purpose"); }`] } },
    }),
  });
  const get = (path: string): Promise<Reply> => ask(gateway.httpPort, path);
  assert.equal((await get("/flow")).status, 200);
  const flow = await get("/flow?a=1");
  assert.deepEqual([flow.status, flow.text], [403, '{"error_msg":"rejected by workflow"}\n']);
  const passed = await get("/functions");
  assert.ok(echoOf(passed).headers.includes("X-From: 127.0.0.1"));
  assert.equal(passed.headers["x-to"], "/functions");
  const refused = await get("/functions?no=1");
  assert.deepEqual([refused.status, refused.text, refused.headers["x-to"]], [418, '{"no":"1"}\n', "/functions"]);
  assert.equal((await get("/broken")).status, 500);
  assert.equal((await get("/flow")).status, 200);
});

test("batch-requests sends several requests through the gateway, where public-api leads to it", async (t) => {
  const echo = await startEcho(t);
  const standalone = {
    plugin_metadata: [{ id: "batch-requests", max_body_size: 300 }],
    routes: [
      ...routes(echo.node, { "/apisix/batch-requests": { "public-api": {} }, "/x/*": {} }),
      { id: "renamed", uri: "/many", plugins: { "public-api": { uri: "/apisix/batch-requests" } } },
    ],
  };
  const gateway = await serving(t, standalone, { config: { plugins: ["batch-requests", "public-api"] } });
  const pipeline = [{ path: "/x/1" }, { method: "POST", path: "/x/2", body: "b" }, { path: "/none" }];
  const body = JSON.stringify({ headers: { "X-A": "1" }, query: { q: "1" }, pipeline });
  for (const path of ["/apisix/batch-requests", "/many"]) {
    const reply = await ask(gateway.httpPort, path, { method: "POST", body });
    const answers = JSON.parse(reply.text) as readonly { readonly status: number; readonly body: string }[];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 404],
    );
    const second = echoOf({ text: answers[1]?.body ?? "" });
    assert.deepEqual([second.method, second.uri, second.body], ["POST", "/x/2?q=1", "b"]);
    assert.ok(second.headers.some((line) => line.toLowerCase() === "x-a: 1"));
  }
  const long = await ask(gateway.httpPort, "/many", { method: "POST", body: "x".repeat(301) });
  assert.equal(long.status, 413);
  assert.equal((await ask(gateway.httpPort, "/many")).status, 404);
});
