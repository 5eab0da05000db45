import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseGraphql } from "./graphql.ts";

const documents: readonly (readonly [source: string, type: string, name: string, fields: readonly string[]])[] = [
  ["{ hero { name } }", "query", "", ["hero"]],
  ["query getRepo { owner { name } repo { created } }", "query", "getRepo", ["owner", "repo"]],
  [
    'mutation M($a: [Int!] = [1] @x) @live(a: {b: 1}) { add(a: $a, s: "}") { id }, x: other }',
    "mutation",
    "M",
    ["add", "other"],
  ],
  ["subscription { a } # }", "subscription", "", ["a"]],
  ['{ a(t: """ } \\""" """) b }', "query", "", ["a", "b"]],
  [
    "query Q { ...F ... on Query { c } ... @include(if: true) { d } } fragment F on Query { a ...G } fragment G on Query { b }",
    "query",
    "Q",
    ["a", "b", "c", "d"],
  ],
  ["\uFEFF{a,b,,c}", "query", "", ["a", "b", "c"]],
];

for (const [source, type, name, rootFields] of documents) {
  test(`${source} is read`, () => assert.deepEqual(parseGraphql(source), { type, name, rootFields }));
}

const malformed = [
  "",
  "{",
  "{}",
  "}",
  "query",
  "query { a",
  "{ a(b: [1) }",
  "{ a(b: ]) }",
  "{ a(",
  "{ a { b",
  "query q($a: [",
  "{ a @b(c: {",
  "{ a } }",
  "{ a: }",
  "{ ...None }",
  "query { ...F } fragment F on Q { ...F }",
  'query { a(b: "x) }',
  "query { a ~ }",
  "queries { a }",
  "{ a @ }",
  `${"{ ... ".repeat(1_000)}{ a${" }".repeat(1_001)}`,
];

for (const source of malformed) {
  test(`${source.slice(0, 60)} is malformed`, () => assert.equal(parseGraphql(source), null));
}

test("of several operations the one that is named counts; without a name none does", () => {
  const source = "query A { a } mutation B { b }";
  assert.equal(parseGraphql(source), null);
  assert.equal(parseGraphql(source, "C"), null);
  assert.equal(parseGraphql(source, "B")?.type, "mutation");
  assert.equal(parseGraphql("query A { a }", "B"), null, "a server would refuse it");
});

test("fragments that hold each other many times cost no more than the fields that may be read", () => {
  let source = "query { ...F0 ...F0 }";
  for (let i = 0; i < 40; i++) source += ` fragment F${i} on Q { ...F${i + 1} ...F${i + 1} }`;
  assert.equal(parseGraphql(`${source} fragment F40 on Q { a }`), null);
});

test("whatever the text, reading it ends and does not throw", () => {
  for (const cut of ["query a(", "{a(", "{a{b", "{a(x:{", "{a @b(", "query a @b([", "{...{a{"]) {
    assert.equal(parseGraphql(cut), null, cut);
  }
  const piece = fc.constantFrom(
    "query",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "a",
    ":",
    "...",
    "on",
    "fragment",
    "@",
    '"',
    '"""',
    "#",
    "\n",
    "$",
    "1",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => void parseGraphql(pieces.join(" "))));
  // Cut at any place, a document is malformed: nothing may wait for what does not come.
  const whole = "query a($b: C = [1, {d: 2}]) @e(f: true) { g: h(i: $b) { j } ... on K { l } }";
  for (let end = 1; end < whole.length; end++) assert.equal(parseGraphql(whole.slice(0, end)), null);
  fc.assert(fc.property(fc.string(), (text) => void parseGraphql(text)));
});
