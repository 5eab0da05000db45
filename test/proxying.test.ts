import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, bodyOf, closing, exchangeBytes, Wire } from "./support/client.ts";
import { echoOf, headerLines, startEcho } from "./support/echo.ts";
import { startRawOrigin } from "./support/raw-origin.ts";
import { serving, to } from "./support/serving.ts";

// What upstreams get and what clients get back. What is expected was recorded from APISIX 3.18;
// where it is wrong, docs/differences.md says what is done instead.

test("headers to the upstream: their order, case and values", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 })] });
  const host = `Host: 127.0.0.1:${gateway.httpPort}`;
  const first = [host, "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1"];
  const port = `X-Forwarded-Port: ${gateway.httpPort}`;
  const last = ["X-Forwarded-Proto: http", `X-Forwarded-Host: 127.0.0.1:${gateway.httpPort}`, port];

  /** Lines the client sends beside Host, and what the upstream gets (`null`: the usual lines around them). */
  const cases: [sent: string[], got: string[] | null][] = [
    [[], null],
    [["x-lower: 1", "X-UPPER: 2", "X_under: 3"], null],
    [["X-Dup: 1", "X-Dup: 2"], null],
    [["X-Empty:"], [...first, "X-Empty: ", ...last]],
    [["X-Space:   a  b  "], [...first, "X-Space: a  b", ...last]],
    [["Via: 1.1 other", "Accept-Encoding: gzip", "Cookie: a=1; b=2", "Date: x"], null],
    [["X-Forwarded-For: 1.2.3.4"], [host, "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 1.2.3.4, 127.0.0.1", ...last]],
    [["X-Forwarded-Port: 444"], [...first, port, ...last.slice(0, 2)]],
    [
      ["X-Forwarded-Proto: https", "X-Forwarded-Host: evil.com"],
      [...first, ...last],
    ],
    [["X-Real-IP: 9.9.9.9"], [host, "X-Real-IP: 9.9.9.9", "X-Forwarded-For: 9.9.9.9", ...last]],
    [["Forwarded: for=1.2.3.4;proto=https"], [...first, ...last]],
    [
      ["Connection: keep-alive, X-Foo", "X-Foo: 1", "Keep-Alive: 5", "TE: trailers", "Upgrade: h2c"],
      [...first, ...last],
    ],
    [
      ["Proxy-Connection: keep-alive", "Trailer: X-T", "HTTP2-Settings: AAA"],
      [...first, ...last],
    ],
    [
      ["X-Consumer-Username: forged", "X-Credential-Identifier: forged"],
      [...first, ...last],
    ],
  ];
  for (const [sent, got] of cases) {
    const lines = sent.map((line) => `${line}\r\n`).join("");
    const wire = new Wire(gateway.httpPort);
    wire.send(`GET /raw HTTP/1.1\r\n${host}\r\n${lines}\r\n`);
    const answer = await wire.until(/\}$/);
    wire.socket.destroy();
    const { headers } = echoOf({ text: answer.slice(answer.indexOf("\r\n\r\n") + 4) });
    const expected = got ?? [...first, ...sent, ...last];
    // The pooled connection may be said to stay: that is between gateway and upstream alone.
    assert.deepEqual(
      headers.filter((line) => !line.startsWith("Connection:")),
      expected,
      sent.join(", "),
    );
  }
});

test("X-Forwarded-* that a plugin sets go out once, with what it says; added ones count less than the gateway's", async (t) => {
  const echo = await startEcho(t);
  const set = { "X-Forwarded-Proto": "https", "x-forwarded-host": "public.example", "X-Forwarded-Port": 443 };
  const rewrite = (headers: object): object => ({ plugins: { "proxy-rewrite": { headers } } });
  const upstream = { nodes: { [echo.node]: 1 } };
  const routes = [
    { id: "set", uri: "/set", upstream, ...rewrite({ set }) },
    { id: "one", uri: "/one", upstream, ...rewrite({ set: { "X-Forwarded-Proto": "https" } }) },
    { id: "add", uri: "/add", upstream, ...rewrite({ add: { "X-Forwarded-Proto": "https" } }) },
  ];
  const gateway = await serving(t, { routes });
  const host = `127.0.0.1:${gateway.httpPort}`;
  const own = [`X-Forwarded-Host: ${host}`, `X-Forwarded-Port: ${gateway.httpPort}`];
  for (const [path, expected] of [
    ["/set", ["X-Forwarded-Proto: https", "x-forwarded-host: public.example", "X-Forwarded-Port: 443"]],
    ["/one", ["X-Forwarded-Proto: https", ...own]],
    ["/add", ["X-Forwarded-Proto: http", ...own]],
  ] as const) {
    for (const options of [{}, { headers: { "X-Forwarded-Proto": "forged", "X-Forwarded-Host": "forged" } }]) {
      const got = echoOf(await ask(gateway.httpPort, path, options)).headers;
      const forwarded = got.filter((line) => /^x-forwarded-(?!for)/i.test(line));
      assert.deepEqual(forwarded.toSorted(), expected.toSorted(), `${path} ${JSON.stringify(options)}`);
    }
  }
});

