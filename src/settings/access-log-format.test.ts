import assert from "node:assert/strict";
import { test } from "node:test";
import { normaliseLogFormat } from "./access-log-format.ts";

test("formats as nginx would read them, without the quotes of APISIX's example", () => {
  const rows: readonly [written: string, expected: string][] = [
    ['$a "$b" $c', '$a "$b" $c'],
    ['"$a \\"$b\\" $c"\n', '$a "$b" $c'],
    ['"$a [$b]"\n', "$a [$b]"],
    ['"$a" "$b"', '"$a" "$b"'],
    ['{"a": "$b"}', '{"a": "$b"}'],
    ["$a\\t$b\\x", "$a\t$b\\x"],
    ["a\\\\n", "a\\n"],
    ["", ""],
  ];
  for (const [written, expected] of rows) assert.equal(normaliseLogFormat(written), expected);
});
