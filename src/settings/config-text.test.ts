import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { stringify } from "yaml";
import { times } from "../../test/support/extent.ts";
import { parseConfigText, parseWithPlaces } from "./config-text.ts";

/** Asserts that the quick way gives what the full parser does, and the same places. */
function agrees(text: string): void {
  const full = parseWithPlaces(text);
  const quick = parseConfigText(text);
  if ("error" in full) assert.deepEqual(quick, full, JSON.stringify(text));
  else {
    assert.ok("value" in quick, JSON.stringify(text));
    assert.deepEqual(quick.value, full.value, JSON.stringify(text));
    assert.deepEqual(quick.repeated, full.repeated);
    for (const name of Object.keys(full.value)) assert.equal(quick.lineOf([name]), full.lineOf([name]));
  }
}

test("a configuration read the quick way is what the full parser reads", () => {
  agrees(readFileSync(new URL("../../conf/config.yaml", import.meta.url), "utf8"));
  const words = `yes|on|y|no|True|NULL|~|null|tRue|''|"a\\n"|'it''s'|\${{A:=b}}|"\${{A}}"`;
  const numbers = "1|-1|+1|010|0o10|0x1F|1.|.5|-.5|1e3|1.5E-3|+1.5|1_000|9007199254740993|.inf|-.Inf|.nan|..";
  const texts = "127.0.0.1|127.0.0.1:80|10.0.0.0/8|::1|60s|20m|12:30|1.2.3|2026-01-01|a #b|a: b|-|- 1|@x|{}";
  const beyond = ["[1, 2", "&a b", "*a", "!!str 1", "|\n  x\n", ">\n  x\n"];
  for (const scalar of [words, numbers, texts].flatMap((row) => row.split("|")).concat(beyond)) {
    agrees(`apisix:\n  a: ${scalar}\n`);
    agrees(`apisix:\n  a: [${scalar}]\nb:\n  - ${scalar}\n`);
  }
  for (const text of ["", "a", "- a", "a: 1\na: 2\n", "a:\n\tb: 1\n", "__proto__: 1\n", "# only\n"]) agrees(text);
});

test("any document", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue(), { noNullPrototype: true }), (value) => {
      agrees(stringify(value));
    }),
    { numRuns: times(500, 150) },
  );
});
