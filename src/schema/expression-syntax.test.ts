import assert from "node:assert/strict";
import { test } from "node:test";
import { expressionFault } from "./expression-syntax.ts";

const inBrackets = "rule should be wrapped inside brackets";

/** What APISIX says; `null`: it takes the expression, also where it can never hold. */
const cases: readonly (readonly [rules: readonly unknown[], reason: string | null])[] = [
  [[], null],
  [
    [
      ["arg_x", "==", 1],
      ["OR", ["uri", "~~", "("], ["host", "in", "a"]],
    ],
    null,
  ],
  [["!OR", ["a", ">", "x"], ["b", "has", null]], null],
  [[["a", "=="]], null],
  [[["a", "!"]], null],
  [[["a", "!", "IN", []]], null],
  [[[["a", "==", "1"]]], null],
  [[["remote_addr", "ipmatch", ["10.0.0.0/8", "::1/128", "1.2.3.4"]]], null],
  [[["remote_addr", "!", "ipmatch", "10.0.0.0/33"]], "invalid ip address: 10.0.0.0/33"],
  [[["remote_addr", "ipmatch", [7]]], "invalid ip address: 7"],
  [["a", "==", "1"], inBrackets],
  [[5], inBrackets],
  [["XOR", [], []], inBrackets],
  [["AND"], "rule too short"],
  [["OR", ["a", "==", "1"]], "rule too short"],
  [[[]], "rule too short"],
  [[["a"]], "invalid expression"],
  [["AND", ["a", "==", "1"], "b"], "invalid expression"],
  [[["a", "===", "1"]], "invalid operator '==='"],
  [[["a", "!", "!", "1"]], "invalid operator '!'"],
];

test("expressions are judged as in APISIX", () => {
  for (const [rules, reason] of cases) assert.equal(expressionFault(rules), reason, JSON.stringify(rules));
});
