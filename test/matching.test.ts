import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, exchangeBytes } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import { serving } from "./support/serving.ts";

// Which route takes a request. What is expected was recorded from APISIX 3.18.

/** A request and the id of the route that takes it; `null`: 404. `GET` of `/` and no particular Host unless told. */
interface Case {
  readonly path?: string;
  readonly host?: string;
  readonly method?: string;
  readonly route: string | null;
}

/** Routes by id, without their upstream, and what becomes of requests. */
interface Scenario {
  readonly name: string;
  readonly routes: Readonly<Record<string, object>>;
  readonly cases: readonly Case[];
}

const paths = (expected: Readonly<Record<string, string | null>>): readonly Case[] =>
  Object.entries(expected).map(([path, route]) => ({ path, route }));

const hosts = (expected: Readonly<Record<string, string | null>>): readonly Case[] =>
  Object.entries(expected).map(([host, route]) => ({ host, route }));

const scenarios: readonly Scenario[] = [
  {
    name: "an exact uri sees the path decoded once and normalised",
    routes: { exact: { uri: "/hello" } },
    cases: paths({
      "/hello": "exact",
      "/hello?x=1": "exact",
      "/hello?": "exact",
      "/%68ello": "exact",
      "/he%6Cl%6f": "exact",
      "//hello": "exact",
      "/./hello": "exact",
      "/a/../hello": "exact",
      "/hello/": null,
      "/Hello": null,
      "/hello;a=1": null,
      "/hello%20": null,
      "/hello/.": null,
      "/hello/..": null,
      "/hello/x": null,
      "/hell": null,
      "/": null,
      "/hello%2F": null,
      "/hello%3Fx=1": null,
      "/hello//": null,
      "/hello&a=1": null,
    }),
  },
  {
    name: "a prefix takes what begins with it, the longest one wins, an exact uri before it",
    routes: {
      foo: { uri: "/foo/*" },
      bar: { uri: "/bar*" },
      deep: { uri: "/foo/baz/*" },
      exact: { uri: "/foo/baz" },
    },
    cases: paths({
      "/foo": null,
      "/foo/": "foo",
      "/foo/a/b": "foo",
      "/foo/baz": "exact",
      "/foo/baz/": "deep",
      "/foo/baz/q": "deep",
      "/foo/bazz": "foo",
      "/bar": "bar",
      "/bar/": "bar",
      "/barn": "bar",
      "/bar?x": "bar",
      "/ba": null,
      "/foo//a": "foo",
      "/foo/../bar": "bar",
      "/FOO/a": null,
      "/foo/%2e%2e/bar": "bar",
      "/foo%2Fa": "foo",
      "/bar/../foo/x": "foo",
    }),
  },
  {
    name: "uris",
    routes: { u: { uris: ["/a", "/b/*", "/c*"] } },
    cases: paths({ "/a": "u", "/a/": null, "/b": null, "/b/": "u", "/b/c": "u", "/cc": "u", "/c/d": "u", "/d": null }),
  },
  {
    name: "a uri in the configuration is what the decoded path is",
    routes: { space: { uri: "/a b" }, percent: { uri: "/enc%20d" }, chinese: { uri: "/你" }, slash: { uri: "/s/l" } },
    cases: paths({
      "/a%20b": "space",
      "/a+b": null,
      "/enc%20d": null,
      "/enc%2520d": "percent",
      "/%E4%BD%A0": "chinese",
      "/%e4%bd%a0": "chinese",
      "/s%2Fl": "slash",
      "/s//l": "slash",
      "/s/x/../l": "slash",
    }),
  },
  {
    name: "priority decides among routes of the same uri only",
    routes: {
      low: { uri: "/x", priority: -5 },
      high: { uri: "/x", priority: 10 },
      any: { uri: "/*", priority: 100 },
      disabled: { uri: "/x", priority: 50, status: 0 },
    },
    cases: paths({ "/x": "high", "/y": "any" }),
  },
  {
    name: "methods; a method that no route has is 404, and HEAD is not GET",
    routes: { get: { uri: "/m", methods: ["GET"] }, post: { uri: "/m", methods: ["POST"] } },
    cases: [
      { path: "/m", route: "get" },
      { path: "/m", method: "POST", route: "post" },
      { path: "/m", method: "HEAD", route: null },
      { path: "/m", method: "DELETE", route: null },
    ],
  },
  {
    name: "an exact host: case, port and a final dot do not matter",
    routes: { h: { uri: "/*", host: "Foo.com" } },
    cases: hosts({
      "foo.com": "h",
      "FOO.com": "h",
      "foo.com:9080": "h",
      "foo.com.": "h",
      "www.foo.com": null,
      "xfoo.com": null,
      "bar.com": null,
    }),
  },
  {
    name: "a wildcard host takes any depth, never the bare name",
    routes: { w: { uri: "/*", host: "*.foo.com" } },
    cases: hosts({
      "foo.com": null,
      "a.foo.com": "w",
      "a.b.foo.com": "w",
      ".foo.com": "w",
      "A.FOO.COM": "w",
      "a.foo.com:8080": "w",
      "afoo.com": null,
      "a.foo.com.evil.com": null,
    }),
  },
  {
    name: "a host with a port is for that port alone, with a wildcard as well",
    routes: {
      exact: { uri: "/*", host: "a.com:81" },
      wild: { uri: "/*", host: "*.b.com:81" },
      any: { uri: "/*", hosts: ["a.com", "*.b.com"] },
      star: { uri: "/*", host: "*" },
    },
    cases: hosts({
      "a.com:81": "exact",
      "a.com:82": "any",
      "a.com": "any",
      "x.B.com:81": "wild",
      "x.b.com:82": "any",
      "x.b.com": "any",
      "x.b.com.": "any",
      "c.com:81": "star",
    }),
  },
  {
    name: "exact host, longer wildcard, wildcard, no host: whatever the priorities",
    routes: {
      none: { uri: "/*", priority: 100 },
      wild: { uri: "/*", host: "*.foo.com", priority: 50 },
      deep: { uri: "/*", host: "*.a.foo.com", priority: 20 },
      exact: { uri: "/*", hosts: ["x.a.foo.com", "y.org"] },
      exact5: { uri: "/*", host: "y.org", priority: 5 },
    },
    cases: hosts({
      "x.a.foo.com": "exact",
      "y.a.foo.com": "deep",
      "b.foo.com": "wild",
      "foo.com": "none",
      "other.org": "none",
      "y.org": "exact5",
    }),
  },
  {
    name: "a class of hosts without a match falls through to the next",
    routes: { e: { uri: "/e", host: "a.foo.com" }, w: { uri: "/w", host: "*.foo.com" }, none: { uri: "/n" } },
    cases: [
      { path: "/e", host: "a.foo.com", route: "e" },
      { path: "/w", host: "a.foo.com", route: "w" },
      { path: "/n", host: "a.foo.com", route: "none" },
      { path: "/z", host: "a.foo.com", route: null },
      { path: "/e", host: "b.foo.com", route: null },
    ],
  },
];

