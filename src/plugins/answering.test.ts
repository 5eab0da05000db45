import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { buildRequest, buildResponseHead, type FakeRequestOptions } from "../plugin/fake-request.ts";
import type { PluginDefinition, Reply } from "../plugin/plugin.ts";
import { compileSchema } from "../schema/validator.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { echo } from "./echo.ts";
import { faultInjection } from "./fault-injection.ts";
import { compileExample, toXml } from "./mocking-example.ts";
import { mocking } from "./mocking.ts";
import { redirect } from "./redirect.ts";

// Plugins that answer in place of the node, or change its answer.

async function answer(plugin: PluginDefinition, conf: object, options: FakeRequestOptions = {}, env = buildEnv()) {
  const { rewrite, access } = compileChecked(plugin, conf, env);
  return (await (rewrite ?? access)?.(buildRequest(options))) as Reply | undefined;
}

const location = async (conf: object, target: string, options: FakeRequestOptions = {}): Promise<string | undefined> =>
  (await answer(redirect, conf, { target, ...options }))?.headers.find(([name]) => name === "Location")?.[1];

test("redirect: to a template, by an expression, with the query where that is asked for", async () => {
  assert.deepEqual(await answer(redirect, { uri: "/new", ret_code: 301 }), {
    status: 301,
    headers: [["Location", "/new"]],
    body: "",
  });
  assert.equal(await location({ uri: "$uri/index.html" }, "/v?a=1"), "/v/index.html");
  assert.equal(await location({ uri: "${uri}x" }, "/vv"), "/vvx");
  assert.equal(await location({ uri: "/a\\$b" }, "/"), "/a\\$b");
  assert.equal(await location({ uri: "https://$host$request_uri" }, "/h?x=1"), "https://127.0.0.1/h?x=1");
  assert.equal(await location({ uri: "/tést", encode_uri: true }, "/"), "/t%C3%A9st");
  assert.equal(await location({ uri: "/new", append_query_string: true }, "/q?a=1&b=%20"), "/new?a=1&b=%20");
  assert.equal(await location({ uri: "/new?z=1", append_query_string: true }, "/q?a=1"), "/new?z=1&a=1");
  const regex = { regex_uri: ["^/r/(.*)/(.*)$", "/$2?id=$1"] };
  assert.equal(await location(regex, "/r/a/b?c=1"), "/b?id=a");
  assert.equal(await location(regex, "/r/a"), undefined);
  assert.equal(await location({ regex_uri: ["^/(\\w+)$", "http://${1}.test/$$"] }, "/abc"), "http://abc.test/$");
});

test("redirect: nothing that a client sends leads elsewhere or ends the line", async () => {
  assert.equal(await location({ uri: "$uri/x" }, "/\\evil.com"), "/%5Cevil.com/x");
  assert.equal(await location({ regex_uri: ["^/r(.*)$", "$1"] }, "/r/\\evil.com"), "/%5Cevil.com");
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
      const escaped = [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
      for (const conf of [{ uri: "/x$uri$arg_a" }, { regex_uri: ["(?s)^/(.*)$", "/x$1"] }]) {
        const value = (await location(conf, `/${escaped}?a=${escaped}`)) ?? "";
        // oxlint-disable-next-line no-control-regex -- what must not be there.
        assert.doesNotMatch(value, /[\u0000-\u0008\u000a-\u001f\u007f\u0100-\uffff]/);
      }
    }),
    { numRuns: times(100, 30) },
  );
});

test("redirect: to HTTPS, unless the request came by it", async () => {
  const conf = { http_to_https: true };
  const env = { ...buildEnv(), attr: { https_port: 9443 } };
  const ask = async (options: FakeRequestOptions, port = true): Promise<unknown> => {
    const reply = await answer(redirect, conf, options, port ? env : buildEnv());
    return reply === undefined ? null : [reply.status, reply.headers[0]?.[1]];
  };
  assert.deepEqual(await ask({ target: "/x?y=1" }), [301, "https://127.0.0.1:9443/x?y=1"]);
  assert.deepEqual(await ask({ target: "/x", method: "POST" }, false), [308, "https://127.0.0.1/x"]);
  const forwarded = [
    ["Host", "foo.com:99"],
    ["X-Forwarded-Proto", "https"],
  ] as const;
  assert.deepEqual(await ask({ headers: forwarded }), [301, "https://foo.com:9443/"]);
  assert.equal(await ask({ headers: forwarded, peerTrusted: true }), null);
  assert.equal(await answer(redirect, { http_to_https: false }), undefined);
  assert.throws(() => compileChecked(redirect, { uri: "/a\r\nX: 1" }), /control characters/);
  assert.throws(() => compileChecked(redirect, { uri: "/a", ret_code: 900 }), /ret_code/);
});

