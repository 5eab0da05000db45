import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { caCertificate, clientCertificate, clientKey, serverCertificate, serverKey } from "./testing-certificates.ts";
import { adminKey, createTestAdmin, startAdmin, viewerKey } from "./testing.ts";

const route = { uri: "/a", upstream: { type: "roundrobin", nodes: { "127.0.0.1:1980": 1 } } };

test("the key: where it may stand, what decides, and nothing else is looked at before it", async (t) => {
  const admin = await startAdmin(t);
  const cases: readonly (readonly [path: string, headers: Record<string, string>, status: number, says: string])[] = [
    ["/routes", {}, 401, "missing apikey"],
    ["/routes", { "X-API-KEY": "wrong" }, 401, "wrong apikey"],
    ["/routes", { "X-API-KEY": "" }, 401, "wrong apikey"],
    ["/routes", { "X-API-KEY": `${adminKey}${adminKey}` }, 401, "wrong apikey"],
    ["/routes", { "X-API-KEY": adminKey.toUpperCase() }, 401, "wrong apikey"],
    ["/routes", { Authorization: `Bearer ${adminKey}` }, 401, "missing apikey"],
    ["/routes", { Cookie: `a=b; x_api_key=${adminKey}` }, 200, ""],
    ["/routes", { Cookie: `x_api_key=${adminKey}`, "X-API-KEY": "wrong" }, 401, "wrong apikey"],
    [`/routes?api_key=${adminKey}`, { "X-API-KEY": "wrong" }, 200, ""],
    ["/routes?api_key=wrong", { "X-API-KEY": adminKey }, 401, "wrong apikey"],
    ["/nonsense", {}, 401, "missing apikey"],
  ];
  for (const [path, headers, status, says] of cases) {
    const response = await fetch(`${admin.url}/apisix/admin${path}`, { headers });
    const body = (await response.json()) as { error_msg?: string; description?: string };
    assert.equal(response.status, status, `${path} ${JSON.stringify(headers)}`);
    assert.equal(body.description ?? "", says);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
  }
  const broken = await fetch(`${admin.url}/apisix/admin/routes/1`, { method: "PUT", body: "{" });
  assert.equal(broken.status, 401);
});

test("a viewer reads and changes nothing", async (t) => {
  const admin = await startAdmin(t);
  assert.equal((await admin.send("PUT", "/routes/1", route)).status, 201);
  const before = admin.repository.revision;
  const viewer = { "X-API-KEY": viewerKey };
  assert.equal((await admin.send("GET", "/routes/1", undefined, viewer)).status, 200);
  for (const [method, path, body] of [
    ["PUT", "/routes/1", { ...route, uri: "/b" }],
    ["POST", "/routes", route],
    ["PATCH", "/routes/1", { uri: "/b" }],
    ["DELETE", "/routes/1", undefined],
    ["PUT", "/plugins/reload", undefined],
    ["POST", "/schema/validate/routes", route],
  ] as const) {
    const answer = await admin.send(method, path, body, viewer);
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.equal(answer.body.description, "invalid method for role viewer");
  }
  assert.equal(admin.repository.revision, before);
});

test("addresses that are not allowed are refused before anything else is looked at", async (t) => {
  const admin = await startAdmin(t, { settings: { allow: ["10.0.0.0/8", "::1"] } });
  for (const [method, path] of [
    ["GET", "/routes"],
    ["OPTIONS", "/routes"],
    ["PUT", "/routes/1"],
    ["GET", "/nonsense"],
  ] as const) {
    const answer = await admin.send(method, path);
    assert.equal(answer.status, 403, `${method} ${path}`);
    assert.match(answer.text, /allow_admin/);
  }
  assert.equal(admin.repository.revision, 1);
});

