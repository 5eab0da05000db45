import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { settingsKeys } from "../src/settings/reference.ts";
import { followPage } from "./support/guide.ts";

// Every guide in docs/guides/, followed from top to bottom.

const root = fileURLToPath(new URL("..", import.meta.url));
const guides = readdirSync(join(root, "docs/guides"));

test("probes and rollouts", async (t) => {
  const { others } = await followPage(t, "docs/guides/rollouts.md");
  const [block] = others;
  const probes = Object.entries(parse(block?.text ?? "") as Record<string, { httpGet: { path: string } }>);
  assert.deepEqual(
    probes.map(([name, { httpGet }]) => [name, httpGet.path]),
    [
      ["startupProbe", "/status/ready"],
      ["readinessProbe", "/status/ready"],
      ["livenessProbe", "/status"],
    ],
  );
});

test("write, wait, test", async (t) => {
  const { others } = await followPage(t, "docs/guides/write-wait-test.md");
  assert.deepEqual(others, []);
});

test("moving from APISIX", async (t) => {
  const { others } = await followPage(t, "docs/guides/moving-from-apisix.md");
  assert.deepEqual(others, []);
});

test("several nodes on etcd", async (t) => {
  const { others } = await followPage(t, "docs/guides/several-nodes.md");
  assert.deepEqual(others, []);
});

test("security hardening", async (t) => {
  const { others } = await followPage(t, "docs/guides/hardening.md");
  assert.deepEqual(others, []);
});

test("tuning", async (t) => {
  const { others } = await followPage(t, "docs/guides/performance.md");
  assert.deepEqual(others, []);
});

test("settings that the guides name are in the schema, and work", () => {
  const known = new Map(settingsKeys().map(({ path, support }) => [path, support]));
  for (const guide of guides) {
    const text = readFileSync(join(root, "docs/guides", guide), "utf8");
    for (const [, path = ""] of text.matchAll(
      /`((?:apisix|nginx_config|deployment|plugin_attr)\.(?!yaml|json)[\w.]+)(?:: [^`]*)?`/g,
    )) {
      const foreign = path === "nginx_config.worker_rlimit_nofile";
      assert.equal(known.get(path), foreign ? "foreign" : "works", `${guide} names ${path}`);
    }
  }
});

test("metrics that the guides name are described", () => {
  const described = readFileSync(join(root, "docs/metrics.md"), "utf8");
  for (const guide of guides) {
    const text = readFileSync(join(root, "docs/guides", guide), "utf8");
    for (const [, name = ""] of text.matchAll(/`((?:turnpike|apisix|process)_[a-z_]+)`/g)) {
      assert.ok(described.includes(`| \`${name}\` |`), `${guide} names ${name}`);
    }
  }
});

test("the index lists every page", () => {
  const index = readFileSync(join(root, "docs/README.md"), "utf8");
  const pages = readdirSync(join(root, "docs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map(({ parentPath, name }) => join(parentPath, name).slice(join(root, "docs/").length))
    .filter((page) => page !== "README.md" && !page.startsWith("plugins/"));
  for (const page of pages) assert.ok(index.includes(`](${page})`), `docs/README.md does not list ${page}`);
});
