import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, exchangeBytes } from "./support/client.ts";
import { startRawOrigin } from "./support/raw-origin.ts";
import { serving, to } from "./support/serving.ts";

/** What the origin says to HEAD. */
const answer = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n";

test("HEAD with a replaced body has that body's Content-Length", async (t) => {
  const origin = await startRawOrigin(t, (socket) => socket.write(answer));
  const plugins = { "response-rewrite": { body: "replaced" } };
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 }, {}, { plugins })] });
  assert.equal((await ask(gateway.httpPort, "/", { method: "HEAD" })).headers["content-length"], "8");
});

test("HEAD of an own answer (404) with a replaced body: same", async (t) => {
  const rules = [{ id: "1", plugins: { "response-rewrite": { body: "replaced" } } }];
  const gateway = await serving(t, { global_rules: rules });
  assert.equal((await ask(gateway.httpPort, "/", { method: "HEAD" })).headers["content-length"], "8");
});

test("an upstream that repeats Content-Type is no 502 (nginx takes the first)", async (t) => {
  const origin = await startRawOrigin(t, (socket) =>
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"),
  );
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  const got = await exchangeBytes(gateway.httpPort, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.match(got, /^HTTP\/1\.1 200 /);
});