test("what is routed, and CORS", async (t) => {
  const admin = await startAdmin(t);
  const ask = (method: string, path: string): Promise<Response> =>
    fetch(admin.url + path, { method, headers: { "X-API-KEY": adminKey } });
  for (const [method, path, status] of [
    ["GET", "/", 404],
    ["GET", "/apisix", 404],
    ["GET", "/apisix/admin", 404],
    ["GET", "/apisix/admin/", 404],
    ["HEAD", "/apisix/admin", 200],
    ["HEAD", "/apisix/admin/", 404],
    ["HEAD", "/apisix/admin/routes", 404],
    ["GET", "//apisix//admin//routes//", 200],
    ["GET", "/apisix/admin/%72outes", 200],
    ["GET", "/APISIX/admin/routes", 404],
    ["GET", "/apisix/admin/routes/%00", 400],
    ["GET", "/apisix/admin/routes/%zz", 400],
    ["GET", "/apisix/admin/nonsense", 404],
    ["GET", "/apisix/admin/__proto__", 404],
    ["GET", "/apisix/admin/constructor/1", 404],
    ["OPTIONS", "/apisix/admin/routes", 200],
    ["OPTIONS", "/elsewhere", 405],
    ["PURGE", "/apisix/admin/routes", 404],
    ["GET", "/v1/schema", 404],
  ] as const) {
    const response = await ask(method, path);
    await response.text();
    assert.equal(response.status, status, `${method} ${path}`);
    const cors = /^\/+apisix\/+admin/.test(path) && status !== 400;
    assert.equal(response.headers.has("access-control-allow-origin"), cors, path);
  }
  const plain = await startAdmin(t, { settings: { cors: false } });
  const answer = await plain.send("GET", "/routes");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), null);
  assert.equal((await plain.send("OPTIONS", "/routes")).status, 405);
});

/** Sends bytes and resolves with everything that comes back until the connection ends. */
async function raw(t: TestContext, port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  let received = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (received += chunk));
  socket.write(bytes);
  await once(socket, "close");
  return received;
}

