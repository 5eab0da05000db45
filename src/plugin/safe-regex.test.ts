import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as check, constantFrom, property, tuple } from "fast-check";
import { compileSafeRegex } from "./safe-regex.ts";

test("patterns that APISIX's users write", () => {
  const rows: [pattern: string, text: string, groups: (string | undefined)[] | null][] = [
    ["^/r/(.*)/(.*)$", "/r/a/b", ["a", "b"]],
    ["^/iresty/(.*)/(.*)/(.*)", "/iresty/a/b/c/d", ["a/b", "c", "d"]],
    ["^/api/v\\d+/(?P<rest>.*)", "/api/v12/x", ["x"]],
    ["^/(?:[^/]+/)*([^/]+)$", "/a/b/c", ["c"]],
    ["^/x(/[^/]+)*$", "/x/a/b", ["/b"]],
    ["^(?:foo|bar)+(\\w+\\.)+", "foobarb.", ["b."]],
    ["(?i)^/ABC([[:digit:]]{2,3})", "/abc12", ["12"]],
    ["^(?i)/ABC|^/d", "/D", []],
    ["\\A/a\\z", "/a", []],
    ["\\A/a\\z", "/a\n", null],
    ["^/a{b}/[]x]", "/a{b}/]", []],
    ["^/a\\x{2f}[/[]", "/a/[", []],
    ["(a)|b", "b", [undefined]],
    ["^/((?:a|b){2})(?=c)", "/abc", ["ab"]],
    ["^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\\.){3}0$", "10.249.255.0", ["255.", "255"]],
    ["^[[:^digit:][:^space:]]$", "1", []],
    ["^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", "a-b.c1.com", []],
    ["^(([a-z]+)(-[a-z]+)*\\.)+com$", "a-b.c.com", ["c.", "c", undefined]],
    ["^(?:\\.(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*))*$", ".1.0.x-1", []],
    ["(?:a|ab)*c", "aabc", []],
    ["(?i)^(?-i:a|A)*$", "aA", []],
    ["^\\Qa.(b\\E+[\\Q]^\\E]$", "a.(bb]", []],
    ["\\\\Q", "\\Q", []],
    ["^(?#a comment)(?P<y>\\d)-(?P=y)$", "1-1", ["1"]],
    ["[[:^digit:]]|[^[:^word:]-]", "1", []],
    ["[[:^digit:]]", "1", null],
  ];
  for (const [pattern, text, groups] of rows) {
    const match = compileSafeRegex(pattern).exec(text);
    assert.deepEqual(match === null ? null : match.slice(1), groups, pattern);
  }
});

test("options of ngx.re", () => {
  assert.equal(compileSafeRegex("a.b", "ijos").test("A\nB"), true);
  assert.equal(compileSafeRegex("b", "a").test("ab"), false);
  assert.throws(() => compileSafeRegex("a", "x"), /the option x is not supported/);
});

test("what may take time without bound is refused", () => {
  const patterns = ["(a+)+", "^(a*)*$", "(a|a)*", "((a)*b?)*", "(x+x+)+y", "(.*a){20}", "(\\w+\\d?)+$", "(?:(?:ab)*)*"];
  for (const pattern of [
    ...patterns,
    "([a-z]+/?)*",
    "(\\1a)*",
    "(a+){4}",
    "((a+){2}){2}",
    "(a?b?c?){5}",
    "((b?c?)?ad)*",
    "(a[^x]?你?)*",
    "(a|b|(?=c)d*)*",
    "(?i:a|A)*",
    "(?i:(a+A)*)",
  ]) {
    assert.throws(() => compileSafeRegex(pattern), /may take time without bound/, pattern);
  }
});

test("what JavaScript has no counterpart for is named", () => {
  assert.throws(() => compileSafeRegex("a++"), /the possessive quantifier \+\+ is not supported/);
  assert.throws(() => compileSafeRegex("(?>a)"), /the group \(\?>a… is not supported/);
  assert.throws(() => compileSafeRegex("\\Ka"), /the escape \\K is not supported/);
  assert.throws(() => compileSafeRegex("[[:^alpha:]]"), /the class \[:\^alpha:\] is not supported/);
  assert.throws(() => compileSafeRegex("\\p{L}"), /the escape \\p is not supported/);
});

test("broken patterns", () => {
  for (const pattern of ["[", "(", ")", "a)", "*", "a**", "\\", "[z-a]", "(?<a", "(a)\\2", "\\k<x>", "(?P=x)"]) {
    assert.throws(() => compileSafeRegex(pattern), Error, pattern);
  }
});

test("what could not be used, or would hold a worker while it is prepared, is refused", () => {
  const refused: readonly (readonly [pattern: string, reason: RegExp])[] = [
    ["x".repeat(70_000), /longer than 20000 characters/],
    ["[a-z]".repeat(4_001), /longer than 20000 characters/],
    [Array(1_001).fill("(a)").join("|"), /more than 1000 groups/],
    [`${"(".repeat(251)}a${")".repeat(251)}`, /nested deeper than 250/],
    [`${"(".repeat(10_000)}`, /nested deeper than 250/],
  ];
  for (const [pattern, reason] of refused) assert.throws(() => compileSafeRegex(pattern), reason);
  const largest = [
    "x".repeat(20_000),
    "[a-z]".repeat(4_000),
    Array(1_000).fill("(a)").join("|"),
    "(?:".repeat(250) + ")".repeat(250),
  ];
  for (const pattern of largest) assert.equal(compileSafeRegex(pattern).test("-\u0100"), pattern.startsWith("(?:"));
});

test("an accepted pattern made of random pieces never runs for long", () => {
  const piece = constantFrom("a", "b", "[ab]", ".", "(a)", "(a|b)", "(ab|b)", "(?:a*b)", "(a+b?)", "(?:ba+)");
  const quantifier = constantFrom("", "*", "+", "?", "{2,}", "{1,20}", "{3}");
  const pieces = array(tuple(piece, quantifier), { minLength: 1, maxLength: 2 });
  check(
    property(pieces, quantifier, (inner, outer) => {
      let regex: RegExp;
      try {
        regex = compileSafeRegex(`^(?:${inner.map((pair) => pair.join("")).join("")})${outer}$`);
      } catch {
        return;
      }
      // An exponential pattern would need 2^60 steps for these: the test would not end.
      for (const text of ["a".repeat(60), "ab".repeat(30), "ba".repeat(30), "b".repeat(60)]) regex.test(`${text}!`);
    }),
    { numRuns: 1000 },
  );
});
