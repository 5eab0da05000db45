import assert from "node:assert/strict";
import { test } from "node:test";
import { HangWatch } from "./hang-watch.ts";

test("a heartbeat older than the limit is a hang", () => {
  const watch = new HangWatch(1_000, 0);
  for (let now = 0; now <= 2_000; now += watch.intervalMs) watch.look(now);
  assert.equal(watch.hangs(2_000, 1_500), false);
  assert.equal(watch.hangs(2_000, 900), true);
});

test("when the watcher itself was stopped, workers get a full limit to answer", () => {
  const watch = new HangWatch(1_000, 0);
  watch.look(1);
  watch.look(60_000);
  assert.equal(watch.hangs(60_000, 1), false);
  for (let now = 60_250; now <= 61_250; now += 250) watch.look(now);
  assert.equal(watch.hangs(61_250, 1), true);
});

test("a stop before the first look counts too: a gateway may be suspended right after it is ready", () => {
  const watch = new HangWatch(1_000, 100);
  watch.look(2_100);
  assert.equal(watch.hangs(2_100, 200), false);
});
