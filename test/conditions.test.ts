import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, type AskOptions, exchangeBytes, Wire } from "./support/client.ts";
import { echoOf, startEcho } from "./support/echo.ts";
import { serving } from "./support/serving.ts";

// What routes ask besides host and path: `vars` over every family of variables, `filter_func`.

/** What is asked for; the path goes on from that of the route. */
type Asked = AskOptions & { readonly path?: string };

const posted = (type: string, body: string): Asked => ({ method: "POST", headers: { "Content-Type": type }, body });
const json = (value: unknown): Asked => posted("application/json", JSON.stringify(value));
const form = (body: string): Asked => posted("application/x-www-form-urlencoded", body);
const chat = json({
  model: "gpt-4",
  n: 3,
  stream: true,
  none: null,
  messages: [{ role: "system" }, { role: "user", content: [{ type: "image_url" }] }],
});
const getRepo = { path: "?query=query%20getRepo%7Bowner%20repo%7D" };

/** Conditions by family of variables, a request, and whether they hold for it. */
const conditions: readonly (readonly [vars: readonly unknown[], request: Asked, holds: boolean])[] = [
  [[["http_x_a", "==", ""]], { headers: { "X-A": "" } }, true],
  [[["http_x_a", "==", "1, 2"]], { headers: { "X-A": ["1", "2"] } }, true],
  [[["http_x_a", "==", 7]], { headers: { "X-A": "07" } }, true],
  [[["http_x_a", "==", null]], {}, true],
  [[["http_x_a", "~=", null]], {}, false],
  [[["http_cookie", "==", "a=1; b=2"]], { headers: { Cookie: ["a=1", "b=2"] } }, true],
  [[["http_x_ip", "ipmatch", ["2001:db8::/32"]]], { headers: { "X-IP": "2001:DB8::1" } }, true],
  [[["http_x_ip", "!", "ipmatch", ["10.0.0.0/8"]]], { headers: { "X-IP": "10.0.0.1, 10.0.0.2" } }, true],
  [[["cookie_a-b.c", "==", "x=y"]], { headers: { Cookie: "a-b.c=x=y" } }, true],
  [[["cookie_a", ">", 5]], { headers: { Cookie: "a=06" } }, true],
  [[["cookie_a", "!", ">", 5]], {}, true],
  [[["arg_v", "==", 0]], { path: "?v=" }, false],
  [[["arg_v", "~*", "^äb$"]], { path: "?v=%C3%84B" }, true],
  [[["arg_v", "~~", "^true$"]], { path: "?v" }, true],
  [[["arg_v", "has", "a"]], { path: "?v=a&v=b" }, false],
  [[["post_arg.model", "~~", "^(gpt|o1)"]], chat, true],
  [[["post_arg.model", "!", "in", ["o1", "o3"]]], chat, true],
  [[["post_arg.n", "~~", "^3$"]], chat, true],
  [[["post_arg.n", "in", ["3"]]], chat, false],
  [[["post_arg.n", ">=", "3"]], chat, true],
  [[["post_arg.stream", "==", true]], chat, true],
  [[["post_arg.stream", "==", "true"]], chat, false],
  [[["post_arg.none", "==", null]], chat, true],
  [[["post_arg.messages[*].role", "has", "user"]], chat, true],
  [[["post_arg.messages[*].content[*].type", "has", "image_url"]], chat, true],
  [[["post_arg.messages[-1]['role']", "==", "user"]], chat, true],
  [[["post_arg.messages[5].role", "~=", "user"]], chat, true],
  [[["post_arg_a", "==", ""]], form("a&a=1"), true],
  [[["post_arg_a", "<", 1e1]], form("a=9"), true],
  [["!OR", ["post_arg_a", "==", "1"], ["arg_a", "==", "1"]], form("a=1"), false],
  [["!AND", ["post_arg_a", "==", "1"], ["OR", ["arg_a", "==", "1"], ["arg_b", "==", "1"]]], form("a=1"), true],
  [[["graphql_name", "==", ""]], posted("application/graphql", "{ hero }"), true],
  [[["graphql_operation", "in", ["mutation"]]], posted("application/graphql", "mutation M { a }"), true],
  [[["graphql_root_fields", "!", "has", "hero"]], getRepo, true],
  [[["graphql_root_fields", "has", "repo"]], getRepo, true],
  [[["graphql_operation", "~=", "query"]], {}, true],
  [[["arg_v", "~~", 2]], { path: "?v=123" }, true],
  [[["ssl_protocol", "==", null]], {}, true],
  [[["ssl_client_verify", "!", "==", "SUCCESS"]], {}, true],
  [[["https", "==", ""]], {}, true],
  [[["server_port", ">", 80]], {}, true],
];

