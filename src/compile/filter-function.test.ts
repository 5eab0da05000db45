import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "../plugin/fake-request.ts";
import { compileFilterFunction } from "./filter-function.ts";

const ctx = buildRequest({ target: "/x?name=a", headers: [["X-List", "a, b"]] });

function decide(source: string): boolean | string {
  let told = "";
  const holds = compileFilterFunction(source, (reason) => (told = reason))(ctx);
  return told === "" ? holds : told;
}

const deciding: readonly (readonly [source: string, expected: boolean])[] = [
  [`function (vars) { return vars.arg_name === "a"; }`, true],
  [`function (vars) { return vars["arg_name"] === "b"; }`, false],
  [`function (vars) { return vars.arg_none === undefined && vars.uri.startsWith("/x") }`, true],
  [`function (v) { return v.http_x_list.split(",").some((part) => part.trim() === "b"); }`, true],
  [`function (vars) { if (vars.uri === "/x") { return 1 } return 0 }`, true],
  [`(vars) => /^\\/x$/.test(vars.uri)`, true],
  [`function (vars) { for (const c of vars.uri) if (c === "y") return true; return false }`, false],
  [`function (vars) { return "arg_name" in vars && !("arg_none" in vars) }`, true],
  [
    `function (vars) { return typeof process + typeof require + typeof Promise + typeof setTimeout + typeof host === "undefined".repeat(5) }`,
    true,
  ],
  [
    `function (vars) { return Symbol.iterator in vars || vars.constructor !== undefined || Object.getPrototypeOf(vars) !== null }`,
    false,
  ],
];

for (const [source, expected] of deciding) {
  test(`${source} is ${expected}`, () => assert.equal(decide(source), expected));
}

const failing: readonly (readonly [source: string, reason: RegExp])[] = [
  ["function (vars) { while (true) {} }", /timed out/],
  [`function (vars) { return /(a+)+$/.test("${"a".repeat(60)}b"); }`, /timed out/],
  [`function (vars) { throw new Error("no"); }`, /no$/],
  [`function (vars) { throw { toString() { throw 1; } }; }`, /an error$/],
  [`function (vars) { return eval("1"); }`, /Code generation from strings/],
  [`function (vars) { return vars.arg_name.constructor.constructor("return process")(); }`, /Code generation/],
  [`function (vars) { Array.prototype.x = 1; }`, /not extensible/],
  [`function (vars) { globalThis.x = 1; }`, /not extensible/],
  [`function (vars) { "".__proto__.trim = 1; }`, /read only/],
  [`function (vars) { vars.uri = "/y"; }`, /./],
  [`function (vars) { undeclared = 1; }`, /not defined/],
  [`function (vars) { return vars.none.length; }`, /undefined/],
  [
    `function (vars) { const f = () => { try { vars.uri; f(); } catch (e) { return e.constructor.constructor("return process")(); } }; return f(); }`,
    // On a slow machine its time is over before the stack is.
    /Code generation|timed out/,
  ],
];

for (const [source, reason] of failing) {
  test(`${source.slice(0, 90)} decides against its route, and says why`, () => {
    const result = decide(source);
    assert.ok(typeof result === "string", String(result));
    assert.match(result, reason);
  });
}

const refused: readonly (readonly [source: string, reason: RegExp])[] = [
  ["function(vars) return vars['arg_name'] == 'a' end", /Lua is not run\. Write: function \(vars\) \{/],
  ["function(vars) return", /is not JavaScript/],
  ["function () {}); (function () {}", /is not JavaScript/],
  ["function (vars) { return import('node:fs') }", /must not use import/],
  ["async function (vars) {}", /must not use async/],
  ["function (vars) { return im\\u0070ort('x') }", /must not use/],
  ["x".repeat(70_000), /longer than/],
];

for (const [source, reason] of refused) {
  test(`${source.slice(0, 90)} is refused`, () => {
    assert.throws(() => compileFilterFunction(source, () => undefined), { message: reason });
  });
}

test("faults of one function are told now and then, not for every request", () => {
  const told: string[] = [];
  const filter = compileFilterFunction("function (vars) { return vars.none.length; }", (reason) => told.push(reason));
  for (let i = 0; i < 100; i++) assert.equal(filter(ctx), false);
  assert.equal(told.length, 1);
});