test("fault-injection: answers with variables, on conditions, for a share of the requests", async () => {
  const abort = { http_status: 418, body: "h $remote_addr $arg_x", headers: { "X-Fault": "$arg_x", "X-N": 1 } };
  assert.deepEqual(await answer(faultInjection, { abort }, { target: "/?x=7%0d%0aX:%20y" }), {
    status: 418,
    headers: [
      ["X-Fault", "7X: y"],
      ["X-N", "1"],
    ],
    body: "h 127.0.0.1 7\r\nX: y",
  });
  const onBody = { abort: { http_status: 500, vars: [[["post_arg.x", "==", "1"]]] } };
  assert.deepEqual(compileChecked(faultInjection, onBody).bodyUses, ["post_arg"]);
  const vars = [[["arg_name", "==", "jack"]], [["http_x", "==", "1"]]];
  const conditional = { abort: { http_status: 403, vars } };
  assert.equal(await answer(faultInjection, conditional), undefined);
  assert.equal((await answer(faultInjection, conditional, { target: "/?name=jack" }))?.status, 403);
  assert.equal((await answer(faultInjection, conditional, { headers: [["X", "1"]] }))?.status, 403);
  assert.equal(await answer(faultInjection, { abort: { http_status: 500, percentage: 0 } }), undefined);
  assert.equal(
    (await answer(faultInjection, { delay: { duration: 0.001 }, abort: { http_status: 500 } }))?.status,
    500,
  );
  assert.equal(await answer(faultInjection, { delay: { duration: 0.001 } }), undefined);
  for (const [bad, reason] of [
    [{ http_status: 1000 }, /http_status/],
    [{ http_status: 500, headers: { "a b": "x" } }, /cannot name a header/],
    [{ http_status: 500, headers: { "Content-Length": "1" } }, /the gateway itself/],
  ] as const) {
    assert.throws(() => compileChecked(faultInjection, { abort: bad }), reason);
  }
});

test("mocking: an example, or data that fits the schema", async () => {
  const reply = await answer(
    mocking,
    { response_example: "hi $arg_n", content_type: "text/plain" },
    { target: "/?n=ann" },
  );
  assert.equal(reply?.status, 200);
  assert.equal(reply?.body, "hi ann");
  assert.deepEqual(reply?.headers[0], ["Content-Type", "text/plain"]);
  assert.equal(reply?.headers[1]?.[0], "x-mock-by");
  const beyond = await answer(mocking, { response_example: "x", content_type: "text/é\u{1f4a5}" });
  assert.equal(beyond?.headers[0]?.[1], "text/Ã©ð\u009f\u0092¥", "the bytes of UTF-8");
  const plain = {
    response_example: "x",
    with_mock_header: false,
    response_headers: { "X-M": "1" },
    response_status: 201,
  };
  assert.deepEqual((await answer(mocking, plain))?.headers.slice(1), [["X-M", "1"]]);
  const schema = {
    type: "object",
    properties: {
      a: { type: "string", example: "ex" },
      b: { type: "integer" },
      c: { type: "array", items: { type: "boolean" } },
      d: { type: "object", properties: { e: { type: "number", example: 1.5 } } },
    },
    required: ["a", "b", "c", "d"],
  };
  const made = JSON.parse(String((await answer(mocking, { response_schema: schema }))?.body)) as Record<
    string,
    unknown
  >;
  const { example: _, ...string } = schema.properties.a;
  const strict = { ...schema, properties: { ...schema.properties, a: string, d: { type: "object" } } };
  assert.equal(compileSchema(strict).check(made), null);
  assert.deepEqual([made.a, made.d], ["ex", { e: 1.5 }]);
  assert.equal(toXml("data", { a: "<", b: [1, 2] }), "<data><a>&#60;</a><b>1</b><b>2</b></data>");
  assert.throws(() => compileExample({ type: "nope" }), /unknown type/);
});

test("echo: text around the body or in its place", () => {
  const around = compileChecked(echo, { before_body: "<", after_body: ">", headers: { "X-E": "1" } });
  const request = buildRequest();
  const head = buildResponseHead();
  around.header_filter?.(request, head);
  assert.ok(head.streamed());
  assert.equal(head.header("x-e"), "1");
  const sent = [
    around.body_filter?.(request, Buffer.from("a"), false),
    around.body_filter?.(request, Buffer.from("b"), false),
    around.body_filter?.(request, Buffer.alloc(0), true),
  ];
  assert.equal(sent.join(""), "<ab>");
  assert.equal(String(around.body_filter?.(buildRequest(), Buffer.alloc(0), true)), "<>");
  const instead = compileChecked(echo, { before_body: "<", body: "B", after_body: ">" });
  const replaced = buildResponseHead();
  instead.header_filter?.(buildRequest(), replaced);
  assert.equal(replaced.replaced(), "<B>");
  assert.equal(instead.body_filter, undefined);
});