test("conditions over every family of variables, with every operator", async (t) => {
  const plugins = { mocking: { response_example: "x" } };
  const routes = conditions.map(([vars], i) => ({ id: `c${i}`, uri: `/c${i}`, vars, plugins }));
  const gateway = await serving(t, { routes });
  for (const [i, [vars, { path = "", ...request }, holds]] of conditions.entries()) {
    const { status } = await ask(gateway.httpPort, `/c${i}${path}`, request);
    assert.equal(status, holds ? 200 : 404, `${JSON.stringify(vars)} for ${JSON.stringify({ path, ...request })}`);
  }
});

test("request_uri in conditions: no escape, no dots and no doubled slash get around them", async (t) => {
  const on = (id: string, priority: number, condition: object): object => ({
    id,
    uri: "/*",
    priority,
    plugins: { mocking: { response_example: id } },
    ...condition,
  });
  const filter_func = "function (vars) { return vars.request_uri.startsWith('/y/admin'); }";
  const gateway = await serving(t, {
    routes: [
      on("blocked", 2, { vars: [["request_uri", "~~", "^/x/admin"]] }),
      on("exact", 2, { vars: [["request_uri", "==", "/é b?q=%20"]] }),
      on("function", 1, { filter_func }),
      on("real", 1, { vars: [["real_request_uri", "==", "/%7a"]] }),
      on("rest", 0, {}),
    ],
  });
  for (const [path, route] of Object.entries({
    "/x/admin": "blocked",
    "/x/%61dmin?q": "blocked",
    "//x/./admin": "blocked",
    "/y/..%2Fx%2fadmin/": "blocked",
    "/%C3%A9%20b?q=%20": "exact",
    "/%C3%A9%20b?q=": "rest",
    "/y//%61dmin": "function",
    "/%7a": "real",
    "/z?/x/admin": "rest",
  })) {
    assert.equal((await ask(gateway.httpPort, path)).text.trim(), route, path);
  }
});

test("conditions on the body: JSON, forms and GraphQL; the body goes upstream as it came", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const routes = [
    { id: "graphql", uri: "/b", vars: [["graphql_root_fields", "has", "owner"]], upstream, ...naming("graphql") },
    { id: "model", uri: "/b", vars: [["post_arg.model.name", "==", "gpt"]], upstream, ...naming("model") },
    { id: "form", uri: "/b", vars: [["post_arg_name", "==", "json"]], upstream, ...naming("form") },
    { id: "rest", uri: "/b", priority: -1, upstream, ...naming("rest") },
  ];
  const gateway = await serving(t, { routes });
  const post = async (type: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
    const reply = await ask(gateway.httpPort, "/b", {
      method: "POST",
      headers: { "Content-Type": type, ...headers },
      body,
    });
    assert.equal(reply.status, 200, reply.text);
    assert.ok(echoOf(reply).body === body, "the body arrives whole");
    return String(reply.headers["x-route"]);
  };
  const graphql = "query getRepo { owner { name } }";
  assert.equal(await post("application/graphql", graphql), "graphql");
  assert.equal(await post("application/graphql", "{ owner"), "rest", "malformed GraphQL matches nothing");
  assert.equal(await post("application/json", JSON.stringify({ query: graphql })), "graphql");
  assert.equal(await post("application/json", '{"model":{"name":"gpt"}}'), "model");
  assert.equal(await post("application/x-www-form-urlencoded", "name=json"), "form");
  assert.equal(await post("application/x-www-form-urlencoded", "name=other"), "rest");
  assert.equal(await post("application/json", '{"model":{"name":"gpt"}}', { "Transfer-Encoding": "chunked" }), "model");
  assert.equal(await post("application/json", "x", { Expect: "100-continue" }), "rest");
  const long = `{"model":{"name":"gpt"},"pad":"${"x".repeat(300_000)}"}`;
  assert.equal(await post("application/json", long), "model", "longer than one read");
  const tooLong = `${graphql} #${"x".repeat(1_100_000)}`;
  assert.equal(await post("application/graphql", tooLong), "rest", "beyond graphql.max_size, by its length");
  assert.equal(
    await post("application/graphql", tooLong, { "Transfer-Encoding": "chunked" }),
    "rest",
    "and by what came",
  );
  assert.equal((await ask(gateway.httpPort, "/b")).headers["x-route"], "rest", "no body, no wait");
  const twice =
    "POST /b HTTP/1.1\r\nHost: a\r\nContent-Type: application/graphql\r\nContent-Length: 9\r\n\r\n{ owner }";
  const got = await exchangeBytes(gateway.httpPort, twice + twice.replace("Host: a", "Host: a\r\nConnection: close"));
  assert.equal(got.match(/X-Route: graphql/g)?.length, 2, "pipelined requests");
});

