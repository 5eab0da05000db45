import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf } from "../lib/errors.ts";
import { QuotedText, resolveAll } from "../lib/env-references.ts";
import { parseBlockYaml } from "../lib/block-yaml.ts";
import { parseYaml, readPlainText, scalars } from "./yaml-text.ts";

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

test("a word that looks a little like a number stays a word", () => {
  assert.deepEqual(parseYaml("f", "a: e3\nb: -e5\nc: .NaN\nd: &x e3\n"), { a: "e3", b: "-e5", c: NaN, d: "e3" });
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

test("variables: what is quoted stays a text, what is not reads as if it stood there", () => {
  const env = { PORT: "8080", YES: "yes", KEY: "12345", ID: "356002209726529540", SPACE: "a: b #c", NIL: "null" };
  const text = (anchor: string): string => `
# \${{COMMENT}}
plain: [1]${anchor}
port: \${{PORT}}
word: \${{YES}}
octal: \${{NONE:=010}}
nil: \${{NIL}}
id: \${{ID}}
space: \${{SPACE}}
host: h-\${{PORT}}
double: "\${{KEY}}"
single: '\${{YES}}'
block: |
  \${{KEY}}
list: ["\${{PORT}}", {k: '\${{NIL}}'}]
"\${{PORT}}": \${{NONE:=x}}
`;
  const expected = {
    plain: [1],
    port: 8080,
    word: true,
    octal: 8,
    nil: null,
    id: "356002209726529540",
    space: "a: b #c",
    host: "h-8080",
    double: "12345",
    single: "yes",
    block: "12345\n",
    list: ["8080", { k: "null" }],
    8080: "x",
  };
  // An anchor makes the full parser read it.
  for (const anchor of ["", "\nother: &a 1"]) {
    assert.equal(parseBlockYaml(text(anchor), scalars) === null, anchor !== "");
    const root = parseYaml("f", text(anchor)) as Record<string, unknown>;
    assert.deepEqual(resolveAll(root, env, readPlainText), []);
    delete root.other;
    assert.deepEqual(root, expected);
  }
  const json = parseYaml("f", '{"a": "${{PORT}}", "b": 1}');
  resolveAll(json, env, readPlainText);
  assert.deepEqual(json, { a: "8080", b: 1 });
  assert.deepEqual(parseYaml("f", "a: '${{X}}'"), { a: new QuotedText("${{X}}") });
});

test("a text read as a plain one", () => {
  const cases: readonly (readonly [text: string, value: unknown])[] = [
    ["", ""],
    ["x", "x"],
    ["true", true],
    ["off", false],
    ["~", null],
    ["1.50", 1.5],
    ["+7", 7],
    ["-0x1f", -31],
    ["1e3", 1000],
    [".5", 0.5],
    ["1_000", "1_000"],
    ["1.2.3.4", "1.2.3.4"],
    ["12:30:45", "12:30:45"],
    [".inf", ".inf"],
    [".nan", ".nan"],
    ["9007199254740993", "9007199254740993"],
    ["- 1", "- 1"],
    ["-", "-"],
    ["[1]", "[1]"],
    ['"1"', '"1"'],
    ["1\n2", "1\n2"],
    ["2026-01-01", "2026-01-01"],
  ];
  for (const [text, value] of cases) assert.deepEqual(readPlainText(text), value, text);
});
