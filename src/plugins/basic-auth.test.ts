import assert from "node:assert/strict";
import { test } from "node:test";
import { buildConsumer, buildRequest, type FakeRequest } from "../plugin/fake-request.ts";
import { basicAuth } from "./basic-auth.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";

const ann = buildConsumer("ann", { username: "ann", password: "a:b" });
const guest = buildConsumer("guest");
const env = buildEnv({
  byKey: (plugin, value) => (plugin === "basic-auth" && value === "ann" ? ann : undefined),
  byName: (name) => (name === "guest" ? guest : undefined),
});

const asking = (authorization?: string): FakeRequest =>
  buildRequest({ headers: authorization === undefined ? [] : [["Authorization", authorization]] });
const basic = (credentials: string, scheme = "Basic"): string =>
  `${scheme} ${Buffer.from(credentials).toString("base64")}`;

test("name and password authenticate; the password may hold colons, the scheme is in any case", () => {
  const { rewrite } = compileChecked(basicAuth, {}, env);
  for (const scheme of ["Basic", "basic", "BASIC"]) {
    const request = asking(basic("ann:a:b", scheme));
    assert.equal(rewrite?.(request), undefined);
    assert.equal(request.consumer, ann);
    assert.equal(request.upstream.header("authorization"), request.header("authorization"));
  }
});

test("everything else is refused with a challenge", () => {
  const { rewrite } = compileChecked(basicAuth, { realm: "r" }, env);
  const rows: readonly (readonly [string | undefined, string])[] = [
    [undefined, "Missing authorization in request"],
    ["Basic", "Invalid authorization in request"],
    ["Basic !!!!", "Invalid authorization in request"],
    [`Basic  ${btoa("ann:a:b")}`, "Invalid authorization in request"],
    [`Basic ${btoa("ann:a:b")}, Basic x`, "Invalid authorization in request"],
    [basic("ann"), "Invalid authorization in request"],
    [basic("ann:"), "Invalid authorization in request"],
    [basic("ann:a"), "Invalid user authorization"],
    [basic("ANN:a:b"), "Invalid user authorization"],
    [basic(":a:b"), "Invalid user authorization"],
  ];
  for (const [authorization, message] of rows) {
    const request = asking(authorization);
    assert.deepEqual(rewrite?.(request), {
      status: 401,
      headers: [["WWW-Authenticate", 'Basic realm="r"']],
      body: `{"message":"${message}"}\n`,
    });
    assert.equal(request.consumer, null);
  }
});

test("credentials are hidden, anonymous consumers let in", () => {
  const { rewrite } = compileChecked(basicAuth, { hide_credentials: true, anonymous_consumer: "guest" }, env);
  const known = asking(basic("ann:a:b"));
  rewrite?.(known);
  assert.equal(known.upstream.header("authorization"), undefined);
  const unknown = asking(basic("ann:no"));
  assert.equal(rewrite?.(unknown), undefined);
  assert.equal(unknown.consumer, guest);
});
