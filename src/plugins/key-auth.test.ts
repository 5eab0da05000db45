import assert from "node:assert/strict";
import { test } from "node:test";
import { buildConsumer, buildRequest } from "../plugin/fake-request.ts";
import { utf8Bytes } from "../plugin/header-text.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { keyAuth } from "./key-auth.ts";

const ann = buildConsumer("ann", { key: "secret" });
const guest = buildConsumer("guest");
const env = buildEnv({
  byKey: (_, value) => (value === "secret" ? ann : undefined),
  byName: (name) => (name === "guest" ? guest : undefined),
});

test("a key in the header or in the query authenticates its consumer", () => {
  const { rewrite } = compileChecked(keyAuth, {}, env);
  for (const request of [
    buildRequest({ headers: [["ApiKey", "secret"]] }),
    buildRequest({ target: "/?a=1&apikey=secret" }),
    buildRequest({ target: "/?apikey=wrong", headers: [["apikey", "secret"]] }),
  ]) {
    assert.equal(rewrite?.(request), undefined);
    assert.equal(request.consumer, ann);
    assert.equal(request.upstream.target, request.target);
  }
});

test("a key beyond ASCII is found by its bytes in UTF-8", () => {
  const { rewrite } = compileChecked(
    keyAuth,
    {},
    buildEnv({ byKey: (_, value) => (value === "ключ" ? ann : undefined) }),
  );
  const request = buildRequest({ headers: [["apikey", utf8Bytes("ключ")]] });
  assert.equal(rewrite?.(request), undefined);
  assert.equal(request.consumer, ann);
});

test("without a valid key the answer is 401 with a challenge", () => {
  const { rewrite } = compileChecked(keyAuth, { realm: "api" }, env);
  const challenge = ["WWW-Authenticate", 'apikey realm="api"'];
  const rows = [
    [buildRequest(), "Missing API key in request"],
    [buildRequest({ headers: [["apikey", "nope"]] }), "Invalid API key in request"],
    [buildRequest({ headers: [["apikey", ""]], target: "/?apikey=secret" }), "Invalid API key in request"],
    [buildRequest({ target: "/?apikey" }), "Invalid API key in request"],
  ] as const;
  for (const [request, message] of rows) {
    assert.deepEqual(rewrite?.(request), { status: 401, headers: [challenge], body: `{"message":"${message}"}\n` });
    assert.equal(request.consumer, null);
  }
});

test("hide_credentials takes the key out of what goes to the node, and nothing else", () => {
  const { rewrite } = compileChecked(keyAuth, { hide_credentials: true, header: "X-Key", query: "k" }, env);
  const inHeader = buildRequest({
    target: "/p?k=1",
    headers: [
      ["X-Key", "secret"],
      ["X-Other", "1"],
    ],
  });
  rewrite?.(inHeader);
  assert.deepEqual(inHeader.upstream.list, [["X-Other", "1"]]);
  assert.equal(inHeader.upstream.target, "/p?k=1");
  const inQuery = buildRequest({ target: "/p?a=%20&%6b=secret&b&k=secret&kk=2" });
  rewrite?.(inQuery);
  assert.equal(inQuery.upstream.target, "/p?a=%20&b&kk=2");
  const alone = buildRequest({ target: "/p?k=secret" });
  rewrite?.(alone);
  assert.equal(alone.upstream.target, "/p");
});

test("an anonymous consumer takes what has no valid key", () => {
  const { rewrite } = compileChecked(keyAuth, { anonymous_consumer: "guest" }, env);
  const request = buildRequest({ headers: [["apikey", "nope"]] });
  assert.equal(rewrite?.(request), undefined);
  assert.equal(request.consumer, guest);
});

test("an anonymous consumer that does not exist is a refusal and a warning", () => {
  const warnings: string[] = [];
  const handlers = compileChecked(
    keyAuth,
    { anonymous_consumer: "gone" },
    { ...env, warn: (text) => warnings.push(text) },
  );
  assert.deepEqual(handlers.rewrite?.(buildRequest()), {
    status: 401,
    headers: [["WWW-Authenticate", 'apikey realm="key"']],
    body: '{"message":"Invalid user authorization"}\n',
  });
  assert.deepEqual(warnings, ["anonymous consumer gone does not exist"]);
});

test("a realm that would break out of its quotes is refused", () => {
  assert.throws(() => compileChecked(keyAuth, { realm: 'a"b' }, env), /realm/);
});
