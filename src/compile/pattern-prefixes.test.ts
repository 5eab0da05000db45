import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { times } from "../../test/support/extent.ts";
import { compileSafeRegex } from "../plugin/safe-regex.ts";
import { prefixesOf } from "./pattern-prefixes.ts";

const cases: readonly (readonly [pattern: string, prefixes: readonly string[] | null])[] = [
  ["^abc$", ["abc"]],
  ["^a\\.b-/", ["a.b-/"]],
  ["^\\Qa.b\\E", ["a.b"]],
  ["^ab*", ["a"]],
  ["^ab.c", ["ab"]],
  ["^tenant-(a|b)\\d", ["tenant-a", "tenant-b"]],
  ["^(?:a|bc)d$", ["ad", "bc"]],
  ["^(a[0-9]|b)c", ["a", "b"]],
  ["^ab|^cde", ["ab", "cd"]],
  ["^ab|cd", null],
  ["ab", null],
  ["^", null],
  ["^[ab]", null],
  ["^(?=a)a", null],
  ["^(?i:a)", null],
  ["^(a|)b", ["a", "b"]],
  ["^(", null],
  [`^${"x".repeat(100)}`, ["x".repeat(64)]],
  [`^(${Array.from({ length: 40 }, (_, i) => i).join("|")})$`, null],
];

for (const [pattern, prefixes] of cases) {
  test(`${pattern.slice(0, 40)} begins with ${prefixes === null ? "anything" : prefixes.join(" or ")}`, () => {
    assert.deepEqual(prefixesOf(pattern), prefixes === null ? null : { texts: prefixes, caseless: false });
  });
}

test("with (?i) and ~* letters stand for each other", () => {
  assert.deepEqual(prefixesOf("(?i)^Ab"), { texts: ["ab"], caseless: true });
  assert.deepEqual(prefixesOf("^(A|a)b", true), { texts: ["ab"], caseless: true });
});

test("what a pattern matches begins with one of its prefixes", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "ab",
    "\\.",
    ".",
    "(a|b)",
    "(?:a|ab)",
    "[ab]",
    "b?",
    "(?=a)",
    "$",
    "|^a",
    "|b",
  );
  const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => `^${pieces.join("")}`);
  const subject = fc
    .array(fc.constantFrom("a", "b", "A", "B", ".", "\n", "\u212a", "\u0130"), { maxLength: 5 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(pattern, fc.boolean(), fc.array(subject, { minLength: 20 }), (text, caseless, subjects) => {
      const prefixes = prefixesOf(text, caseless);
      if (prefixes === null) return;
      const regex = compileSafeRegex(text, caseless ? "i" : "");
      for (const one of subjects.filter((candidate) => regex.test(candidate))) {
        const read = caseless ? one.toLowerCase() : one;
        assert.ok(
          prefixes.texts.some((prefix) => read.startsWith(prefix)),
          `${text} matches ${JSON.stringify(one)}`,
        );
      }
    }),
    { numRuns: times(20_000, 500) },
  );
});
