import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ask } from "./support/client.ts";
import { instance, startConsul } from "./support/consul.ts";
import { type StandInAnswer, startDns } from "./support/dns.ts";
import { endpoints, slice, startKubernetes } from "./support/kubernetes.ts";
import { startOrigin } from "./support/origin.ts";
import { freePort } from "./support/ports.ts";
import { startGateway } from "./support/gateway.ts";
import { serving } from "./support/serving.ts";

// Names of nodes: traffic follows the DNS, and never stops because of it.

test("traffic follows the answers, and stays where it is when none comes", async (t) => {
  const dns = await startDns(t);
  // One port on two addresses of this machine: what a name stands for decides who is asked.
  const first = await startOrigin(t, "first");
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => response.end("second"));
  await new Promise<void>((resolve) => server.listen(first.port, "127.0.0.2", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.1" }]);
  const upstream = { nodes: { [`app.test:${first.port}`]: 1 }, pass_host: "node" };
  const routes = [
    { id: "by-id", uri: "/by-id", upstream_id: "u" },
    { id: "inline", uri: "/inline", upstream },
    { id: "service", uri: "/service", service_id: "s" },
  ];
  const standalone = { routes, upstreams: [{ id: "u", ...upstream }], services: [{ id: "s", upstream }] };
  const apisix = { dns_resolver: [dns.server], resolver_timeout: 1 };
  const gateway = await serving(t, standalone, { workers: 2, config: { apisix } });

  const answers = async (): Promise<string[]> => {
    const seen = new Set<string>();
    for (const { uri } of [...routes, ...routes, ...routes]) {
      const reply = await ask(gateway.httpPort, uri);
      assert.equal(reply.status, 200, `${uri}: ${reply.text}`);
      seen.add(reply.text.split(" ")[0] ?? "");
    }
    return [...seen].sort();
  };
  /** Asks until the answers are these: every one of them must be a 200. */
  const follows = async (expected: readonly string[]): Promise<void> => {
    for (;;) {
      const seen = await answers();
      if (seen.join() === expected.join()) return;
    }
  };

  await follows(["first"]);
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.2" }]);
  await follows(["second"]);
  for (const failure of ["SERVFAIL", "silent", []] as const) {
    dns.answers.set("app.test", failure);
    await dns.asked("app.test");
    // A resolver asks several times before it gives up: the next failure must not answer what is left of this lookup.
    do assert.deepEqual(await answers(), ["second"], `after ${JSON.stringify(failure)}`);
    while (!/name\/app\.test cannot be resolved: SERVFAIL/.test(gateway.errorLog));
  }
  dns.answers.set("app.test", [
    { type: "A", value: "127.0.0.1" },
    { type: "A", value: "127.0.0.2" },
  ]);
  await follows(["first", "second"]);
  dns.answers.set("app.test", [{ type: "A", value: "127.0.0.1", ttl: 300 }]);
  await follows(["first"]);
});

test("a request waits for the first answer about a name, and only for that", async (t) => {
  const dns = await startDns(t);
  const origin = await startOrigin(t, "origin");
  const [late, gone] = [Promise.withResolvers<StandInAnswer>(), Promise.withResolvers<StandInAnswer>()];
  dns.answers.set("late.test", late.promise);
  dns.answers.set("gone.test", gone.promise);
  const upstream = (name: string, scheme = "http"): object => ({ nodes: { [`${name}:${origin.port}`]: 1 }, scheme });
  const port = await freePort();
  const standalone = {
    routes: [
      { id: "late", uri: "/late", upstream: upstream("late.test") },
      { id: "gone", uri: "/gone", upstream: upstream("gone.test") },
    ],
    stream_routes: [{ id: "1", upstream: upstream("late.test", "tcp") }],
  };
  const apisix = {
    dns_resolver: [dns.server],
    // One question for each name, which is answered when the test wants it.
    resolver_timeout: 60,
    proxy_mode: "http&stream",
    stream_proxy: { tcp: [`127.0.0.1:${port}`] },
  };
  const gateway = await serving(t, standalone, { workers: 2, config: { apisix } });
  const asked = [...Array.from({ length: 8 }, () => ask(gateway.httpPort, "/late")), ask(port, "/")];
  const refused = ask(gateway.httpPort, "/gone");
  late.resolve([{ type: "A", value: "127.0.0.1" }]);
  for (const reply of await Promise.all(asked)) assert.equal(reply.status, 200, reply.text);
  gone.resolve("NXDOMAIN");
  assert.equal((await refused).status, 502);
  assert.equal((await ask(gateway.httpPort, "/gone")).status, 502);
});

test("a name that cannot be resolved costs the other nodes' clients nothing", async (t) => {
  const dns = await startDns(t);
  const origin = await startOrigin(t, "origin");
  const [bad, good] = [`nope.test:${origin.port}`, origin.node];
  const route = (id: string, nodes: object, upstream: object = {}): object => ({
    id,
    uri: `/${id}`,
    upstream: { nodes, retries: 0, ...upstream },
  });
  const routes = [
    route("alone", { [bad]: 1 }),
    route("turns", { [bad]: 1, [good]: 1 }),
    route("hash", { [bad]: 1, [good]: 1 }, { type: "chash", key: "arg_key" }),
    route("idle", { [bad]: 1, [good]: 0 }),
  ];
  const gateway = await serving(t, { routes }, { config: { apisix: { dns_resolver: [dns.server] } } });
  // Waits for the answer about the name; no other node could take its place.
  assert.equal((await ask(gateway.httpPort, "/alone")).status, 502);
  for (let i = 0; i < 8; i++) {
    for (const path of ["/turns", `/hash?key=${i}`])
      assert.equal((await ask(gateway.httpPort, path)).status, 200, path);
    assert.equal((await ask(gateway.httpPort, "/idle")).status, 502);
  }
  dns.answers.set("nope.test", [{ type: "A", value: "127.0.0.1" }]);
  while ((await ask(gateway.httpPort, "/alone")).status !== 200);
  assert.equal((await ask(gateway.httpPort, "/idle")).status, 200);
});

test("nodes of services come from discovery: the DNS, Consul, Kubernetes", async (t) => {
  const dns = await startDns(t);
  const [one, two] = [await startOrigin(t, "one"), await startOrigin(t, "two")];
  const consul = await startConsul(t, [instance("127.0.0.1", one.port)], 7);
  const kubernetes = await startKubernetes(t);
  kubernetes.fails = true;
  dns.answers.set("srv.test", "SERVFAIL");
  dns.answers.set("host.test", [{ type: "A", value: "127.0.0.1" }]);
  const shop = (port: number, version: string): object =>
    endpoints("shop", ["127.0.0.1"], { name: "http", port }, version);
  const route = (type: string, service: string): object => ({
    id: type,
    uri: `/${type}`,
    upstream: { type: "roundrobin", discovery_type: type, service_name: service },
  });
  const discovery = {
    dns: { servers: [dns.server] },
    // What is not held back would be asked for once a minute only.
    consul: { servers: [consul.url], fetch_interval: 60 },
    kubernetes: {
      service: { schema: "http", host: "127.0.0.1", port: String(kubernetes.port) },
      client: { token: "secret" },
    },
  };
  const standalone = {
    routes: [route("dns", "srv.test"), route("consul", "shop"), route("kubernetes", "default/shop:http")],
  };
  const gateway = await startGateway(t, { standalone, workers: 1, config: { discovery } });
  await gateway.until("dns discovery not ready");
  dns.answers.set("srv.test", [{ type: "SRV", value: `1 1 ${one.port} host.test` }]);
  await gateway.until("kubernetes discovery not ready");
  kubernetes.items = [shop(one.port, "3"), endpoints("other", ["10.0.0.1"])];
  kubernetes.fails = false;
  await gateway.until(200);
  const { text } = await gateway.status("/status/ready?verbose");
  for (const type of ["dns", "consul", "kubernetes"]) assert.match(text, new RegExp(`discovery/${type}`));
  /** Asks until the origin answers; there are no failures on the way. */
  const follows = async (path: string, name: string): Promise<void> => {
    for (;;) {
      const reply = await ask(gateway.httpPort, path);
      assert.equal(reply.status, 200, reply.text);
      if (reply.text.startsWith(name)) return;
    }
  };
  const all = async (name: string): Promise<void> => {
    for (const path of ["/dns", "/consul", "/kubernetes"]) await follows(path, name);
  };
  await all("one");

  const dump = async (type: string): Promise<unknown> =>
    (await gateway.control(`/v1/discovery/${type}/dump`, { method: "GET" })).json();
  const node = { host: "127.0.0.1", port: one.port, weight: 1 };
  assert.deepEqual(await dump("consul"), {
    config: { servers: [consul.url], token: "", keepalive: true, timeout: { wait: 60 }, fetch_interval: 60, weight: 1 },
    services: { shop: [node] },
  });
  const known = [
    { name: "default/other", value: { http: [{ host: "10.0.0.1", port: 80, weight: 50 }] } },
    { name: "default/shop", value: { http: [{ ...node, weight: 50 }] } },
  ];
  assert.deepEqual(await dump("kubernetes"), {
    endpoints: [{ endpoints: known.map(({ name, value }) => ({ name, value: JSON.stringify(value) })) }],
    config: [
      {
        service: { schema: "http", host: "127.0.0.1", port: String(kubernetes.port) },
        client: { token: "***" },
        default_weight: 50,
      },
    ],
  });
  const nacos = {
    error_msg: "not found",
    endpoints: ["consul", "kubernetes"].map((type) => `GET /v1/discovery/${type}/dump`),
  };
  assert.deepEqual(await dump("nacos"), nacos);

  dns.answers.set("srv.test", [{ type: "SRV", value: `1 1 ${two.port} host.test` }]);
  await consul.wasAsked(2);
  consul.now([instance("127.0.0.1", two.port)], 8);
  await kubernetes.watched();
  kubernetes.event("MODIFIED", shop(two.port, "11"));
  await all("two");

  // Nothing of it is there any more: what was known goes on.
  dns.answers.set("srv.test", "SERVFAIL");
  await consul.wasAsked(3);
  consul.now([], 9);
  kubernetes.fails = true;
  kubernetes.event("ERROR", { code: 410 });
  await dns.asked("srv.test");
  await consul.wasAsked(5);
  await all("two");
  assert.match((await gateway.status("/status/ready")).text, /ok/);
  // Neither the next control thread nor new workers have heard of anybody: they take over what was known.
  gateway.child.kill("SIGHUP");
  while (!/reload: done/.test(gateway.errorLog)) await all("two");
  await all("two");
  // A new list: what changed meanwhile.
  kubernetes.items = [shop(one.port, "30")];
  kubernetes.fails = false;
  await follows("/kubernetes", "one");
  // A service that is new has its nodes the moment the change counts.
  consul.now([instance("127.0.0.1", two.port)], 10);
  const revision = await gateway.revision();
  gateway.writeStandalone({ routes: [route("consul", "fresh"), route("kubernetes", "default/shop:http")] });
  assert.equal((await gateway.applied(revision + 1)).status, 200);
  for (let i = 0; i < 5; i++) assert.match((await ask(gateway.httpPort, "/consul")).text, /^two/);
  assert.ok(kubernetes.asked.every((line) => line.startsWith("Bearer secret /api/v1/endpoints?")));
  assert.doesNotMatch(gateway.errorLog, /secret/);
});

test("a source that has answered is ready, also where it knows nobody; one that lists unasked is waited for", async (t) => {
  const dns = await startDns(t);
  const consul = await startConsul(t, []);
  const kubernetes = await startKubernetes(t);
  kubernetes.fails = true;
  const discovery = {
    dns: { servers: [dns.server] },
    consul: { servers: [consul.url] },
    kubernetes: {
      service: { schema: "http", host: "127.0.0.1", port: String(kubernetes.port) },
      client: { token: "x" },
    },
  };
  const route = (type: string): object => ({
    id: type,
    uri: `/${type}`,
    upstream: { type: "roundrobin", discovery_type: type, service_name: "nobody.test" },
  });
  const standalone = { routes: [route("dns"), route("consul")] };
  const gateway = await startGateway(t, { standalone, workers: 1, config: { discovery } });
  await gateway.until("kubernetes discovery not ready");
  for (const source of ["dns", "consul"]) {
    while ((await gateway.status(`/status/ready/discovery/${source}`)).status !== 200);
    assert.equal((await ask(gateway.httpPort, `/${source}`)).status, 503);
  }
  kubernetes.fails = false;
  await gateway.until(200);
});

test("several clusters of Kubernetes, and Consul: slices over TLS, and nodes that are gone are asked no more", async (t) => {
  const [one, two] = [await startOrigin(t, "one"), await startOrigin(t, "two")];
  const [sliced, plain] = [await startKubernetes(t, true), await startKubernetes(t)];
  const port = (number: number): object => ({ name: "http", port: number });
  sliced.items = [slice("shop", "shop-a", ["127.0.0.1"], port(one.port))];
  plain.items = [endpoints("shop", ["127.0.0.1"], port(one.port))];
  const ca = join(import.meta.dirname, "support", "certificate.pem");
  const cluster = (id: string, api: { readonly port: number }, schema: string, more: object = {}): object => ({
    id,
    service: { schema, host: "127.0.0.1", port: api.port, ...(schema === "https" ? { ssl_verify: true } : {}) },
    client: { token: "secret" },
    ...more,
  });
  const consul = await startConsul(t, [instance("127.0.0.1", one.port)], 1, true);
  const discovery = {
    consul: { servers: [consul.url] },
    kubernetes: [
      cluster("a", sliced, "https", { watch_endpoint_slices: true, default_weight: 5 }),
      cluster("b", plain, "http", { namespace_selector: { match: ["def.*"] } }),
    ],
  };
  const route = (id: string): object => ({
    id,
    uri: `/${id}`,
    upstream: { type: "roundrobin", discovery_type: "kubernetes", service_name: `${id}/default/shop:http` },
  });
  const gateway = await serving(
    t,
    {
      routes: [
        route("a"),
        route("b"),
        { id: "c", uri: "/c", upstream: { discovery_type: "consul", service_name: "shop" } },
      ],
    },
    { workers: 2, config: { discovery, apisix: { ssl: { ssl_trusted_certificate: ca } } } },
  );
  /** Asks until this is answered. */
  const follows = async (path: string, pattern: RegExp): Promise<void> => {
    while (!pattern.test((await ask(gateway.httpPort, path)).text));
  };
  for (const path of ["/a", "/b", "/c"]) await follows(path, /^one/);
  await sliced.watched();
  await plain.watched();
  sliced.event("ADDED", slice("shop", "shop-b", ["127.0.0.1"], port(two.port), "11"));
  await follows("/a", /^two/);
  await follows("/a", /^one/);
  sliced.event("DELETED", slice("shop", "shop-a", [], port(one.port), "12"));
  await follows("/a", /^two/);
  plain.event("MODIFIED", endpoints("shop", [], port(one.port), "11"));
  // Until both workers have heard of it.
  for (let refused = 0; refused < 10;) refused = (await ask(gateway.httpPort, "/b")).status === 503 ? refused + 1 : 0;
  plain.event("MODIFIED", endpoints("shop", ["127.0.0.1"], port(two.port), "13"));
  await follows("/b", /^two/);
});
