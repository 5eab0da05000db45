import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { stringify } from "yaml";
import { times } from "../../test/support/extent.ts";
import { parseBlockYaml } from "../lib/block-yaml.ts";
import { faultsOf, locateYaml, scalars, valueOf } from "./yaml-text.ts";

/** What all of YAML makes of the text; `undefined` where it is none. */
function full(text: string): { readonly value: unknown } | undefined {
  const located = locateYaml(text);
  if (faultsOf(located).length > 0) return undefined;
  try {
    return { value: valueOf("", located) };
  } catch {
    return undefined;
  }
}

/** Asserts that the quick parser declines, or agrees with the full one. */
function agrees(text: string): boolean {
  const quick = parseBlockYaml(text, scalars);
  if (quick === null) return false;
  const expected = full(text);
  assert.ok(expected !== undefined, `accepted what is no YAML: ${JSON.stringify(text)}`);
  assert.deepEqual(quick.value, expected.value, JSON.stringify(text));
  return true;
}

const read: readonly string[] = [
  "",
  "#END\n",
  "routes: []\n#END\n",
  'routes:\n  -\n    uri: /hello\n    upstream:\n        nodes:\n            "127.0.0.1:1980": 1\n        type: roundrobin\n#END',
  "routes:\n- id: 1\n  uri: /a\n- id: 2\n  uris: [/b, '/c d', \"/e\\n\"]\nupstreams:\n- {id: x, nodes: {127.0.0.1:80: 1}}\n",
  "---\na: 1 # one\nb: \"# two\"\nc: a#b\nd: 'it''s'\n",
  "a:\n  - - 1\n    - 2\n  - x: 1\n    k:\n    - z\n  -\n",
  "ssl:\n  cert: |\n    -----BEGIN-----\n    abc\n\n    def\n  key: |-\n    k\nnext: 1\n",
  "a: yes\nb: No\nc: ~\nd:\ne: null\nf: nil\ng: 'yes'\n",
  "a: 1.5\nb: 0x1f\nc: 010\nd: 1e3\ne: 127.0.0.1\nf: 12:30:45\ng: 2026-01-01\nh: 1_000\ni: -7\nj: .5\nk: 10s\n",
  "a: http://x/y?z=1\nb: C:\\x\nc: ${{HOME}}/x\nd: $host\n",
  'a: "${{X}}"\nb: [\'${{Y}}\', x]\nc: |\n  ${{W}}\n"${{K}}": {\'${{L}}\': "-${{M}}"}\n${{N}}: 1\n',
  "127.0.0.1:80: 1\n8080: 2\n$ref: 3\n/path: 4\n",
  "a: [1, [2, {b: c, 'd': e}], ]\n",
  "a: {}\nb: [ ]\n",
];

test("the quick parser reads what files are made of", () => {
  for (const text of read) assert.ok(agrees(text), `declined ${JSON.stringify(text)}`);
});

const declined: readonly string[] = [
  "a: &x 1\nb: *x\n",
  "a: !!str 1\n",
  "<<: {a: 1}\n",
  "a: >\n  folded\n",
  "a: one\n  two\n",
  "a: 'one\n  two'\n",
  "a: 1\na: 2\n",
  "? a\n: b\n",
  "a: b: c\n",
  "a: [1,\n  2]\n",
  "\ta: 1\n",
  "a:\r\n  b: 1\r\n",
  "%YAML 1.2\n---\na: 1\n",
  "a: 1\n---\nb: 1\n",
  "a: {b: 1, b: 2}\n",
  "  a: 1\n b: 2\n",
  "a: 1\n  b: 2\n",
  "- a\nb: 1\n",
  "a: @x\n",
  'a: "\\x41"\n',
  "yes: 1\n",
  "010: 1\n",
  "just a text\n",
  "a:\n  __proto__: b\n",
  "a: { __proto__: b }\n",
];

test("the quick parser leaves the rest to the full one", () => {
  for (const text of declined) assert.equal(parseBlockYaml(text, scalars), null, JSON.stringify(text));
});

const scalar = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: fc.constantFrom(..."abc 0123:#-_.'\"{}[],&*!|>%@$/\\~\n=<"), maxLength: 10 }),
  fc.constantFrom(
    "yes",
    "null",
    "~",
    "0x10",
    "1:30",
    "1e5",
    "127.0.0.1:80",
    "${{A}}",
    "-",
    "a: b",
    "a #b",
    "2026-01-01",
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const key = fc.oneof(fc.string({ unit: fc.constantFrom(..."abXY09_-./$ :#'\""), minLength: 1, maxLength: 8 }));
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    scalar,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("where both parsers read a document they agree", () => {
  let compared = 0;
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 4 }), fc.boolean(), (value, indent, indentSeq) => {
      const text = stringify(value, { version: "1.1", indent, indentSeq, lineWidth: 0 });
      if (agrees(text)) compared++;
    }),
    { numRuns: times(2_000, 700) },
  );
  assert.ok(compared > times(400, 130), `only ${compared} compared`);
});

test("they agree on damaged documents, too", () => {
  const edits = fc.array(
    fc.tuple(
      fc.nat(400),
      fc.constantFrom(
        "",
        " ",
        "\n",
        ":",
        ": ",
        "-",
        "- ",
        "#",
        " #",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        ",",
        "|",
        "&a",
        "*a",
        "x",
      ),
    ),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...read, ...declined), edits, fc.nat(3), (text, list, cut) => {
      let damaged = text;
      for (const [at, piece] of list) {
        const place = at % (damaged.length + 1);
        damaged = damaged.slice(0, place) + piece + damaged.slice(place + (piece === "" ? 1 + cut : 0));
      }
      agrees(damaged);
    }),
    { numRuns: times(6_000, 2_000) },
  );
});
