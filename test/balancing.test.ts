import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { times } from "./support/extent.ts";
import { ask, exchangeBytes, type Reply } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import { startLoad } from "./support/load.ts";
import { type Origin, startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { startRawOrigin } from "./support/raw-origin.ts";
import { serving, to } from "./support/serving.ts";

// Which node gets a request, how often, and what the client is told where none answers.

/** Requests whose shares are counted; each worker is right to within one turn. */
const SHARED_REQUESTS = times(100_000, 3_000);

const withWeights = (origins: readonly Origin[], weights: readonly number[]): Record<string, number> =>
  Object.fromEntries(origins.map(({ node }, i) => [node, weights[i] ?? 0]));

test("502: a refused connection, an early end, nonsense, an ambiguous length", async (t) => {
  const answers: Readonly<Record<string, string>> = {
    "/closed": "",
    "/nonsense": "not HTTP at all\r\n\r\n",
    "/both": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "/lengths": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "/huge": `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(40_000)}\r\n\r\n`,
  };
  const origin = await startRawOrigin(t, (socket, head) =>
    socket.end(answers[head.split(" ")[1] ?? ""] ?? "", "latin1"),
  );
  const refused = { ...to({ [`127.0.0.1:${await freePort()}`]: 1 }), id: "refused", uri: "/refused" };
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 }), refused] });
  for (const path of ["/refused", ...Object.keys(answers)]) {
    const reply = await ask(gateway.httpPort, path);
    assert.equal(reply.status, 502, path);
    assert.equal(reply.headers["content-type"], "text/html; charset=utf-8");
    assert.equal(reply.headers["x-apisix-upstream-status"], "502");
    assert.match(reply.text, /<title>502 Bad Gateway<\/title>/);
  }
});

