import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import type { Gateway } from "./support/gateway.ts";
import { atOnce, firstAnswers, start, startHeldOrigin, tally } from "./support/held.ts";
import { startLoad } from "./support/load.ts";
import { serving, to } from "./support/serving.ts";

// Limits through the front door, with two workers: what passes is exact over both. One gateway
// serves the routes of all tests; each has its own, and an origin that answers when it is told to.

test("limits of two workers", async (t) => {
  const origin = await startHeldOrigin(t);
  const route = (id: string, plugins: object): object =>
    to({ [origin.node]: 1 }, { retries: 0 }, { id, uri: `/${id}/*`, plugins });
  const counting = { time_window: 600, rejected_code: 429 };
  const holding = { conn: 10, burst: 0, default_conn_delay: 0.1, key: "remote_addr" };
  const gateway = await serving(
    t,
    {
      routes: [
        route("count", { "limit-count": { ...counting, count: 1_000 } }),
        route("group1", { "limit-count": { ...counting, count: 3, group: "g" } }),
        route("group2", { "limit-count": { ...counting, count: 3, group: "g" } }),
        route("packed", { "limit-count": { ...counting, count: 1, key: "binary_remote_addr" } }),
        route("reload", { "limit-count": { ...counting, count: 20 } }),
        route("req", {
          "limit-req": { rate: 0.001, burst: 49, nodelay: true, key: "remote_addr", rejected_msg: "no" },
        }),
        route("wait", { "limit-req": { rate: 20, burst: 4, key: "remote_addr" } }),
        route("conn", { "limit-conn": holding }),
        route("delayed", { "limit-conn": { ...holding, conn: 1, burst: 2, default_conn_delay: 0.05 } }),
        route("death", { "limit-conn": { ...holding, conn: 20 } }),
        route("breaker", { "api-breaker": { break_response_code: 599, unhealthy: { failures: 65 } } }),
      ],
    },
    { workers: 2, faults: "on" },
  );

  await t.test("limit-count: 64 connections, 5,000 requests: exactly 1,000 pass", async (t) => {
    const load = startLoad(gateway.httpPort, 64, "/count/200");
    t.after(() => load.stop());
    await load.reached(5_000);
    const { answers, statuses, failed, refused } = await load.stop();
    assert.deepEqual([failed, refused], [[], 0]);
    assert.deepEqual(statuses, { 200: 1_000, 429: answers - 1_000 });
    const workers = (await gateway.status("/status/workers")).json().workers as { readonly requests: number }[];
    assert.ok(workers.every(({ requests }) => requests > 0));
  });

  await t.test("limit-count: headers of what passes and of what does not; a group", async () => {
    const shown = async (path: string): Promise<readonly unknown[]> => {
      const { status, headers } = await ask(gateway.httpPort, path);
      assert.match(String(headers["x-ratelimit-reset"]), /^(600|5\d\d)$/);
      return [status, headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]];
    };
    assert.deepEqual(await shown("/group1/200"), [200, "3", "2"]);
    assert.deepEqual(await shown("/group2/200"), [200, "3", "1"]);
    assert.deepEqual(await shown("/group1/200"), [200, "3", "0"]);
    assert.deepEqual(await shown("/group2/200"), [429, "3", "0"]);
    const packed = async (ip: string): Promise<number> =>
      (await ask(gateway.httpPort, "/packed/200", { headers: { "X-Real-IP": ip } })).status;
    const ips = ["10.0.0.1", "10.0.0.2", "10.0.0.1", "2001:db8::1", "2001:db8::2"];
    const statuses: number[] = [];
    for (const ip of ips) statuses.push(await packed(ip));
    assert.deepEqual(statuses, [200, 200, 429, 200, 200], "by the bytes of addresses");
  });

  await t.test("limit-req: as many pass as burst says and one, over both workers", async () => {
    const replies = await atOnce(gateway, 120, "/req/200");
    assert.deepEqual(tally(replies), { 200: 50, 503: 70 });
    assert.equal(replies.find(({ status }) => status === 503)?.text, '{"error_msg":"no"}\n');
  });

  await t.test("limit-req: within the burst requests wait and pass", async () => {
    assert.deepEqual(tally(await atOnce(gateway, 5, "/wait/200")), { 200: 5 });
  });

  await t.test(
    "limit-conn: exactly conn run, the others are refused; whoever ends or goes away makes room",
    async () => {
      for (const end of ["answered", "aborted"] as const) {
        const clients = Array.from({ length: 64 }, () => start(gateway, "/conn/held"));
        assert.deepEqual(await firstAnswers(clients, 54), Array(54).fill(503), end);
        const held = await origin.held(10);
        if (end === "answered") {
          for (const response of held) response.end("ok");
          const answered = await Promise.all(clients.map(({ status }) => status));
          assert.equal(answered.filter((status) => status === 200).length, 10, end);
        } else {
          // The gateway lets go of the node in the same moment as of the count.
          const gone = held.map((response) => once(response, "close"));
          for (const { client } of clients) client.destroy();
          await Promise.all(gone);
        }
      }
      const answers = atOnce(gateway, 10, "/conn/held");
      for (const response of await origin.held(10)) response.end("ok");
      assert.deepEqual(tally(await answers), { 200: 10 });
    },
  );

  await t.test("limit-conn: above conn and within burst requests wait and pass", async () => {
    const answers = atOnce(gateway, 3, "/delayed/held");
    for (const response of await origin.held(3)) response.end("ok");
    assert.deepEqual(tally(await answers), { 200: 3 });
  });

  await t.test("api-breaker: 65 failures over both workers and no fewer begin a break", async () => {
    const answers = atOnce(gateway, 64, "/breaker/held");
    for (const response of await origin.held(64)) {
      response.statusCode = 500;
      response.end();
    }
    assert.deepEqual(tally(await answers), { 500: 64 });
    // The count is there when the answer is: a worker notes it before it reads the next request.
    const target = "/breaker/held";
    const last = ask(gateway.httpPort, target);
    for (const response of await origin.held(1)) {
      response.statusCode = 500;
      response.end();
    }
    assert.equal((await last).status, 500);
    assert.deepEqual(tally(await atOnce(gateway, 20, target)), { 599: 20 });
    assert.equal((await ask(gateway.httpPort, "/breaker/200")).status, 200, "another path");
  });

  await t.test("limit-conn: what a worker held when it died is given back", async () => {
    const clients = Array.from({ length: 20 }, () => start(gateway, "/death/held"));
    const held = await origin.held(20);
    const before = await generation(gateway, 0);
    await gateway.fault(0, "crash");
    while ((await generation(gateway, 0)) === before) await gateway.until(200);
    await gateway.until(200);
    for (const response of held) response.end("ok");
    const statuses = await Promise.all(clients.map(({ status }) => status));
    assert.ok(statuses.includes(0));
    const more = Array.from({ length: 40 }, () => start(gateway, "/death/held"));
    assert.deepEqual(await firstAnswers(more, 20), Array(20).fill(503));
    for (const response of await origin.held(20)) response.end("ok");
    const passed = (await Promise.all(more.map(({ status }) => status))).filter((status) => status === 200);
    assert.equal(passed.length, 20);
  });

  await t.test("limit-count: a reload forgets nothing", async () => {
    assert.deepEqual(tally(await atOnce(gateway, 15, "/reload/200")), { 200: 15 });
    gateway.child.kill("SIGHUP");
    while (!(await gateway.status("/status/events")).text.includes('"cause":"done"')) await gateway.until(200);
    assert.deepEqual(tally(await atOnce(gateway, 15, "/reload/200")), { 200: 5, 429: 10 });
  });
});

async function generation(gateway: Gateway, worker: number): Promise<number> {
  const { workers } = (await gateway.status("/status/workers")).json();
  return (workers as { readonly generation: number }[])[worker]?.generation ?? 0;
}