test("matching", async (t) => {
  const echo = await startEcho(t);
  const upstream = { id: "echo", nodes: { [echo.node]: 1 } };
  for (const { name, routes, cases } of scenarios) {
    await t.test(name, async () => {
      const gateway = await serving(t, {
        upstreams: [upstream],
        routes: Object.entries(routes).map(([id, route]) => ({ id, upstream_id: "echo", ...naming(id), ...route })),
      });
      for (const { path = "/", host, method = "GET", route } of cases) {
        const headers: Record<string, string> = host === undefined ? {} : { Host: host };
        const reply = await ask(gateway.httpPort, path, { method, headers });
        const what = `${method} ${host ?? ""} ${path}`;
        assert.equal(reply.headers["x-route"] ?? null, route, what);
        assert.equal(reply.status, route === null ? 404 : 200, what);
        if (route !== null && method !== "HEAD")
          assert.equal(echoOf(reply).uri, path, "the target goes out as it came");
      }
    });
  }
});

test("many routes of one path: each request finds its own, in the documented order, also after changes", async (t) => {
  const answer = (id: string): { id: string; plugins: object } => ({
    id,
    plugins: { mocking: { response_example: id } },
  });
  const tenants = Array.from({ length: 60 }, (_, i) => String(i));
  const conditions: readonly ((i: string) => unknown)[] = [
    (i) => ["cookie_t", "==", `t${i}`],
    (i) => ["arg_t", "==", Number(i)],
    (i) => ["arg_é", "in", ["x", `ü ${i}`]],
  ];
  const routes = conditions.flatMap((condition, kind) =>
    tenants.map((i) => ({ uri: "/*", priority: kind, vars: [condition(i)], ...answer(`${kind}-${i}`) })),
  );
  const rest = { uri: "/*", vars: [["http_x", "~~", "."]], priority: 1, ...answer("rest") };
  const gateway = await serving(t, { routes: [...routes, rest] });
  const found = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const { status, text } = await ask(gateway.httpPort, path, { headers });
    return status === 200 ? text.trim() : String(status);
  };
  assert.equal(await found("/a", { Cookie: "t=t7" }), "0-7");
  assert.equal(await found("/a?t=07", { Cookie: "t=t7" }), "1-7");
  assert.equal(await found("/a?t=7&%C3%A9=%C3%BC+59", { Cookie: "t=t7" }), "2-59");
  assert.equal(await found("/a?t=60"), "404");
  assert.equal(await found("/a", { Cookie: "t=t7", X: "1" }), "rest");
  assert.equal(await found("/a?t=7", { X: "1" }), "1-7", "the shorter id before the longer");
  await serving(t, { routes: [...routes.filter(({ id }) => id !== "1-7"), { ...rest, status: 0 }] });
  assert.equal(await found("/a?t=7", { Cookie: "t=t7", X: "1" }), "0-7");
  assert.equal(await found("/a?t=8", { Cookie: "t=t7" }), "1-8");
});

