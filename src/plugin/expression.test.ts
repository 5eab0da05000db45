import assert from "node:assert/strict";
import { test } from "node:test";
import { buildRequest } from "./fake-request.ts";
import { bodyUses, compileExpression } from "./expression.ts";
import { utf8Bytes } from "./header-text.ts";

/** What APISIX answers for `arg_a`: the query, and whether the expression holds. */
const table: readonly (readonly [rules: readonly unknown[], expected: Readonly<Record<string, boolean>>])[] = [
  [
    [["arg_a", "==", "1"]],
    { "a=1": true, "a=2": false, "": false, "a=": false, "a=1&a=2": true, "a=01": false, "A=1": false },
  ],
  [[["arg_a", "~=", "1"]], { "a=1": false, "a=2": true, "": true, "a=": true }],
  [[["arg_a", "==", 1]], { "a=1": true, "a=2": false, "a=1.0": true, "a=01": true, "a=x": false, "": false }],
  [[["arg_a", "~=", 1]], { "a=1": false, "a=2": true, "": true, "a=x": true }],
  [[["arg_a", "==", ""]], { "a=": true, "": false, a: false }],
  [[["arg_a", "==", true]], { "a=true": false, a: true, "%61": true, "a=": false }],
  [[["arg_a", "==", null]], { "": true, "a=": false, "a=1": false }],
  [[["arg_a", "1"]], { "a=1": true, "a=2": false }],
  [[["arg_a", ">", 18]], { "a=19": true, "a=18": false, "a=abc": false, "": false, "a=1e3": true, "a=0x20": true }],
  [[["arg_a", ">=", "18"]], { "a=18": true, "a=2": false, "a=17": false, "a=": false }],
  [[["arg_a", "<", 18]], { "a=17": true, "a=18": false, "a=-5": true, "a=-0x20": true, "": false }],
  [[["arg_a", "<=", 18.5]], { "a=18.5": true, "a=18.6": false }],
  [[["arg_a", ">", "abc"]], { "a=abd": false, "a=5": false }],
  [[["arg_a", ">", null]], { "a=5": false }],
  [[["arg_a", "in", ["1", "2"]]], { "a=1": true, "a=2": true, "a=3": false, "": false, "a=": false }],
  [[["arg_a", "IN", ["1"]]], { "a=1": true, "a=3": false }],
  [[["arg_a", "in", [1, 2]]], { "a=1": false }],
  [[["arg_a", "!", "in", ["1", "2"]]], { "a=1": false, "a=3": true, "": true }],
  [[["arg_a", "has", "1"]], { "a=1": false, "a=1&a=2": false }],
  [[["arg_a", "~~", "^[a-c]+$"]], { "a=abc": true, "a=ABC": false, "a=abd": false, "": false }],
  [[["arg_a", "~*", "^[a-c]+$"]], { "a=ABC": true, "a=d": false }],
  [[["arg_a", "~~", "(?i)abc"]], { "a=xABCx": true }],
  [[["arg_a", "~~", "^true$"]], { a: true, "a=": false, "": false }],
  [[["arg_a", "~~", "^$"]], { "a=": true, a: false, "": false }],
  [[["arg_ö", "==", true]], { "%C3%B6": true, "%C3%B6=": false }],
  [[["arg_a", "!", "==", "1"]], { "a=1": false, "a=2": true, "": true }],
  [[["arg_a", "!", ">", 5]], { "a=6": false, "a=5": true, "a=x": true, "": true }],
  [[["arg_a", "!", "ipmatch", ["10.0.0.0/8"]]], { "a=10.0.0.1": false, "a=x": true, "": true }],
  [[["arg_a", "in", []]], { "a=1": false, "": false }],
  [
    [
      "or",
      [
        ["arg_a", "==", "1"],
        ["arg_b", "==", "1"],
      ],
      ["!and", ["arg_c", "==", "1"], ["arg_d", "==", "1"]],
    ],
    { "a=1&b=1&c=1&d=1": true, "a=1&c=1&d=1": false, "c=1": true },
  ],
  [[["arg_a", "!", "~~", "b"]], { "a=abc": false, "a=x": true, "": true }],
  [
    [["arg_a", "ipmatch", ["10.0.0.0/8", "::1"]]],
    { "a=10.1.1.1": true, "a=::1": true, "a=11.1.1.1": false, "": false },
  ],
  [[["arg_a", "ipmatch", "10.0.0.0/8"]], { "a=10.1.1.1": true }],
  [["OR", ["arg_a", "==", "1"], ["arg_b", "==", "1"]], { "a=1": true, "b=1": true, "a=2": false }],
  [["!OR", ["arg_a", "==", "1"], ["arg_b", "==", "1"]], { "a=1": false, "b=1": false, "a=2": true }],
  [["and", ["arg_a", "==", "1"], ["arg_b", "==", "1"]], { "a=1": false, "a=1&b=1": true }],
  [["!AND", ["arg_a", "==", "1"], ["arg_b", "==", "1"]], { "a=1": true, "a=1&b=1": false }],
  [
    [
      ["arg_a", "==", "1"],
      ["OR", ["arg_b", "==", "1"], ["AND", ["arg_c", ">", 1], ["arg_c", "<", 5]]],
    ],
    { "a=1": false, "a=1&b=1": true, "a=1&c=3": true, "a=1&c=7": false, "b=1": false },
  ],
  [[["arg_foo-bar", "==", "1"]], { "foo-bar=1": true, "foo_bar=1": false }],
  [[["arg_a", "==", "x y"]], { "a=x%20y": true, "a=x+y": true }],
  [[["no_such_variable", "~=", "1"]], { "": true }],
  [[], { "": true }],
];

