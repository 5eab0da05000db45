import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { reasonOf } from "../lib/errors.ts";
import { parseJson } from "./json-text.ts";

function failure(text: string): string {
  try {
    parseJson("apisix.json", text);
  } catch (error) {
    return reasonOf(error);
  }
  throw new Error(`accepted ${text}`);
}

test("failures name file, line and column", () => {
  const cases: readonly (readonly [text: string, reason: string])[] = [
    ["", "apisix.json:1:1: the text ends"],
    ["{", "apisix.json:1:2: the text ends within 1 open brackets"],
    ['{"routes": [{"id": 1,}]}', "apisix.json:1:22: `}` cannot stand here"],
    ['{\n  "a": 1\n  "b": 2\n}', "apisix.json:3:3: expected `,` or a closing bracket"],
    ['{"a": tru}', "apisix.json:1:7: not JSON"],
    ["[1,]", "apisix.json:1:4: `]` cannot stand here"],
    ["{a: 1}", "apisix.json:1:2: not JSON"],
    ["{1: 1}", "apisix.json:1:2: expected a key in double quotes"],
    ["[1}", "apisix.json:1:3: `}` cannot stand here"],
    ['{"a" 1}', "apisix.json:1:6: expected `:`"],
    ['{"a":\n "x', "apisix.json:2:2: a quoted text that is not closed or has a character that must be escaped"],
    ["{} {}", "apisix.json:1:4: the text goes on after its end"],
    ["routes: []", "apisix.json:1:1: not JSON"],
    ["[01]", "apisix.json:1:3: expected `,` or a closing bracket"],
  ];
  for (const [text, reason] of cases) assert.equal(failure(text), reason);
});

test("whatever the engine refuses is located, and never quoted", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"secret"',
    "1",
    "-",
    "tru",
    "null",
    "\n",
    " ",
    "\\",
  );
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(200), piece, fc.nat(2), (value, at, text, cut) => {
      const good = JSON.stringify({ secret: value }, null, 1);
      const place = at % (good.length + 1);
      const bad = good.slice(0, place) + text + good.slice(place + cut);
      try {
        JSON.parse(bad);
        return;
      } catch {
        assert.match(failure(bad), /^apisix\.json:\d+:\d+: [^"]+$/);
      }
    }),
    { numRuns: 2_000 },
  );
});