test("filters over the body of plugins that a consumer or its group brings", async (t) => {
  const echo = await startEcho(t);
  const _meta = { filter: [["post_arg.name", "==", "jack"]] };
  const says = (name: string): object => ({ headers: { set: { [name]: "yes" } }, _meta });
  const key = { "key-auth": { key: "k" } };
  const gateway = await serving(t, {
    consumer_groups: [{ id: "g", plugins: { "response-rewrite": says("x-group") } }],
    consumers: [{ username: "j", group_id: "g", plugins: { ...key, "proxy-rewrite": says("X-Own") } }],
    routes: [{ id: "1", uri: "/", upstream: { nodes: { [echo.node]: 1 } }, plugins: { "key-auth": {} } }],
  });
  for (const [name, holds, chunked] of [
    ["jack", true, {}],
    ["jill", false, {}],
    ["jack", true, { "Transfer-Encoding": "chunked" }],
  ] as const) {
    const body = JSON.stringify({ name });
    const headers = { apikey: "k", "Content-Type": "application/json", ...chunked };
    const reply = await ask(gateway.httpPort, "/", { method: "POST", headers, body });
    const echoed = echoOf(reply);
    assert.deepEqual(
      [reply.headers["x-group"] === "yes", echoed.headers.includes("X-Own: yes"), echoed.body],
      [holds, holds, body],
    );
  }
  const headers = { apikey: "k" };
  assert.equal((await ask(gateway.httpPort, "/", { headers })).headers["x-group"], undefined, "no body, no wait");
});

test("filters over the body of plugins of global rules, where no route matches", async (t) => {
  const _meta = { filter: [["post_arg.name", "==", "jack"]] };
  const gateway = await serving(t, {
    global_rules: [{ id: "r", plugins: { "response-rewrite": { headers: { set: { "x-global": "yes" } }, _meta } } }],
  });
  for (const [name, holds] of [
    ["jack", "yes"],
    ["jill", undefined],
  ] as const) {
    const headers = { "Content-Type": "application/json" };
    const reply = await ask(gateway.httpPort, "/", { method: "POST", headers, body: JSON.stringify({ name }) });
    assert.deepEqual([reply.status, reply.headers["x-global"]], [404, holds]);
  }
});

test("a client that goes away while its body is read for a condition leaves nothing behind", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const gateway = await serving(t, {
    routes: [{ id: "1", uri: "/b", vars: [["post_arg.a", "==", "1"]], upstream }],
  });
  const wire = new Wire(gateway.httpPort);
  wire.send("POST /b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
  wire.socket.destroy();
  await wire.closed;
  assert.equal((await ask(gateway.httpPort, "/b")).status, 404);
  assert.equal(echo.requests(), 0);
});

test("filter_func in JavaScript; Lua is refused with the form that is expected", async (t) => {
  const echo = await startEcho(t);
  const upstream = { nodes: { [echo.node]: 1 } };
  const route = (id: string, source: string): object => ({ id, uri: `/${id}`, filter_func: source, upstream });
  const gateway = await serving(t, {
    routes: [
      route("f", 'function (vars) { return vars.arg_name === "a"; }'),
      route("e", "function (vars) { return vars.x.y; }"),
    ],
  });
  const status = async (path: string): Promise<number> => (await ask(gateway.httpPort, path)).status;
  assert.deepEqual([await status("/f?name=a"), await status("/f?name=b"), await status("/f")], [200, 404, 404]);
  assert.equal(await status("/e"), 404, "a function that throws decides against its route");
  assert.match(gateway.errorLog, /routes\/e: filter_func: /);
  const revision = await gateway.revision();
  const filtered = (filter: unknown): object => ({ plugins: { mocking: { response_example: "", _meta: { filter } } } });
  gateway.writeStandalone({
    routes: [
      route("f", "function(vars) return vars['arg_name'] == 'a' end"),
      { id: "v", uri: "/v", upstream, vars: [["http_a", "~~", "(a+)+$"]] },
      { id: "p", uri: "/p", upstream, ...filtered([["http_a", "~~", "(a+)+$"]]) },
    ],
  });
  await gateway.applied(revision + 1);
  const { rejected } = (await gateway.status("/status/config")).json() as {
    rejected: { id: string; field: string; error: string }[];
  };
  assert.match(rejected.find(({ id }) => id === "f")?.error ?? "", /Lua is not run\. Write: function \(vars\) \{/);
  assert.deepEqual(
    Object.fromEntries(rejected.map(({ id, field }) => [id, field])),
    { f: "filter_func", v: "vars", p: "plugins.mocking._meta.filter" },
    "what is refused names its field",
  );
});

/** Lets answers say which resource they came through. */
function naming(id: string): object {
  return { plugins: { "response-rewrite": { headers: { set: { "X-Route": id } } } } };
}
