import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { checkStandalone } from "./check-document.ts";
import { plugins } from "./testing.ts";

/** Findings as `line field: message`. */
function check(t: TestContext, name: "apisix.yaml" | "apisix.json", text: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), "turnpike-check-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, name);
  writeFileSync(file, text);
  const findings = checkStandalone(file, name === "apisix.yaml" ? "yaml" : "json", plugins, {
    checkSupport: (kind) => (kind === "protos" ? 'property "content" is not supported yet' : null),
  });
  assert.ok(findings.every((finding) => finding.file === file && finding.severity === "error"));
  return findings.map(({ line, field, message }) => `${line} ${field}: ${message}`);
}

const yaml = `x-defaults: &up
  nodes: {"127.0.0.1:80": 1}
routes:
  - id: 1
    uri: 5
    priority: high
    upstream:
      nodes:
        "127.0.0.1:99999": 1
  - id: r2
    uri: /x
    upstream_id: nope
  - id: r2
    uri: /x
    nonsense: 1
    upstream:
      <<: *up
      retries: -1
  - uri: /k
    upstream: *up
    plugins:
      key-auth:
        header: 1
      fragile: {fail: true}
      nope: {}
  - uri: /rejected-elsewhere
    upstream_id: u1
upstreams:
  - id: u1
    type: chash
    nodes:
      - host: a
        port: 1
consumers:
  - username: jack
    plugins: {key-auth: {key: topsecret}}
  - username: jill
    group_id: 7
    plugins:
      key-auth: {key: topsecret}
  - id: joe/credentials/c
    plugins: {}
rotues: []
services: {}
plugins:
  - name: key-auth
  - name: fragile
  - nam: x
protos:
  - id: 1
    content: \${{TURNPIKE_TEST_NONE}}
#END
`;

test("names every mistake with its line and field", (t) => {
  assert.deepEqual(check(t, "apisix.yaml", yaml), [
    "5 routes[0].uri: wrong type: expected string, got number",
    "6 routes[0].priority: wrong type: expected integer, got string",
    '9 routes[0].upstream.nodes["127.0.0.1:99999"]: invalid port 99999',
    "12 routes[1].upstream_id: upstream_id of routes/r2 refers to upstreams/nope, which does not exist",
    "13 routes[2].id: found duplicate id r2 in routes",
    "15 routes[2].nonsense: additional properties forbidden, found nonsense",
    "18 routes[2].upstream.retries: expected -1 to be at least 0",
    "23 routes[3].plugins.key-auth.header: wrong type: expected string, got number",
    '24 routes[3].plugins.fragile: cannot work with {"fail":true}',
    "25 routes[3].plugins.nope: unknown plugin [nope]",
    '31 upstreams[0].nodes: object matches none of the required (failed to validate item 1: property "weight" is required)',
    "38 consumers[1].group_id: group_id of consumers/jill refers to consumer_groups/7, which does not exist",
    "40 consumers[1].plugins.key-auth.key: duplicate key of plugin key-auth found with consumer: jack",
    "41 consumers[2].id: id of credentials/joe/credentials/c refers to consumers/joe, which does not exist",
    "43 rotues: unknown kind rotues; did you mean routes?",
    "44 services: expected a list, found a mapping",
    '48 plugins[2]: property "name" is required',
    "48 plugins[2].nam: additional properties forbidden, found nam",
    "51 protos[0].content: environment variable TURNPIKE_TEST_NONE is not set",
    '51 protos[0].content: property "content" is not supported yet',
  ]);
});

test("syntax, a key twice, the end of the file", (t) => {
  assert.deepEqual(check(t, "apisix.yaml", "routes:\n  - id: 1\n    id: 2\n    uri: 5\n    upstream: {nodes: {}}\n"), [
    "3 : column 5: the key id is there already, in line 2",
    "4 routes[0].uri: wrong type: expected string, got number",
    "5 : the line #END is missing at the end",
  ]);
  assert.deepEqual(check(t, "apisix.yaml", "routes:\n\t- id: 1\n#END"), ["2 : column 1: a tab in the indentation"]);
  assert.deepEqual(check(t, "apisix.yaml", "a: *b\n#END"), ["1 : an alias without its anchor"]);
  assert.deepEqual(check(t, "apisix.yaml", "- 1\n#END"), ["1 : expected lists of resources by kind, found a list"]);
});

test("JSON has lines, too", (t) => {
  assert.deepEqual(
    check(t, "apisix.json", '{"routes": [\n\t{"id": 1,\n\t "uri": 5, "upstream": {"nodes": {}},\n\t "id": 2}]}'),
    [
      "3 routes[0].uri: wrong type: expected string, got number",
      "4 : column 3: the key id is there already, in line 2",
    ],
  );
  assert.deepEqual(check(t, "apisix.json", '{\n"routes": [}'), ["2 : column 12: `}` cannot stand here"]);
});

test("a file that is not there; one that is good", (t) => {
  assert.deepEqual(
    checkStandalone("/nonexistent/apisix.yaml", "yaml", plugins).map(({ message }) => message),
    ["no such file"],
  );
  assert.deepEqual(check(t, "apisix.yaml", "#END"), []);
  const example = fileURLToPath(new URL("../../conf/example.yaml", import.meta.url));
  assert.deepEqual(checkStandalone(example, "yaml", plugins), []);
});

test("what is nested without end is one finding", (t) => {
  const deep = `{"routes": [{"id": "a", "plugins": {"echo": ${'{"a":'.repeat(300)}1${"}".repeat(300)}}}]}`;
  assert.deepEqual(check(t, "apisix.json", deep), ["1 : nested deeper than 64"]);
  assert.deepEqual(check(t, "apisix.yaml", `${deep}\n#END\n`), ["1 : nested deeper than 64"]);
});
