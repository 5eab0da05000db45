import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { JournalEntry } from "./journal.ts";
import { describeEvent, spanText } from "./words.ts";

test("spans as people say them", () => {
  const cases: [ms: number, text: string][] = [
    [0, "0 ms"],
    [999, "999 ms"],
    [1000, "1.0 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min"],
    [185_000, "3 min 5 s"],
    [3_600_000, "1 h"],
    [7_800_000, "2 h 10 min"],
    [90 * 3_600_000, "3 d 18 h"],
  ];
  for (const [ms, text] of cases) assert.equal(spanText(ms), text);
});

test("property: the page says spans as the journal does", async () => {
  const page = (await import(new URL("./page/format.js", import.meta.url).href)) as { spanText: typeof spanText };
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => page.spanText(ms) === spanText(ms)));
});

test("events say what has happened, and what it does to traffic", () => {
  const cases: [entry: JournalEntry, severity: string, text: string][] = [
    [
      { type: "unready", cause: "draining", afterMs: 3_600_000 },
      "error",
      "Not ready: draining. It had been ready for 1 h",
    ],
    [
      { type: "config-applied", revision: 5, fromRevision: 4, changes: 1, rejected: 2, durationMs: 12 },
      "info",
      "Revision 5 is live on every worker (1 change), 12 ms after it was accepted; 2 resources rejected",
    ],
    [
      { type: "config-applied", revision: 5, fromRevision: 4, changes: 0, rejected: 1, durationMs: 0 },
      "info",
      "Revision 5 changes nothing; 1 resource rejected",
    ],
    [
      { type: "rejected", resource: "routes/a", field: "", error: "no node", serving: "nothing", more: 3 },
      "warning",
      "routes/a is rejected: no node; nothing serves instead. The same holds for 3 more",
    ],
    [
      { type: "node-health", upstream: "upstreams/1", node: "10.0.0.1:80", healthy: true, more: 0 },
      "ok",
      "Node 10.0.0.1:80 of upstreams/1 is healthy again",
    ],
    [{ type: "drain", on: false, cause: "Control API" }, "ok", "No longer draining: Control API"],
    [{ type: "reload", cause: "refused: no file" }, "warning", "Reload: refused: no file"],
  ];
  for (const [entry, severity, text] of cases) assert.deepEqual(describeEvent(entry), { severity, text });
});