test("service and upstream, by id and inline: what a route has itself wins over its service", async (t) => {
  const [one, two, three] = [await startEcho(t, "one"), await startEcho(t, "two"), await startEcho(t, "three")];
  const upstreams = [
    { id: "u1", nodes: { [one.node]: 1 } },
    { id: "u2", nodes: { [two.node]: 1 } },
  ];
  const routes = [
    { id: "1", uri: "/1", service_id: "s" },
    { id: "2", uri: "/2", service_id: "s", upstream_id: "u2" },
    { id: "3", uri: "/3", service_id: "s", ...naming("route") },
    { id: "4", uri: "/4", service_id: "s", upstream: { nodes: { [three.node]: 1 } } },
    { id: "5", uri: "/5", service_id: "s", host: "own.com" },
  ];
  const service = { id: "s", upstream_id: "u1", hosts: ["svc.com", "*.svc.org"], ...naming("service") };
  const gateway = await serving(t, { upstreams, services: [service], routes });
  const seen = async (path: string, host = "svc.com"): Promise<string> => {
    const reply = await ask(gateway.httpPort, path, { headers: { Host: host } });
    return reply.status === 200 ? `${String(reply.headers["x-route"])} ${echoOf(reply).origin}` : `${reply.status}`;
  };
  assert.equal(await seen("/1"), "service one");
  assert.equal(await seen("/2"), "service two");
  assert.equal(await seen("/3"), "route one");
  assert.equal(await seen("/4"), "service three");
  assert.equal(await seen("/1", "a.svc.org"), "service one");
  assert.equal(await seen("/1", "x.com"), "404");
  assert.equal(await seen("/5", "svc.com"), "404", "hosts of the service do not count where the route has its own");
  assert.equal(await seen("/5", "own.com"), "service one");

  await serving(t, { upstreams, services: [{ ...service, upstream_id: "u2", ...naming("changed") }], routes });
  assert.equal(await seen("/1"), "changed two");
  assert.equal(await seen("/4"), "changed three");
});

