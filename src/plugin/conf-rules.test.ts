import assert from "node:assert/strict";
import { test } from "node:test";
import { addressFaultIn, expressionFaultIn, firstOf, pcreFault, pcreFaultIn } from "./conf-rules.ts";

test("patterns that PCRE refuses are named in its words", () => {
  const failed = (what: string, pattern: string): string => `pcre2_compile() failed: ${what} in "${pattern}"`;
  assert.equal(pcreFault("[a-z"), failed("missing terminating ] for character class", "[a-z"));
  assert.equal(pcreFault("(a"), failed("missing closing parenthesis", "(a"));
  assert.equal(pcreFault("a)"), failed("unmatched closing parenthesis", "a)"));
  assert.equal(pcreFault("*a"), failed("quantifier does not follow a repeatable item", "*a"));
  assert.equal(pcreFault("a\\"), failed("\\ at end of pattern", "a\\"));
  assert.equal(pcreFaultIn(["a", "(b"]), failed("missing closing parenthesis", "(b"));
});

test("what only this gateway cannot run is not PCRE's fault", () => {
  for (const pattern of ["^a++$", "(?>a)", "\\p{L}", "(?<n>x)\\k<n>", ""])
    assert.equal(pcreFault(pattern), null, pattern);
  assert.equal(pcreFaultIn(undefined), null);
});

test("addresses, expressions, the first of several reasons", () => {
  assert.equal(addressFaultIn(["::1", "10.0.0.0/8", "::/129"]), "invalid ip address: ::/129");
  assert.equal(addressFaultIn(undefined), null);
  assert.equal(expressionFaultIn("case", [["a"]]), "failed to validate the 'case' expression: invalid expression");
  assert.equal(expressionFaultIn("case", undefined), null);
  assert.equal(firstOf(null, "b", "c"), "b");
  assert.equal(firstOf(), null);
});
