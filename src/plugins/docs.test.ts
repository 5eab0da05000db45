import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pluginReference } from "../../scripts/plugin-docs.ts";
import { compileVariable } from "../plugin/variables.ts";
import { buildRequest } from "../plugin/fake-request.ts";
import { plugins } from "./index.ts";

const docs = (path: string): string => readFileSync(new URL(`../../docs/${path}`, import.meta.url), "utf8");

test("the reference of plugins is current (node scripts/plugin-docs.ts)", () => {
  for (const [path, text] of pluginReference()) assert.equal(docs(path), text, path);
});

interface Description {
  readonly description?: string;
  readonly $comment?: string;
}

test("every attribute is described", () => {
  for (const plugin of plugins.values()) {
    assert.ok(plugin.summary, plugin.name);
    const properties = Object.entries((plugin.schema.properties ?? {}) as Record<string, Description>);
    for (const [name, { description, $comment }] of properties) {
      assert.ok(description ?? $comment, `${plugin.name}.${name}`);
    }
  }
});

test("every variable of the documentation is one", () => {
  const table = docs("variables.md").split("Not available")[0] ?? "";
  const request = buildRequest();
  request.values.get = () => {
    throw new Error("not built in");
  };
  const names = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap((row) =>
    [...(row[1] as string).matchAll(/`([a-z_]+)`/g)].map((match) => match[1] as string),
  );
  assert.ok(names.length > 40);
  const left = new Set(["apisix_request_id", "request_id", "upstream_cache_status"]);
  for (const name of names.filter((name) => !left.has(name))) {
    assert.doesNotThrow(() => compileVariable(name)(request), name);
  }
});
