import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { followPage } from "./support/guide.ts";

// Every guide in docs/guides/, followed from top to bottom.

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