test("an answer that breaks off is broken off for the client, too", async (t) => {
  const origin = await startRawOrigin(t, (socket, head) => {
    const framing = head.includes("/chunked") ? "Transfer-Encoding: chunked" : "Content-Length: 100";
    socket.end(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${head.includes("/chunked") ? "5\r\nab" : "ab"}`);
  });
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  for (const path of ["/length", "/chunked"]) {
    const got = await exchangeBytes(gateway.httpPort, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.match(got, /^HTTP\/1\.1 200 OK\r\n/);
    assert.doesNotMatch(got, /0\r\n\r\n$/, "what is cut must not look whole");
  }
});

test("503 without a node; 504 where a node does not answer in time", async (t) => {
  const silent = await startRawOrigin(t, () => undefined);
  const timeout = { connect: 1, send: 1, read: 0.2 };
  const gateway = await serving(t, {
    routes: [
      { id: "empty", uri: "/empty", upstream: { nodes: [] } },
      { id: "upstream", uri: "/upstream", upstream: { nodes: { [silent.node]: 1 }, timeout } },
      { id: "route", uri: "/route", upstream: { nodes: { [silent.node]: 1 } }, timeout },
    ],
  });
  const empty = await ask(gateway.httpPort, "/empty");
  assert.equal(empty.status, 503);
  assert.match(empty.text, /503/);
  for (const path of ["/upstream", "/route"]) {
    const late = await ask(gateway.httpPort, path);
    assert.equal(late.status, 504, path);
    assert.equal(late.headers["x-apisix-upstream-status"], "504");
    assert.match(late.text, /<title>504 Gateway Time-out<\/title>/);
  }
});

test("an upstream with a scheme of streams serves no route, and the log says so", async (t) => {
  const upstream = { nodes: { "127.0.0.1:1": 1 }, scheme: "tcp" };
  const gateway = await serving(t, {
    upstreams: [{ id: "tcp", ...upstream }],
    services: [{ id: "tcp", upstream }],
    routes: [
      { id: "upstream", uri: "/upstream", upstream_id: "tcp" },
      { id: "service", uri: "/service", service_id: "tcp" },
    ],
  });
  for (const holder of ["upstream", "service"]) {
    assert.equal((await ask(gateway.httpPort, `/${holder}`)).status, 503);
    assert.ok(gateway.errorLog.includes(`routes/${holder}: ${holder}s/tcp has a scheme that cannot serve HTTP routes`));
  }
});

test("retries: the next node for GET, PUT, DELETE and PURGE, never for POST and PATCH", async (t) => {
  const failing = await startRawOrigin(t, (socket) => socket.destroy());
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [failing.node]: 1, [echo.node]: 1 })] });
  for (const method of ["GET", "PUT", "DELETE", "PURGE"]) {
    for (let i = 0; i < 4; i++) assert.equal((await ask(gateway.httpPort, "/", { method })).status, 200, method);
  }
  const before = failing.heads.length + echo.requests();
  const statuses: number[] = [];
  for (const method of ["POST", "PATCH"]) {
    for (let i = 0; i < 4; i++) {
      statuses.push(
        (await ask(gateway.httpPort, "/", { method, body: "x", headers: { "Content-Length": "1" } })).status,
      );
    }
  }
  assert.deepEqual(statuses.toSorted(), [200, 200, 200, 200, 502, 502, 502, 502]);
  assert.equal(failing.heads.length + echo.requests() - before, 8, "each was sent once");
});

test("retries: a node that refuses connections got nothing, so even a POST goes to the next", async (t) => {
  const echo = await startEcho(t);
  const gateway = await serving(t, { routes: [to({ [`127.0.0.1:${await freePort()}`]: 1, [echo.node]: 1 })] });
  for (let i = 0; i < 6; i++) {
    const reply = await ask(gateway.httpPort, "/", { method: "POST", body: "abc", headers: { "Content-Length": "3" } });
    assert.equal(reply.status, 200);
    assert.equal(echoOf(reply).body, "abc");
  }
  assert.equal(echo.requests(), 6);
});

test("each node is asked once; retries: 0 asks one; no status is ever retried", async (t) => {
  const [one, two] = [await startRawOrigin(t, () => undefined), await startRawOrigin(t, () => undefined)];
  const bad = await startOrigin(t, "bad", (_, response) => response.writeHead(503).end());
  const timeout = { connect: 1, send: 1, read: 0.2 };
  const nodes = { [one.node]: 1, [two.node]: 1 };
  const gateway = await serving(t, {
    routes: [
      { id: "all", uri: "/all", upstream: { nodes, timeout } },
      { id: "none", uri: "/none", upstream: { nodes, timeout, retries: 0 } },
      { id: "status", uri: "/status", upstream: { nodes: { [bad.node]: 1, "127.0.0.1:1": 0 } } },
    ],
  });
  assert.equal((await ask(gateway.httpPort, "/all")).headers["x-apisix-upstream-status"], "504, 504");
  assert.equal((await ask(gateway.httpPort, "/all", { method: "POST" })).headers["x-apisix-upstream-status"], "504");
  assert.equal((await ask(gateway.httpPort, "/none")).headers["x-apisix-upstream-status"], "504");
  assert.equal(one.heads.length + two.heads.length, 4);
  assert.equal((await ask(gateway.httpPort, "/status")).status, 503);
  assert.equal(bad.requests(), 1);
});

test("retries: the only node of an upstream is asked again, whatever the algorithm; one of several is not", async (t) => {
  const types = ["roundrobin", "chash", "least_conn", "ewma"];
  const seen: Record<string, number> = {};
  const shaky = await startRawOrigin(t, (socket, head) => {
    const path = head.split(" ")[1] ?? "";
    const count = (seen[path] = (seen[path] ?? 0) + 1);
    if (path.startsWith("/dead") || count < 3) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const nodes = { [shaky.node]: 1 };
  const gateway = await serving(t, {
    routes: [
      ...types.map((type) => ({ id: type, uri: `/${type}`, upstream: { type, key: "uri", nodes, retries: 2 } })),
      { id: "dead", uri: "/dead", upstream: { nodes, retries: 2 } },
      { id: "default", uri: "/dead/default", upstream: { nodes } },
      { id: "idle", uri: "/dead/idle", upstream: { nodes: { ...nodes, "127.0.0.1:1": 0 }, retries: 2 } },
    ],
  });
  for (const type of types) assert.equal((await ask(gateway.httpPort, `/${type}`)).text, "ok", type);
  const statusesOf = async (path: string): Promise<unknown> =>
    (await ask(gateway.httpPort, path)).headers["x-apisix-upstream-status"];
  assert.equal(await statusesOf("/dead"), "502, 502, 502");
  assert.equal(await statusesOf("/dead/default"), "502");
  assert.equal(await statusesOf("/dead/idle"), "502", "another node is there, though it gets nothing");
});

test("round robin is strict by weight; weight 0 gets nothing", async (t) => {
  const origins = [await startEcho(t, "a"), await startEcho(t, "b"), await startEcho(t, "c")];
  const route = (id: string, weights: readonly number[]): object => ({
    id,
    uri: `/${id}`,
    upstream: { type: "roundrobin", nodes: withWeights(origins, weights) },
  });
  const gateway = await serving(t, {
    routes: [route("w1", [3, 1, 1]), route("w2", [5, 3, 2]), route("w3", [1, 0, 1])],
  });
  const tally = async (path: string, requests: number): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {};
    for (let i = 0; i < requests; i++) {
      const { origin } = echoOf(await ask(gateway.httpPort, path));
      seen[origin] = (seen[origin] ?? 0) + 1;
    }
    return seen;
  };
  assert.deepEqual({ ...(await tally("/w1", 10)) }, { a: 6, b: 2, c: 2 });
  assert.deepEqual({ ...(await tally("/w2", 10)) }, { a: 5, b: 3, c: 2 });
  assert.deepEqual({ ...(await tally("/w3", 12)) }, { a: 6, c: 6 });
});

test("a node that stands twice in a list counts once, as it stands last; what a file says of it breaks no other", async (t) => {
  const origins = [await startEcho(t, "a"), await startEcho(t, "b")];
  const [a, b] = origins.map(({ port }) => ({ host: "127.0.0.1", port, weight: 1 }));
  const gateway = await serving(t, {
    routes: [
      { id: "1", uri: "/*", upstream: { nodes: [a, b, { ...a, weight: 3 }] }, plugins: { cors: { _meta: [] } } },
      { id: "2", uri: "/lower", upstream: { nodes: [a, b, { ...a, priority: -1 }] } },
    ],
  });
  const seen: string[] = [];
  for (let i = 0; i < 8; i++) seen.push(echoOf(await ask(gateway.httpPort, "/")).origin);
  assert.equal(seen.sort().join(""), "aaaaaabb");
  const weights = async (path: string): Promise<unknown> => {
    const { upstream } = (await gateway.control(`/v1/explain?path=${path}`, { method: "GET" })).json();
    return (upstream as { nodes: { weight: number }[] }).nodes.map(({ weight }) => weight);
  };
  assert.deepEqual(
    [await weights("/"), await weights("/lower")],
    [
      [3, 1],
      [1, 1, 1],
    ],
  );
});

test("connections to the origin are kept, used again and limited as the pool says", async (t) => {
  const echo = await startEcho(t);
  const pool = { keepalive_pool: { size: 4, idle_timeout: 60, requests: 3 } };
  const limited = { ...to({ [echo.node]: 1 }, pool), id: "limited", uri: "/limited" };
  const none = { keepalive_pool: { size: 4, idle_timeout: 0, requests: 1000 } };
  const off = { ...to({ [echo.node]: 1 }, none), id: "off", uri: "/off" };
  const gateway = await serving(t, { routes: [to({ [echo.node]: 1 }), limited, off] });
  const places = async (path: string, requests: number): Promise<readonly number[]> => {
    const seen: number[] = [];
    for (let i = 0; i < requests; i++) seen.push(echoOf(await ask(gateway.httpPort, path)).requestOnConnection);
    return seen;
  };
  assert.deepEqual(await places("/", 5), [1, 2, 3, 4, 5], "one connection for all");
  assert.deepEqual(await places("/limited", 7), [1, 2, 3, 1, 2, 3, 1], "a pool of its own at the same node");
  assert.deepEqual(await places("/", 2), [6, 7]);
  assert.deepEqual(await places("/off", 3), [1, 1, 1], "an idle_timeout of 0 keeps none");
});

test("a kept connection that the origin closes as it is reused costs nobody an answer", async (t) => {
  let answers = 0;
  const origin = await startRawOrigin(t, (socket) => {
    // Every second request on a connection finds it closed.
    if (++answers % 2 === 0) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const gateway = await serving(t, { routes: [to({ [origin.node]: 1 })] });
  for (let i = 0; i < 6; i++) assert.equal((await ask(gateway.httpPort, "/")).text, "ok");
});

test("two workers: shares are those of the weights; chash: what it hashes on, the same from every worker", async (t) => {
  const origins = [await startEcho(t, "a"), await startEcho(t, "b"), await startEcho(t, "c")];
  const nodes = Object.fromEntries(origins.map(({ node }) => [node, 1]));
  const route = (id: string, upstream: object): object => ({
    id,
    uri: `/${id}`,
    upstream: { type: "chash", nodes, ...upstream },
  });
  const routes = [
    route("header", { hash_on: "header", key: "X-User" }),
    route("cookie", { hash_on: "cookie", key: "sid" }),
    route("vars", { key: "arg_user" }),
    route("packed", { hash_on: "vars_combinations", key: "$binary_remote_addr" }),
    route("many", { hash_on: "vars_combinations", key: "$arg_user$http_x_user" }),
    route("body", { hash_on: "vars_combinations", key: "$post_arg.user" }),
    route("apart", { hash_on: "vars_combinations", key: "$arg_user-$http_x_user" }),
    { id: "shares", uri: "/shares", upstream: { nodes: withWeights(origins, [5, 3, 2]) } },
  ];
  const gateway = await serving(t, { routes }, { workers: 2 });

  const load = startLoad(gateway.httpPort, 8, "/shares");
  await load.reached(SHARED_REQUESTS);
  const { answers, statuses, failed } = await load.stop();
  assert.deepEqual([{ ...statuses }, failed], [{ 200: answers }, []]);
  for (const [i, share] of [0.5, 0.3, 0.2].entries()) {
    const requests = origins[i]!.requests();
    assert.ok(Math.abs(requests / answers - share) <= 0.005, `${requests} of ${answers}, not ${share}`);
  }

  const homes = async (
    path: (user: number) => string,
    headers: (user: number) => Record<string, string>,
  ): Promise<string[]> => {
    const seen: string[] = [];
    for (let user = 0; user < 40; user++) {
      // A connection of its own each, so that both workers are asked.
      const home = echoOf(await ask(gateway.httpPort, path(user), { headers: headers(user) })).origin;
      assert.equal(echoOf(await ask(gateway.httpPort, path(user), { headers: headers(user) })).origin, home);
      seen.push(home);
    }
    return seen;
  };
  const none = (): Record<string, string> => ({});
  const byHeader = await homes(
    () => "/header",
    (user) => ({ "X-User": `u${user}` }),
  );
  assert.deepEqual([...new Set(byHeader)].sort(), ["a", "b", "c"]);
  assert.deepEqual(
    await homes(
      () => "/cookie",
      (user) => ({ Cookie: `sid=u${user}` }),
    ),
    byHeader,
  );
  assert.deepEqual(await homes((user) => `/vars?user=u${user}`, none), byHeader);
  assert.equal(
    new Set(
      await homes(
        (user) => `/many?user=${user}`,
        (user) => ({ "X-User": `${user}` }),
      ),
    ).size,
    3,
  );
  const byBody: string[] = [];
  for (let user = 0; user < 40; user++) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ user: `u${user}` });
    byBody.push(echoOf(await ask(gateway.httpPort, "/body", { method: "POST", headers, body })).origin);
  }
  assert.deepEqual(byBody, byHeader, "the body is read for it");
  const byAddress = await homes(
    () => "/packed",
    (user) => ({ "X-Real-IP": `10.0.0.${user}` }),
  );
  assert.equal(new Set(byAddress).size, 3, "bytes of addresses");
  const [home, ...others] = new Set(await homes((user) => `/vars?other=${user}`, none));
  assert.deepEqual(others, [], "by the client's address");
  assert.deepEqual(
    [...new Set(await homes(() => "/apart", none))],
    [home],
    "and not by what is the same for everybody",
  );
});

test("least_conn and ewma leave a slow origin alone", async (t) => {
  const held: (() => void)[] = [];
  const slow = await startOrigin(t, "slow", (_, response) => void held.push(() => response.end("slow")));
  // A listener for each request below.
  slow.server.setMaxListeners(100);
  const fast = await startOrigin(t, "fast", (_, response) => response.end("fast"));
  const nodes = { [slow.node]: 1, [fast.node]: 1 };
  const route = (type: string): object => ({ id: type, uri: `/${type}`, upstream: { type, nodes } });
  const gateway = await serving(t, { routes: [route("least_conn"), route("ewma")] });
  for (const type of ["least_conn", "ewma"]) {
    const before = slow.requests();
    const asked: Promise<Reply>[] = [];
    // One after the other, as the fast origin answers; what the slow one holds stays open.
    for (let i = 0; i < 40; i++) {
      const reply = ask(gateway.httpPort, `/${type}`);
      asked.push(reply);
      await Promise.race([reply, once(slow.server, "request")]);
    }
    assert.ok(slow.requests() - before <= 5, `${type}: ${slow.requests() - before} of 40 went to the slow origin`);
    for (const release of held.splice(0)) release();
    for (const reply of asked) assert.equal((await reply).status, 200);
  }
});