test("requests that Node's parser refuses, and methods that nobody knows", async (t) => {
  const { port } = await startAdmin(t);
  const head = "Host: a\r\nConnection: close\r\n";
  assert.match(await raw(t, port, `FOO /apisix/admin/routes HTTP/1.1\r\n${head}\r\n`), /^HTTP\/1.1 404 /);
  assert.match(await raw(t, port, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
  const toHead = await raw(t, port, `HEAD /apisix/admin HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n`);
  assert.match(toHead, /^HTTP\/1.1 400 [^]*\r\n\r\n$/, "without a body");
  assert.match(await raw(t, port, `TRACE /apisix/admin/routes HTTP/1.1\r\n${head}\r\n`), /^HTTP\/1.1 405 /);
  const offer = "Host: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
  const offered = await raw(t, port, `GET /apisix/admin/routes HTTP/1.1\r\n${offer}\r\n`);
  assert.match(offered, /^HTTP\/1.1 401 /, "an offer to upgrade is passed over");
  assert.match(
    await raw(t, port, `GET /apisix/admin/routes HTTP/1.1\r\n${head}X: ${"x".repeat(40_000)}\r\n\r\n`),
    /^HTTP\/1.1 431 /,
  );
});

test("bodies have a bound", async (t) => {
  const admin = await startAdmin(t);
  const limit = 1.5 * 1024 * 1024;
  const padded = (size: number): string => {
    const text = JSON.stringify(route);
    return text + " ".repeat(size - text.length);
  };
  assert.equal((await admin.send("PUT", "/routes/1", padded(limit))).status, 201);
  const before = admin.repository.revision;
  const answer = await admin.send("PUT", "/routes/1", padded(limit + 1));
  assert.equal(answer.status, 413);
  assert.match(String(answer.body.error_msg), /maximum size 1572864/);
  const head = `PUT /apisix/admin/routes/1 HTTP/1.1\r\nHost: a\r\nX-API-KEY: ${adminKey}\r\nConnection: close\r\n`;
  const waits = await raw(t, admin.port, `${head}Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n`);
  assert.match(waits, /^HTTP\/1.1 413 /, "nothing of the body is asked for");
  const huge = await raw(t, admin.port, `${head}Content-Length: 99999999999\r\n\r\n`);
  assert.match(huge, /^HTTP\/1.1 413 /, "nor waited for");
  const chunk = `${(512 * 1024).toString(16)}\r\n${"x".repeat(512 * 1024)}\r\n`;
  const chunked = await raw(t, admin.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}0\r\n\r\n`);
  assert.match(chunked, /^HTTP\/1.1 413 /);
  assert.equal(admin.repository.revision, before);
});

test("a client that goes away in the middle of its body is no error", async (t) => {
  const admin = await startAdmin(t);
  const socket = connect(admin.port, "127.0.0.1");
  const head = `PUT /apisix/admin/routes/1 HTTP/1.1\r\nHost: a\r\nX-API-KEY: ${adminKey}\r\nContent-Length: 100\r\n\r\n{`;
  socket.end(head);
  socket.resume();
  await once(socket, "close");
  assert.equal((await admin.send("GET", "/routes/1")).status, 404);
  assert.ok(!admin.lines.some((line) => line.startsWith("admin: PUT")));
});

test("a body that is waited for is asked for; connections are kept", async (t) => {
  const { port } = await startAdmin(t);
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.setEncoding("utf8");
  const body = JSON.stringify(route);
  const head = (more: string): string =>
    `PUT /apisix/admin/routes/1 HTTP/1.1\r\nHost: a\r\nX-API-KEY: ${adminKey}\r\nContent-Length: ${body.length}\r\n${more}\r\n`;
  socket.write(head("Expect: 100-continue\r\n"));
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 100 /);
  socket.write(body);
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 201 /);
  socket.write(head("") + body);
  assert.match(String((await once(socket, "data"))[0]), /^HTTP\/1.1 200 /);
});

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-admin-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test("a key is generated once, for its owner alone, and the log does not show it", async (t) => {
  const file = join(scratch(t), "data", "admin.key");
  const first = await createTestAdmin({ settings: { keys: [], generatedKeyFile: file } });
  const key = readFileSync(file, "utf8").trim();
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(key, /^[0-9a-f]{32}$/);
  assert.equal((await first.send("GET", "/routes", undefined, { "X-API-KEY": key })).status, 200);
  assert.equal((await first.send("GET", "/routes")).status, 401);
  assert.ok(first.lines.some((line) => line.includes(file)));
  assert.ok(!first.lines.some((line) => line.includes(key)));
  await first.close();
  const second = await startAdmin(t, { settings: { keys: [], generatedKeyFile: file } });
  assert.equal(readFileSync(file, "utf8").trim(), key);
  assert.equal((await second.send("GET", "/routes", undefined, { "X-API-KEY": key })).status, 200);
  writeFileSync(file, "short");
  await assert.rejects(createTestAdmin({ settings: { keys: [], generatedKeyFile: file } }), (error: Error) => {
    assert.ok(error.message.includes(file) && !error.message.includes("short"));
    return true;
  });
  assert.equal(readFileSync(file, "utf8"), "short", "never overwritten");
});

test("admin_key_required: false asks for no key and looks at no role", async (t) => {
  const admin = await startAdmin(t, { settings: { keyRequired: false } });
  assert.equal((await admin.send("PUT", "/routes/1", route, { "X-API-KEY": viewerKey })).status, 201);
  assert.ok(admin.lines.some((line) => line.includes("admin_key_required")));
});

test("https_admin with certificates of clients", async (t) => {
  const directory = scratch(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const tls = {
    certFile: file("server.crt", serverCertificate),
    keyFile: file("server.key", serverKey),
    caFile: file("ca.crt", caCertificate),
  };
  const admin = await startAdmin(t, { settings: { tls } });
  const ask = (options: object): Promise<number | string> =>
    new Promise((resolve) => {
      const headers = { "X-API-KEY": adminKey };
      const sent = request(
        `${admin.url}/apisix/admin/routes`,
        { ca: caCertificate, headers, ...options },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      sent.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
      sent.end();
    });
  assert.equal(await ask({ cert: clientCertificate, key: clientKey }), 200);
  assert.notEqual(await ask({}), 200, "without a certificate");
  await assert.rejects(createTestAdmin({ settings: { tls: { ...tls, keyFile: null } } }), /admin_ssl_cert_key/);
});
