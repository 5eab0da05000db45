import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { disagreements } from "./compare.ts";
import { differences } from "./differences.ts";
import { Differential, reportLines } from "./differential.ts";
import * as llhttp from "./llhttp.ts";
import { readRequests } from "./ours.ts";

/** Part of every `npm test`; `npm run fuzz -- --differential 100000` compares more. */
const BUDGET_MS = 8_000;

test("llhttp and node:http read what we accept as we do", async (t) => {
  const differential = new Differential();
  const run = Date.now() % 1_000_000;
  const until = performance.now() + BUDGET_MS;
  for (let index = 0; performance.now() < until; index++) await differential.compare(run, index, index % 8 === 0);
  const lines = reportLines(differential.report);
  assert.equal(differential.report.unexplained.length, 0, `run ${run}\n${lines.join("\n")}`);
  t.diagnostic(lines.join("; "));
});

test("a difference that nobody has explained is seen", () => {
  const text = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
  const ours = readRequests([text]);
  const both = { reader: "llhttp", without: [], one: false } as const;
  assert.deepEqual(disagreements(text, ours, llhttp.readRequests(text), both), []);
  const aspects = (other: string): string[] =>
    disagreements(text, ours, llhttp.readRequests(other), both).map(({ aspect }) => aspect);
  assert.deepEqual(aspects(text.replace("Length: 3", "Length: 4")), ["fields", "body", "refused"]);
  assert.deepEqual(aspects(text.slice(0, -4)), ["boundary"]);
  assert.deepEqual(aspects(`${text}GET /c HTTP/1.1\r\nHost: a\r\n\r\n`), ["boundary"]);
  assert.deepEqual(aspects(text.replace("/b", "/B")), ["target"]);
});

test("the document lists every difference with its reason", () => {
  const page = readFileSync(new URL("../docs/http-safety.md", import.meta.url), "utf8");
  for (const { name, why } of differences) assert.ok(page.includes(`**${name}**: ${why}`), name);
});
