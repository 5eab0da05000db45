import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileChecked } from "./checked-plugin.ts";
import { csrf } from "./csrf.ts";

const conf = { key: "k", name: "tok", expires: 60 };

/** The token in the cookie of an answer. */
function tokenOf(handlers: PluginHandlers): string {
  const head = buildResponseHead();
  handlers.header_filter?.(buildRequest(), head);
  const match = /^tok=([^;]+);path=\/;SameSite=Lax;Expires=.* GMT$/.exec(head.header("set-cookie") ?? "");
  return match?.[1] ?? assert.fail();
}

function error(
  handlers: PluginHandlers,
  headers: readonly (readonly [string, string])[],
  method = "POST",
): string | null {
  const answer = handlers.access?.(buildRequest({ method, headers })) as Reply | undefined;
  assert.ok(answer === undefined || answer.status === 401);
  return answer === undefined ? null : (JSON.parse(String(answer.body)) as { error_msg: string }).error_msg;
}

const both = (token: string): readonly (readonly [string, string])[] => [
  ["tok", token],
  ["Cookie", `a=1; tok=${token}`],
];

test("a token of the cookie that comes back in the header lets the request pass", () => {
  const handlers = compileChecked(csrf, conf);
  assert.equal(error(handlers, both(tokenOf(handlers))), null);
  for (const method of ["GET", "HEAD", "OPTIONS"]) assert.equal(error(handlers, [], method), null);
});

test("whatever is missing, different, forged or old is refused", (t) => {
  const handlers = compileChecked(csrf, conf);
  assert.equal(error(handlers, []), "no csrf token in headers");
  assert.equal(error(handlers, [["tok", "a"]]), "no csrf cookie");
  assert.equal(
    error(handlers, [
      ["tok", "a"],
      ["Cookie", "tok=b"],
    ]),
    "csrf token mismatch",
  );
  const forged = "Failed to verify the csrf token signature";
  const unsigned = Buffer.from(JSON.stringify({ random: "r", expires: 1e12, sign: "00".repeat(32) })).toString(
    "base64",
  );
  for (const token of ["a", "bnVsbA==", btoa("{}"), unsigned]) assert.equal(error(handlers, both(token)), forged);
  assert.equal(error(handlers, both(tokenOf(compileChecked(csrf, { ...conf, key: "other" })))), forged);
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const token = tokenOf(handlers);
  t.mock.timers.tick(59_000);
  assert.equal(error(handlers, both(token)), null);
  t.mock.timers.tick(3_000);
  assert.equal(error(handlers, both(token)), forged);
  assert.equal(error(compileChecked(csrf, { ...conf, expires: 0 }), both(token)), null);
});

test("a name that is no name of a header is refused", () => {
  assert.throws(() => compileChecked(csrf, { ...conf, name: "a;b" }), /name/);
});
