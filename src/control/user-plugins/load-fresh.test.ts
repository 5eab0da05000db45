import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { loadFresh } from "./load-fresh.ts";

function prefixWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const prefix = mkdtempSync(join(tmpdir(), "turnpike-plugins-"));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(prefix, path)), { recursive: true });
    writeFileSync(join(prefix, path), text);
  }
  return prefix;
}

const plugin = (name: string, before = ""): string => `${before}
import { definePlugin } from "turnpike/plugin";
export const one = definePlugin({
  name: "${name}", priority: 1, version: "0.1", schema: { type: "object" }, compile: () => ({}),
});
`;

test("a version is the texts of its own files", async (t) => {
  const prefix = prefixWith(t, {
    "plugins/one.ts": plugin("one", `import { x } from "../lib/x.ts"; import "dep"; export const y = x;`),
    "lib/x.ts": `import data from "./data.json" with { type: "json" }; export const x: number = data.x;`,
    "lib/data.json": `{"x": 1}`,
    "node_modules/dep/package.json": `{"name": "dep", "exports": "./dep.cjs"}`,
    "node_modules/dep/dep.cjs": `module.exports = 1;`,
  });
  const { outcome, paths } = await loadFresh("./plugins/one.ts", prefix);
  assert.ok(typeof outcome !== "string", String(outcome));
  const { entry, files } = JSON.parse(outcome.text) as { entry: string; files: object };
  assert.equal(entry, "./plugins/one.ts");
  assert.deepEqual(Object.keys(files), ["lib/data.json", "lib/x.ts", "plugins/one.ts"]);
  assert.deepEqual(
    paths.map((path) => path.slice(prefix.length)),
    ["/plugins/one.ts", "/lib/x.ts", "/lib/data.json"],
  );
  assert.deepEqual(
    outcome.definitions.map(({ name }) => name),
    ["one"],
  );
});

test("what cannot be loaded is said with file and line, and what is to be watched for it", async (t) => {
  const prefix = prefixWith(t, {
    "throws.ts": "\nthrow new Error('at once');\n",
    "enum.ts": "\n\nenum A { x }\n",
    "exits.ts": "process.exit(0);\n",
    "missing.ts": "import './not-there.ts';\n",
    "name.ts": plugin("key-auth"),
  });
  const rows: readonly (readonly [entry: string, reason: RegExp])[] = [
    ["throws.ts", /^throws\.ts:2:7: at once$/],
    ["enum.ts", /^enum\.ts:3: TypeScript enum is not supported/],
    ["exits.ts", /^exits\.ts: it ends the thread while it is loaded$/],
    ["./gone.ts", /^\.\/gone\.ts: .*no such file/],
    ["name.ts", /^name\.ts: export one: the name key-auth is taken/],
    ["not-installed", /^not-installed: Cannot find package 'not-installed'/],
  ];
  for (const [entry, reason] of rows) {
    const { outcome } = await loadFresh(entry, prefix);
    assert.ok(typeof outcome === "string", entry);
    assert.match(outcome, reason);
  }
  const { outcome, paths } = await loadFresh("missing.ts", prefix);
  assert.match(String(outcome), /^missing\.ts: Cannot find module .*not-there\.ts/);
  assert.ok(paths.includes(join(prefix, "not-there.ts")));
});
