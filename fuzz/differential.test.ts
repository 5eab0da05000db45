import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { times } from "../test/support/extent.ts";
import { disagreements } from "./compare.ts";
import { differences } from "./differences.ts";
import { Differential, reportLines } from "./differential.ts";
import * as llhttp from "./llhttp.ts";
import { readRequests } from "./ours.ts";

/** Part of every `npm test`, always the same streams; `npm run fuzz -- --differential 100000` draws others. */
const RUN = 1;
const STREAMS = times(50_000, 10_000);

test("llhttp and node:http read what we accept as we do", async (t) => {
  const differential = new Differential();
  for (let index = 0; index < STREAMS; index++) await differential.compare(RUN, index, index % 8 === 0);
  const lines = reportLines(differential.report);
  assert.equal(differential.report.unexplained.length, 0, lines.join("\n"));
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
