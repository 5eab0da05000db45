import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest, buildResponseHead } from "../plugin/fake-request.ts";
import type { Reply } from "../plugin/plugin.ts";
import { buildEnv, compileChecked } from "./checked-plugin.ts";
import { serverlessPostFunction, serverlessPreFunction } from "./serverless.ts";

const compile = (functions: readonly string[], phase = "access", env = buildEnv()) =>
  compileChecked(serverlessPreFunction, { functions, phase, note: "n" }, env);

function answer(source: string, target = "/?a=1"): string | undefined {
  const answered = compile([source]).access?.(buildRequest({ target })) as Reply | undefined;
  return answered && `${answered.status} ${String(answered.body)}`;
}

test("a function reads variables and configuration, and may answer", () => {
  assert.equal(answer(`function (conf, ctx) { if (ctx.vars.arg_a === "1") return [403, "no"]; }`), "403 no");
  assert.equal(answer(`function (conf, ctx) { if (ctx.vars.arg_a === "2") return 403; }`), undefined);
  assert.equal(answer(`(conf, ctx) => [200, { note: conf.note, uri: vars.uri }]`), '200 {"note":"n","uri":"/"}\n');
  assert.equal(answer(`(() => { let n = 0; return () => (n += 1, [200, String(n)]); })()`), "200 1");
  assert.equal(answer("() => 404"), "404 ");
});

test("functions change the request, one after the other until one answers", () => {
  const functions = [
    `function (conf, ctx) { ctx.request.setHeader("X-A", ctx.request.header("Host") + "!"); ctx.request.removeHeader("x-b"); }`,
    `function (conf, ctx) { ctx.request.setTarget("/t?x=" + ctx.request.header("x-a")); return 410; }`,
    `function (conf, ctx) { ctx.request.setTarget("/never"); }`,
  ];
  const ctx = buildRequest({
    headers: [
      ["Host", "h"],
      ["X-B", "1"],
    ],
  });
  const answered = compile(functions).access?.(ctx) as Reply | undefined;
  assert.equal(answered?.status, 410);
  assert.deepEqual(ctx.upstream.list, [
    ["Host", "h"],
    ["X-A", "h!"],
  ]);
  assert.equal(ctx.upstream.target, "/t?x=h!");
});

test("in header_filter and log the answer is there", () => {
  const told: string[] = [];
  const env = { ...buildEnv(), warn: (message: string) => void told.push(message) };
  const head = buildResponseHead(200, [["X-A", "1"]]);
  const change = `function (conf, ctx) { ctx.response.setStatus(201); ctx.response.setHeader("X-B", ctx.response.header("X-A")); }`;
  compile([change], "header_filter").header_filter?.(buildRequest(), head);
  assert.deepEqual([head.status, head.header("x-b")], [201, "1"]);
  const late = `function (conf, ctx) { ctx.log("x-c: " + ctx.response.header("X-C")); return 500; }`;
  compile([late], "log", env).log?.(buildRequest({ responseHeaders: [["X-C", "2"]] }));
  assert.deepEqual(told, ["x-c: 2"]);
});

test("what fails, says why; nothing of the host can be reached", () => {
  const fails = (source: string, reason: RegExp, phase = "access"): void => {
    const handlers = compile([source], phase);
    const run = () =>
      handlers.access?.(buildRequest()) ?? handlers.header_filter?.(buildRequest(), buildResponseHead());
    assert.throws(run, reason, source);
  };
  fails(`() => { throw new Error("no"); }`, /^Error: functions\[0\]: no$/);
  fails(`() => { while (true) {} }`, /timed out/);
  fails(`() => "x"`, /must return nothing, a status or/);
  fails(`() => 42`, /returned the status 42/);
  fails(`(conf, ctx) => ctx.response.setHeader("a", "b")`, /response.setHeader: not in this phase/);
  fails(`(conf, ctx) => ctx.request.setHeader("a", "b")`, /request.setHeader: not in this phase/, "header_filter");
  fails(`(conf, ctx) => { ctx.request.x = 1; }`, /not extensible/);
  const reach = `(conf, ctx) => [200, typeof process + typeof require + typeof ctx.constructor + typeof host]`;
  assert.equal(answer(reach), `200 ${"undefined".repeat(4)}`);
  const escape = `(conf, ctx) => { try { ctx.request.setHeader({ toString() { throw ctx } }, ""); } catch (e) { return [200, typeof e.vars]; } }`;
  assert.equal(answer(escape), "200 object");
});

test("Lua, and what is no function, is refused with the form that is expected", () => {
  assert.throws(
    () => compile([`return function(conf, ctx) ngx.log(ngx.ERR, "one") end`]),
    /^Error: functions\[0\] is not JavaScript: .*; Lua is not run\. Write: function \(conf, ctx\)/,
  );
  assert.throws(() => compile(["1"]), /functions\[0\]: it is no function/);
  assert.throws(() => compile(["(() => { while (true) {} })()"]), /timed out/);
  assert.throws(() => compile(["() => 1"], "body_filter"), /cannot see bodies/);
  assert.equal(serverlessPostFunction.priority, -2000);
});
