import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ExitCode } from "./exit-codes.ts";
import { newPlugin } from "./plugin-new.ts";

function run(prefix: string, name: string, dir?: string): { readonly code: ExitCode; readonly text: string } {
  let text = "";
  const write = (line: string): void => void (text += `${line}\n`);
  const options = dir === undefined ? { name, prefix } : { name, prefix, dir };
  return { code: newPlugin(options, { out: write, err: write } as Parameters<typeof newPlugin>[1]), text };
}

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "turnpike-new-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("a plugin is made beside what is there, and the next step told", (t) => {
  const prefix = directory(t);
  const { code, text } = run(prefix, "my-plugin");
  assert.equal(code, ExitCode.ok);
  assert.match(text, /extra_plugins: \["\.\/plugins\/my-plugin\.ts"\]/);
  const source = readFileSync(join(prefix, "plugins/my-plugin.ts"), "utf8");
  assert.match(source, /export const myPlugin = definePlugin\(\{\n {2}name: "my-plugin",/);
  assert.ok(existsSync(join(readlinkSync(join(prefix, "plugins/node_modules/turnpike")), "package.json")));
  const manifest = readFileSync(join(prefix, "plugins/package.json"), "utf8");
  assert.equal(run(prefix, "other").code, ExitCode.ok);
  assert.equal(readFileSync(join(prefix, "plugins/package.json"), "utf8"), manifest);
  assert.match(run(prefix, "other").text, /other\.ts is there already/);
});

test("a package of modules is left alone, and a directory may be elsewhere", (t) => {
  const prefix = directory(t);
  const dir = join(prefix, "project/src");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(prefix, "project/package.json"), `{"type": "module"}`);
  const { code, text } = run(join(prefix, "gateway"), "one", dir);
  assert.equal(code, ExitCode.ok);
  assert.ok(text.includes(`extra_plugins: ["${join(dir, "one.ts")}"]`));
  assert.ok(!existsSync(join(dir, "package.json")));
});

test("names that cannot be used are refused", (t) => {
  const prefix = directory(t);
  for (const name of ["Upper", "a_b", "-a", "a--b", "../a", "", "a".repeat(61)]) {
    assert.match(run(prefix, name).text, /cannot be the name of a plugin/, name);
  }
  assert.match(run(prefix, "limit-count").text, /there is a plugin limit-count already/);
  assert.equal(run(prefix, "datadog").code, ExitCode.failed);
});