test("pass_host: the client's, the node's or another one", async (t) => {
  const echo = await startEcho(t);
  const upstreams: Readonly<Record<string, object>> = {
    pass: { pass_host: "pass" },
    node: { pass_host: "node" },
    rewrite: { pass_host: "rewrite", upstream_host: "up.example.org:8443" },
  };
  const routes = Object.entries(upstreams).map(([id, upstream]) => ({
    id,
    uri: `/${id}`,
    upstream: { nodes: { [echo.node]: 1 }, ...upstream },
  }));
  const gateway = await serving(t, { routes });
  const expected = { pass: "Client.Example.ORG:99", node: echo.node, rewrite: "up.example.org:8443" };
  for (const [id, host] of Object.entries(expected)) {
    const { headers } = echoOf(await ask(gateway.httpPort, `/${id}`, { headers: { Host: "Client.Example.ORG:99" } }));
    assert.equal(headers[0], `Host: ${host}`);
    assert.ok(headers.includes("X-Forwarded-Host: Client.Example.ORG:99"));
    assert.ok(headers.includes("X-Forwarded-Port: 99"));
  }
});

test("answers: their framing, status, headers and what HTTP/1.0 clients get", async (t) => {
  const answers: Readonly<Record<string, string>> = {
    "/length": "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX-Dup: 1\r\nx-dup: 2\r\nServer: origin\r\n\r\nabc",
    "/chunked":
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n",
    "/close": "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    "/old": "HTTP/1.0 200 OK\r\n\r\nold",
    "/204": "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    "/304": 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 100\r\n\r\n',
    "/500": "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx",
    "/600": "HTTP/1.1 600 Odd\r\nContent-Length: 1\r\n\r\nx",
    "/bare": "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n",
    "/early": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  };
  const origin = await startRawOrigin(t, (socket, head) => {
    const [method = "", path = ""] = head.split(" ");
    const answer = answers[path.replace(/\?.*/, "")] ?? "";
    const bodiless = answer.slice(0, answer.lastIndexOf("\r\n\r\n") + 4);
    socket.write(method === "HEAD" && !path.startsWith("/early") ? bodiless : answer, "latin1");
    if (path === "/close" || path === "/old") socket.end();
  });
  const rewriting = (id: string, status: number, headers: object): object => ({
    ...to({ [origin.node]: 1 }),
    id: `${id}-${status}`,
    uri: `/${id}`,
    vars: [["arg_to", "==", status]],
    plugins: { "response-rewrite": { status_code: status, headers } },
  });
  const statusHeader = "X-APISIX-Upstream-Status";
  const gateway = await serving(t, {
    routes: [
      to({ [origin.node]: 1 }),
      rewriting("500", 201, {}),
      rewriting("500", 202, { remove: [statusHeader] }),
      rewriting("500", 203, { set: { [statusHeader]: "hidden" } }),
      rewriting("length", 503, {}),
    ],
  });
  const get = (path: string): Promise<string> => exchangeBytes(gateway.httpPort, `GET ${path} ${closing}`);

  const fixed = await get("/length");
  assert.match(fixed, /^HTTP\/1\.1 200 [^\r]+\r\n.*\r\nX-Dup: 1\r\nx-dup: 2\r\n.*\r\n\r\nabc$/s);
  assert.deepEqual(fixed.match(/\r\nServer: [^\r]+/g)?.length, 1);
  assert.match(fixed, /\r\nServer: Turnpike/, "the gateway names itself");
  assert.doesNotMatch(fixed, /\r\nDate:/, "no Date where the upstream sent none");

  const chunked = await get("/chunked");
  assert.match(chunked, /\r\nTransfer-Encoding: chunked\r\n/);
  assert.equal(bodyOf(chunked).replaceAll(/(?<=^|\r\n)[1-9]\r\n(\w+)\r\n/g, "$1"), "abcde0\r\nX-Trailer: t\r\n\r\n");

  const untilClose = await get("/close");
  assert.match(untilClose, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/);
  assert.match(untilClose, /\r\nTransfer-Encoding: chunked\r\n.*until the end\r\n0\r\n\r\n$/s);
  assert.match(await get("/old"), /^HTTP\/1\.1 200 OK\r\nTransfer-Encoding: chunked\r\n.*old\r\n0\r\n\r\n$/s);

  for (const [path, status] of [
    ["/204", 204],
    ["/304", 304],
  ] as const) {
    const bare = await get(path);
    assert.match(bare, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.equal(bodyOf(bare), "");
    assert.doesNotMatch(bare, /transfer-encoding/i);
  }
  assert.match(await get("/bare"), /^HTTP\/1\.1 299 \r\n/, "the blank is there without a phrase");
  const failed = await get("/500");
  assert.match(failed, /^HTTP\/1\.1 500 .*\r\nX-APISIX-Upstream-Status: 500\r\n.*\r\n\r\nx$/s);
  const named = async (path: string): Promise<readonly string[]> =>
    [...(await get(path)).matchAll(/\r\nX-APISIX-Upstream-Status: ([^\r]+)/g)].map(([, value]) => value!);
  // The upstream's status counts, not the one that is sent, and plugins see the header.
  assert.deepEqual(await named("/500?to=201"), ["500"]);
  assert.deepEqual(await named("/500?to=202"), []);
  assert.deepEqual(await named("/500?to=203"), ["hidden"]);
  assert.deepEqual(await named("/length?to=503"), []);
  assert.deepEqual(await named("/600"), [], "only 500 to 599 are failures");
  assert.match(await get("/early"), /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);

  const head = await exchangeBytes(
    gateway.httpPort,
    `HEAD /length HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked ${closing}`,
  );
  assert.deepEqual(head.match(/HTTP\/1\.1 200|Content-Length: 3|Transfer-Encoding: chunked|abc/g), [
    "HTTP/1.1 200",
    "Content-Length: 3",
    "HTTP/1.1 200",
  ]);

  const old = await exchangeBytes(gateway.httpPort, "GET /chunked HTTP/1.0\r\nHost: a\r\n\r\n");
  assert.match(old, /\r\nConnection: close\r\n/);
  assert.equal(bodyOf(old), "abcde", "an old client gets no chunks");
});

test("WebSocket: upgraded with enable_websocket, a plain request without", async (t) => {
  const echo = await startEcho(t);
  echo.server.on("upgrade", (request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.write(`<${headerLines(request.rawHeaders).slice(0, 3).join("|")}>`);
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("end", () => socket.end("bye"));
    socket.on("error", () => undefined);
  });
  const upstream = { nodes: { [echo.node]: 1 } };
  const gateway = await serving(t, {
    routes: [
      { id: "ws", uri: "/ws", enable_websocket: true, upstream },
      { id: "plain", uri: "/plain", upstream },
    ],
  });
  const head = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n`;

  const wire = new Wire(gateway.httpPort);
  wire.send(`${head("/ws")}ab`);
  const answer = await wire.until(/>ab$/);
  assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(answer, /\r\nConnection: upgrade\r\n/i);
  assert.match(answer, /\r\nUpgrade: websocket\r\n/);
  assert.match(answer, /<Host: a\|Upgrade: websocket\|Connection: [^|]*Upgrade>/);
  wire.send("cd");
  await wire.until(/>abcd$/);
  wire.socket.end();
  await wire.closed;
  assert.match(wire.received, /bye$/, "the half-close passes, what follows it as well");

  const plain = new Wire(gateway.httpPort);
  plain.send(head("/plain"));
  const echoed = echoOf({ text: bodyOf(await plain.until(/\}$/)) });
  plain.socket.destroy();
  assert.deepEqual(
    echoed.headers.filter((line) => /upgrade/i.test(line)),
    [],
  );
});

test("show_revision_in_response_header names what served the answer", async (t) => {
  const echo = await startEcho(t);
  const config = { apisix: { show_revision_in_response_header: true } };
  const silent = await serving(t, { routes: [to({ [echo.node]: 1 })] });
  assert.equal((await ask(silent.httpPort, "/")).headers["x-turnpike-revision"], undefined);
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 })] }, { config });
  assert.equal((await ask(gateway.httpPort, "/")).headers["x-turnpike-revision"], "1; worker=0");
  gateway.writeStandalone({ routes: [to({ [echo.node]: 2 })] });
  await gateway.applied(2);
  assert.equal((await ask(gateway.httpPort, "/")).headers["x-turnpike-revision"], "2; worker=0");
});

test("conditions over what came as bytes compare it as text", async (t) => {
  const origin = await startRawOrigin(t, (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const route = (id: string, more: object): object => ({
    id,
    uri: `/${id}`,
    upstream: { nodes: { [origin.node]: 1 } },
    ...more,
  });
  const gateway = await serving(t, {
    routes: [
      route("header", { vars: [["http_x_city", "==", "Köln 中"]] }),
      route("cookie", { vars: [["cookie_city", "in", ["Köln"]]] }),
      route("regex", { vars: [["http_x_city", "~~", "^K.ln .$"]] }),
      route("query", { vars: [["args", "~~", "city=Köln"]] }),
      route("filter", { filter_func: "function (vars) { return vars.http_x_city === 'Köln 中' }" }),
    ],
  });
  const wire = (text: string): string => Buffer.from(text).toString("latin1");
  const headers = `Host: a\r\nX-City: ${wire("Köln 中")}\r\nCookie: city=${wire("Köln")}\r\nConnection: close\r\n\r\n`;
  for (const path of ["/header", "/cookie", "/regex", `/query?city=${wire("Köln")}`, "/filter"]) {
    assert.match(await exchangeBytes(gateway.httpPort, `GET ${path} HTTP/1.1\r\n${headers}`), /^HTTP\/1\.1 200 /, path);
  }
});