test("a target in absolute form: its authority is the Host that routes and their conditions see", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const gateway = await serving(t, {
    routes: [
      { id: "port", uri: "/a", host: "real.test:8080", upstream, ...naming("port") },
      { id: "vars", uri: "/b", vars: [["http_host", "==", "real.test:8080"]], upstream, ...naming("vars") },
    ],
  });
  for (const [path, route] of [
    ["/a", "port"],
    ["/b", "vars"],
  ] as const) {
    const asked = (target: string, host: string): Promise<{ status: number; headers: Record<string, unknown> }> =>
      ask(gateway.httpPort, target, { headers: { Host: host } });
    assert.equal((await asked(`http://real.test:8080${path}`, "other.test")).headers["x-route"], route);
    assert.equal((await asked(`http://other.test${path}`, "real.test:8080")).status, 404);
  }
});

test("X-Forwarded-* of a peer that is not trusted decide nothing", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const route = (value: string): object => ({
    id: value,
    uri: `/${value}`,
    upstream,
    vars: [["http_x_forwarded_proto", "==", value]],
  });
  const gateway = await serving(t, { routes: [route("https"), route("http")] });
  const status = async (path: string): Promise<number> =>
    (await ask(gateway.httpPort, path, { headers: { "X-Forwarded-Proto": "https" } })).status;
  assert.deepEqual([await status("/https"), await status("/http")], [404, 200]);
});

test("parameters of the path: as conditions, in plugins, with an encoded slash", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const routes = [
    { id: "7", uri: "/u/:id/:action", vars: [["uri_param_id", "==", "7"]], upstream, ...naming("seven") },
    { id: "8", uri: "/u/:id/:action", priority: -1, upstream, ...naming("$uri_param_id/$uri_param_action") },
    { id: "9", uri: "/rw/:id", upstream, plugins: { "proxy-rewrite": { uri: "/new/$uri_param_id" } } },
  ];
  const router = { http: "radixtree_uri_with_parameter" };
  const gateway = await serving(t, { routes }, { config: { apisix: { router, match_uri_encoded_slash: true } } });
  const routeOf = async (path: string): Promise<string | undefined> =>
    (await ask(gateway.httpPort, path)).headers["x-route"] as string | undefined;
  assert.equal(await routeOf("/u/7/x"), "seven");
  assert.equal(await routeOf("/u/8/x%20y"), "8/x y");
  assert.equal(await routeOf("/u/8/x%2fy"), "8/x%2Fy");
  assert.equal(await routeOf("/u/8/x/y"), undefined);
  const reply = await ask(gateway.httpPort, "/rw/42?a=1");
  assert.equal(echoOf(reply).uri, "/new/42?a=1");
});

test("404 without a route: its body and its framing", async (t) => {
  const gateway = await serving(t, { routes: [] });
  const body = '{"error_msg":"404 Route Not Found"}\n';
  for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
    const reply = await ask(gateway.httpPort, "/none", { method });
    assert.equal(reply.status, 404);
    assert.equal(reply.headers["content-type"], "text/plain; charset=utf-8");
    assert.equal(reply.text, body);
  }
  assert.equal((await ask(gateway.httpPort, "/none", { method: "HEAD" })).text, "");
  const two = await exchangeBytes(
    gateway.httpPort,
    "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assert.deepEqual(two.match(/HTTP\/1\.1 404|Connection: [-\w]+|24\r\n\{"error_msg":"404 Route Not Found"\}\n\r\n0/g), [
    "HTTP/1.1 404",
    "Connection: keep-alive",
    `24\r\n${body}\r\n0`,
    "HTTP/1.1 404",
    "Connection: close",
    `24\r\n${body}\r\n0`,
  ]);
  const old = await exchangeBytes(gateway.httpPort, "GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.match(old, /^HTTP\/1\.1 404 Not Found\r\n/);
  assert.match(old, /\r\nConnection: close\r\n/);
  assert.ok(old.endsWith(`\r\n\r\n${body}`), "an old client gets the body unframed");
});

/** Lets answers say which resource they came through. */
function naming(id: string): object {
  return { plugins: { "response-rewrite": { headers: { set: { "X-Route": id } } } } };
}
