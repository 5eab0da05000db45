import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { adminKey, startGateway, type Gateway } from "./support/gateway.ts";
import { startOrigin } from "./support/origin.ts";

// The walk that newcomers to APISIX take, with curl, but for ports and key.

const run = promisify(execFile);

/** curl's body and status. */
async function curl(words: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
  const { stdout } = await run("curl", ["-s", "-w", "\n%{http_code}", ...words]);
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end) };
}

function admin(gateway: Gateway, path: string, method: string, body: object): readonly string[] {
  const url = `http://127.0.0.1:${gateway.adminPort}/apisix/admin/${path}`;
  return [url, "-H", `X-API-KEY: ${adminKey}`, "-X", method, "-d", JSON.stringify(body)];
}

/** Changes something with curl and waits until it is live. */
async function change(gateway: Gateway, path: string, method: string, body: object): Promise<number> {
  const { status, text } = await curl(admin(gateway, path, method, body));
  assert.ok(status === 200 || status === 201, text);
  assert.equal((await gateway.applied(await gateway.revision())).status, 200);
  return status;
}

test("a route, a consumer with key-auth, a limit", async (t) => {
  const origin = await startOrigin(t);
  const gateway = await startGateway(t, { provider: "embedded" });
  await gateway.until(200);
  const route = {
    id: "getting-started-ip",
    uri: "/ip",
    upstream: { type: "roundrobin", nodes: { [origin.node]: 1 } },
  };
  assert.equal(await change(gateway, "routes", "PUT", route), 201);
  assert.deepEqual(await curl([`${gateway.httpUrl}/ip`]), { status: 200, text: "origin GET /ip\n" });

  const consumer = { username: "tom", plugins: { "key-auth": { key: "secret-key" } } };
  assert.equal(await change(gateway, "consumers", "PUT", consumer), 201);
  assert.equal(await change(gateway, "routes/getting-started-ip", "PATCH", { plugins: { "key-auth": {} } }), 200);
  const nobody = await curl([`${gateway.httpUrl}/ip`]);
  assert.deepEqual([nobody.status, JSON.parse(nobody.text)], [401, { message: "Missing API key in request" }]);
  assert.equal((await curl([`${gateway.httpUrl}/ip`, "-H", "apikey: wrong-key"])).status, 401);
  assert.equal((await curl([`${gateway.httpUrl}/ip`, "-H", "apikey: secret-key"])).status, 200);

  const off = { plugins: { "key-auth": { _meta: { disable: true } } } };
  assert.equal(await change(gateway, "routes/getting-started-ip", "PATCH", off), 200);
  assert.equal((await curl([`${gateway.httpUrl}/ip`])).status, 200);

  const limit = {
    "limit-count": { count: 2, time_window: 60, rejected_code: 503, key_type: "var", key: "remote_addr" },
  };
  assert.equal(await change(gateway, "routes/getting-started-ip", "PATCH", { plugins: limit }), 200);
  const statuses = [];
  for (let request = 0; request < 4; request++) statuses.push((await curl([`${gateway.httpUrl}/ip`])).status);
  assert.deepEqual(statuses, [200, 200, 503, 503]);
});
