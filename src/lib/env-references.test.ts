import assert from "node:assert/strict";
import { test } from "node:test";
import { QuotedText, resolveAll, resolveReferences } from "./env-references.ts";

const env = {
  HOST: "a.test",
  PORT: "8080",
  YES: "true",
  EMPTY: "",
  RATIO: "1.5",
  OCTAL: "007x",
  LONG: "356002209726529540",
  HUGE: "1e999",
  NESTED: "${{PORT}}",
  PROTO: "__proto__",
};

test("variables, defaults and what they read as", () => {
  const cases: readonly (readonly [text: string, value: unknown])[] = [
    ["plain", "plain"],
    ["8080", "8080"],
    ["${{HOST}}", "a.test"],
    ["${{ HOST }}:${{PORT}}", "a.test:8080"],
    ["${{PORT}}", 8080],
    ["${{RATIO}}", 1.5],
    ["${{YES}}", true],
    ["${{OCTAL}}", "007x"],
    ["${{EMPTY}}", ""],
    ["${{EMPTY:=x}}", ""],
    ["${{NONE:=x}}", "x"],
    ["${{NONE:= 5 }}", 5],
    ["${{NONE:=}}", ""],
    ["${{NONE:=a:=b}}", "a:=b"],
    ["${{NONE:=a b}}c", "a bc"],
    ["${{NONE:=http://x/y?z={1}}}", "http://x/y?z={1}"],
    ["${{NONE:=false}}", false],
    ["${{NONE:=0x10}}", 16],
    ["${{PORT}}0", 80800],
    ["-${{PORT}}", -8080],
    ["${{LONG}}", "356002209726529540"],
    ["${{HUGE}}", "1e999"],
    ["${{NESTED}}", "${{PORT}}"],
    ["${HOST} $HOST {{HOST}}", "${HOST} $HOST {{HOST}}"],
    ["${{}} ${{-}} ${{", "${{}} ${{-}} ${{"],
  ];
  for (const [text, value] of cases) assert.deepEqual(resolveReferences(text, env), { value }, text);
  assert.deepEqual(resolveReferences("${{HOST}}${{NONE}}", env), { missing: "NONE" });
  assert.deepEqual(resolveReferences("${{toString}}", env), { missing: "toString" });
});

test("a whole tree, in place, keys too", () => {
  const root = { first: 1, "${{HOST}}:${{PORT}}": ["${{PORT}}", { a: "${{NONE}}" }], "${{PORT}}": null, "${{NO}}": 2 };
  assert.deepEqual(resolveAll(root, env), [
    { path: ["${{NO}}"], message: "environment variable NO is not set", variable: "NO" },
    { path: ["a.test:8080", 1, "a"], message: "environment variable NONE is not set", variable: "NONE" },
  ]);
  assert.deepEqual(JSON.stringify(root), '{"8080":null,"first":1,"a.test:8080":[8080,{"a":"${{NONE}}"}],"${{NO}}":2}');
});

test("a quoted text stays a text; the others are read as the caller wants", () => {
  const root = { a: [QuotedText.of("${{PORT}}"), "${{PORT}}"], b: QuotedText.of("${{NONE}}"), c: QuotedText.of("x") };
  assert.deepEqual(
    resolveAll(root, env, (text) => `<${text}>`).map(({ path }) => path),
    [["b"]],
  );
  assert.deepEqual(root, { a: ["8080", "<8080>"], b: "${{NONE}}", c: "x" });
});

test("keys that become the same, and one that is no ordinary name", () => {
  const root = { "a.test": 1, "${{HOST}}": 2, "${{PROTO}}": { x: "${{PORT}}" } };
  assert.deepEqual(resolveAll(root, env), [
    { path: ["${{HOST}}"], message: "a key that is there already: what ${{HOST}} stands for", variable: null },
  ]);
  assert.equal(JSON.stringify(root), '{"a.test":2,"__proto__":{"x":8080}}');
});
