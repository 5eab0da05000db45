import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf } from "../lib/errors.ts";
import { parseYaml } from "./yaml-text.ts";

function failure(text: string): string {
  try {
    parseYaml("apisix.yaml", text);
  } catch (error) {
    return reasonOf(error);
  }
  throw new Error(`accepted ${text}`);
}

test("anchors and merge keys", () => {
  const text = "x-up: &up {type: roundrobin}\nroutes:\n  - id: 1\n    upstream:\n      <<: *up\n      nodes: {}\n";
  assert.deepEqual(parseYaml("f", text), {
    "x-up": { type: "roundrobin" },
    routes: [{ id: 1, upstream: { type: "roundrobin", nodes: {} } }],
  });
});

test("a date stays a string, words and octals are those of YAML 1.1", () => {
  assert.deepEqual(parseYaml("f", "a: 2026-01-01\nb: 2026-01-01T00:00:00Z\nc: on\nd: 010\ne: >\n  x\n"), {
    a: "2026-01-01",
    b: "2026-01-01T00:00:00Z",
    c: true,
    d: 8,
    e: "x\n",
  });
});

test("JSON is YAML", () => {
  assert.deepEqual(parseYaml("f", '{"routes": [{"id": 1}]}\n#END\n'), { routes: [{ id: 1 }] });
  assert.deepEqual(parseYaml("f", '{"routes": [{id: 1}]}\n#END\n'), { routes: [{ id: 1 }] });
});

test("failures name file, line and column", () => {
  const cases: readonly (readonly [text: string, reason: RegExp])[] = [
    ["routes:\n  - id: 1\n    uri: /a\n    id: 2\n", /^apisix\.yaml:4:5: the key id is there already, in line 2$/],
    ["routes: [\n", /^apisix\.yaml:2:1: wrong indentation, or a bracket that is not closed$/],
    ["a: 'b\n", /^apisix\.yaml:\d+:\d+: a character is missing/],
    ["routes:\n\t- id: 1\n", /^apisix\.yaml:2:1: a tab in the indentation$/],
    ["a: *nobody\n", /^apisix\.yaml:1:4: an alias without its anchor$/],
    ["a: 1\n---\nb: 2\n", /^apisix\.yaml:\d+:1: a second document begins/],
    ["a: !!python/x 1\n", /^apisix\.yaml:1:4: a value that its tag does not allow/],
    ["routes:\n  - id: 1\n uri: x\n", /^apisix\.yaml:3:\d+: /],
  ];
  for (const [text, reason] of cases) assert.match(failure(text), reason, text);
});

test("aliases cannot blow the memory", () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `a${i}: &a${i} [${Array(10).fill(i === 0 ? "x" : `*a${i - 1}`)}]`,
  );
  assert.match(failure(`${levels.join("\n")}\n`), /^apisix\.yaml: aliases expand to too much/);
});

test("failures never quote the text", () => {
  const secret = "s3cr3t-value";
  const broken = [
    `key: ${secret}: x\n`,
    `key: "${secret}\n`,
    `key: [${secret}\n`,
    `key: ${secret}\n  - x\n  a: b\n`,
    `key: *${secret}\n`,
    `key: !${secret} x\n`,
    `- ${secret}\nkey: x\n`,
    `key: 1 '${secret}'\n}${secret}\n`,
    `%${secret}\n---\na: @${secret}\n`,
  ];
  for (const text of broken) {
    assert.ok(!failure(text).includes(secret), `${text} → ${failure(text)}`);
  }
});
