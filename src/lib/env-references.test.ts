import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveAll, resolveReferences } from "./env-references.ts";

const env = { HOST: "a.test", PORT: "8080", YES: "true", EMPTY: "", RATIO: "1.5", OCTAL: "007x" };

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
    ["${HOST} $HOST {{HOST}}", "${HOST} $HOST {{HOST}}"],
  ];
  for (const [text, value] of cases) assert.deepEqual(resolveReferences(text, env), { value }, text);
  assert.deepEqual(resolveReferences("${{HOST}}${{NONE}}", env), { missing: "NONE" });
});

test("a whole tree, in place, keys too", () => {
  const root = { first: 1, "${{HOST}}:${{PORT}}": ["${{PORT}}", { a: "${{NONE}}" }], "${{PORT}}": null, "${{NO}}": 2 };
  assert.deepEqual(resolveAll(root, env), [
    { path: ["${{NO}}"], name: "NO" },
    { path: ["a.test:8080", 1, "a"], name: "NONE" },
  ]);
  assert.deepEqual(JSON.stringify(root), '{"8080":null,"first":1,"a.test:8080":[8080,{"a":"${{NONE}}"}],"${{NO}}":2}');
});
