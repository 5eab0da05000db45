import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { errorReference } from "../scripts/error-docs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", ...pagesBelow("docs")];

test("docs/errors.md is what the registry says", () => {
  assert.equal(readFileSync(join(root, "docs/errors.md"), "utf8"), errorReference());
});

test("links between the documents lead somewhere", () => {
  for (const page of pages) {
    for (const [, target] of readFileSync(join(root, page), "utf8").matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue;
      assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`);
    }
  }
});

test("files that ARCHITECTURE.md names exist", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  for (const [, path] of text.matchAll(/`((?:src|test|scripts|docs|bench|fuzz)\/[\w./-]*)`/g)) {
    assert.ok(path !== undefined && existsSync(join(root, path)), `ARCHITECTURE.md names ${path}`);
  }
});

function pagesBelow(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((name) => name.endsWith(".md"));
}
