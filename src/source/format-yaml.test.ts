import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { formatYaml } from "./format-yaml.ts";
import { parseYaml } from "./yaml-text.ts";

test("every text comes back as it was", () => {
  const blank = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "a", "#", ":", "-"), maxLength: 8 });
  const text = fc.oneof(blank, fc.string({ unit: "grapheme" })).filter((one) => !one.includes("${{"));
  fc.assert(
    fc.property(text, (value) => {
      assert.deepEqual(parseYaml("export.yaml", formatYaml({ value, list: [value] })), { value, list: [value] });
    }),
    { numRuns: 2_000, examples: [[" \n"], ["\t\n"], ["off"], ["0o7"], ["1_000"]] },
  );
});
