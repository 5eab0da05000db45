import assert from "node:assert/strict";
import { test } from "node:test";
import { JOURNAL_CAPACITY, Journal, type JournalRecord } from "./journal.ts";

test("events get rising ids and times, and the oldest make room", () => {
  const journal = new Journal(() => 7);
  for (let i = 0; i < JOURNAL_CAPACITY + 44; i++) journal.add({ type: "config-failed", error: String(i) });
  const all = journal.after(0);
  assert.equal(all.length, JOURNAL_CAPACITY);
  assert.deepEqual([all[0]?.id, all.at(-1)?.id], [45, JOURNAL_CAPACITY + 44]);
  assert.deepEqual(all[0], { id: 45, at: 7, type: "config-failed", error: "44" });
  assert.deepEqual(
    journal.after(298).map(({ id }) => id),
    [299, 300],
  );
  assert.deepEqual(journal.after(300), []);
});

test("an id of an earlier run gets everything", () => {
  const journal = new Journal();
  journal.add({ type: "reload", cause: "SIGHUP" });
  assert.equal(journal.after(200).length, 1);
});

test("subscribers follow until they stop, and are bounded", () => {
  const journal = new Journal();
  const seen: JournalRecord[] = [];
  const stop = journal.subscribe((record) => void seen.push(record));
  journal.add({ type: "drain", on: true, cause: "SIGTERM" });
  stop?.();
  journal.add({ type: "drain", on: false, cause: "SIGTERM" });
  assert.deepEqual(
    seen.map(({ id }) => id),
    [1],
  );
  const stops = Array.from({ length: 256 }, () => journal.subscribe(() => undefined));
  assert.ok(stops.every((one) => one !== null));
  assert.equal(
    journal.subscribe(() => undefined),
    null,
  );
  stops[0]?.();
  assert.notEqual(
    journal.subscribe(() => undefined),
    null,
  );
});