for (const [rules, expected] of table) {
  for (const [query, holds] of Object.entries(expected)) {
    test(`${JSON.stringify(rules)} ${holds ? "holds" : "does not hold"} for ?${query}`, () => {
      assert.equal(compileExpression(rules)(buildRequest({ target: `/?${query}` })), holds);
    });
  }
}

test("other variables of the head are read", () => {
  const ctx = buildRequest({
    target: "/x",
    method: "POST",
    headers: [
      ["Host", "foo.com"],
      ["X-Name", "ann"],
    ],
  });
  const rules = [
    ["host", "==", "foo.com"],
    ["request_method", "==", "POST"],
    ["uri", "==", "/x"],
    ["http_x_name", "in", ["ann", "bob"]],
    ["remote_addr", "ipmatch", ["127.0.0.0/8"]],
  ];
  assert.equal(compileExpression(rules)(ctx), true);
});

test("bytes of the wire are compared as the text that they are in UTF-8", () => {
  const headers = [
    ["X-A", utf8Bytes("ö")],
    ["Cookie", `c=${utf8Bytes("ö")}`],
  ] as const;
  const request = buildRequest({ headers, target: "/?a=%C3%B6" });
  for (const rule of [
    ["http_x_a", "~~", "^ö$"],
    ["http_x_a", "in", ["ö"]],
    ["cookie_c", "ö"],
    ["arg_a", "ö"],
  ]) {
    assert.ok(compileExpression([rule])(request), JSON.stringify(rule));
  }
});

test("values of bodies keep their types", () => {
  const body = JSON.stringify({ n: 3, text: "3", tags: ["a", "b"], on: true });
  const ctx = buildRequest({ method: "POST", headers: [["Content-Type", "application/json"]], body });
  const holding = [
    [["post_arg.n", "==", 3]],
    [["post_arg.text", "==", 3]],
    [["post_arg.n", ">", "2"]],
    [["post_arg.n", "in", [1, 3]]],
    [["post_arg.on", "==", true]],
    [["post_arg.tags", "has", "b"]],
    [["post_arg.tags", "!", "has", "c"]],
    [["post_arg.n", "~~", "^3$"]],
    [["post_arg.on", "~*", "TRUE"]],
    [["post_arg.tags", "!", "~~", "a"]],
    [["post_arg.tags[-1]", "==", "b"]],
    ["!OR", ["post_arg.text", "in", [3]], ["post_arg.n", "==", "3"], ["post_arg.none", "has", "a"]],
  ];
  for (const rules of holding) assert.equal(compileExpression(rules)(ctx), true, JSON.stringify(rules));
});

test("what an expression looks into the body for", () => {
  assert.deepEqual(bodyUses([["arg_a", "==", "post_arg_b"]]), []);
  assert.deepEqual(
    bodyUses(["OR", ["uri", "==", "/"], ["AND", ["graphql_name", "==", "a"], ["post_arg.x", "==", "1"]]]),
    ["graphql", "post_arg"],
  );
});

const refused: readonly (readonly [rules: readonly unknown[], reason: RegExp])[] = [
  [[["arg_a", "===", "1"]], /^invalid operator '==='$/],
  [[["arg_a"]], /^invalid expression$/],
  [["arg_a", "==", "1"], /^rule should be wrapped inside brackets$/],
  [["XOR", ["arg_a", "==", "1"]], /^rule should be wrapped inside brackets$/],
  [[["arg_a", "ipmatch", ["999.1.1.1"]]], /^invalid ip address: 999\.1\.1\.1$/],
  [[["arg_a", "!", "!", "==", "1"]], /^invalid operator '!'$/],
  [["AND"], /^rule too short$/],
  [["OR", ["arg_a", "==", "1"]], /^rule too short$/],
  [[[]], /^rule too short$/],
  [[["arg_a", "?", "in", ["1"]]], /^bad 'not' expression$/],
  // APISIX takes these, and they never match.
  [[["arg_a", "=="]], /^missing value after operator '=='$/],
  [[["arg_a", "in", "1"]], /must be a list/],
  [[["arg_a", "~~", "["]], /^regular expression \[: /],
  [[["", "==", "1"]], /must be a string/],
  [[[1, "==", "1"]], /must be a string/],
  [[["arg_a", "constructor", "1"]], /^invalid operator 'constructor'$/],
  [[["arg_a", "~~", "(a+)+$"]], /may take time without bound/],
];

for (const [rules, reason] of refused) {
  test(`${JSON.stringify(rules)} is refused`, () => {
    assert.throws(() => compileExpression(rules), { message: reason });
  });
}
