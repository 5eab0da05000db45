import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { mergePatch, patchAt } from "./merge-patch.ts";
import { parseTarget } from "./request-target.ts";

test("the examples of RFC 7396, appendix A", () => {
  for (const [target, patch, result] of [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ] as const) {
    assert.deepEqual(mergePatch(target, patch), result);
  }
});

test("a patch changes neither the target nor itself, and nobody's prototype", () => {
  const keys = fc.constantFrom("a", "b", "__proto__", "constructor");
  const value = fc.letrec((tie) => ({
    value: fc.oneof(fc.constant(null), fc.integer(), fc.dictionary(keys, tie("value"), { maxKeys: 3 })),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(keys, value), fc.dictionary(keys, value), (first, second) => {
      const target = JSON.parse(JSON.stringify(first)) as Record<string, unknown>;
      const patch = JSON.parse(JSON.stringify(second)) as Record<string, unknown>;
      const merged = mergePatch(target, patch);
      assert.equal(JSON.stringify(target), JSON.stringify(first));
      assert.equal(JSON.stringify(patch), JSON.stringify(second));
      assert.equal(Object.getPrototypeOf(merged), Object.prototype);
      assert.equal(JSON.stringify(mergePatch(merged, patch)), JSON.stringify(merged), "twice is once");
      assert.equal(({} as { a?: unknown }).a, undefined);
    }),
  );
});

test("sub paths", () => {
  const target = { a: { b: 1 }, l: [1], e: [], s: "x" };
  assert.deepEqual(patchAt(target, ["a", "b"], 2), { value: { ...target, a: { b: 2 } } });
  assert.deepEqual(patchAt(target, ["n", "m"], 2), { value: { ...target, n: { m: 2 } } });
  assert.deepEqual(patchAt(target, ["e", "m"], 2), { value: { ...target, e: { m: 2 } } });
  for (const path of [
    ["l", "0"],
    ["s", "x"],
  ]) {
    assert.ok("error" in patchAt(target, path, 2), path.join("/"));
  }
  assert.deepEqual(target, { a: { b: 1 }, l: [1], e: [], s: "x" });
});

test("targets of requests", () => {
  for (const [target, path] of [
    ["/apisix/admin/routes/1?a=b", ["routes", "1"]],
    ["http://host:1/apisix/admin/routes", ["routes"]],
    ["//apisix/./admin//routes/", ["routes"]],
    ["/apisix/admin/../admin/routes/x/..", ["routes"]],
    ["/apisix/admin/routes/a%20b/%C3%A9", ["routes", "a b", "é"]],
    ["/apisix/admin", []],
    ["/apisix/adm", null],
    ["/", null],
  ] as const) {
    assert.deepEqual(parseTarget(target)?.path, path, target);
  }
  for (const target of ["/apisix/admin/%00", "/apisix/admin/%zz", "/apisix/admin/%ff", "/../apisix"]) {
    assert.equal(parseTarget(target), null, target);
  }
  assert.equal(parseTarget("/apisix/admin/routes/a%2Fb")?.encodedSlash, true);
  fc.assert(
    fc.property(fc.string(), (text) => {
      const path = parseTarget(`/apisix/admin/${text}`)?.path ?? [];
      assert.ok(path.every((segment) => segment !== "" && segment !== ".." && !segment.includes("/")));
    }),
  );
});
