import assert from "node:assert/strict";
import { test } from "node:test";
import { prometheusSettings } from "../settings/prometheus-settings.ts";
import { MetricMemories } from "./metric-memories.ts";

const small = { max_series: 10, default_buckets: [1, 2] };
const settings = (more: object = {}) => ({ prometheus: prometheusSettings({ ...small, ...more }) });

function memories(): { memories: MetricMemories; made: SharedArrayBuffer[] } {
  const made: SharedArrayBuffer[] = [];
  const all = new MetricMemories((memory) => made.push(memory));
  all.configure(settings());
  return { memories: all, made };
}

test("a thread that has gone leaves its memory to the next one", () => {
  const { memories: all, made } = memories();
  const [first, second] = [all.take(), all.take()];
  assert.ok(first !== null && second !== null && first !== second);
  all.giveBack(first);
  assert.equal(all.take(), first);
  assert.deepEqual(made, [first.memory, second.memory]);
  assert.deepEqual(all.all, made);
});

test("what would mean something else is counted anew", () => {
  const { memories: all } = memories();
  const held = all.take();
  assert.ok(held !== null);
  all.configure(settings({ metric_prefix: "x_", enable_export_server: false }));
  assert.deepEqual(all.all, [held.memory], "nothing that is counted has changed");
  for (const more of [
    { default_buckets: [1, 3] },
    { max_series: 11 },
    { metrics: { bandwidth: { extra_labels: [{ a: "$host" }] } } },
  ]) {
    const before = all.take();
    assert.ok(before !== null);
    all.configure(settings(more));
    assert.deepEqual(all.all, []);
    all.giveBack(before);
    assert.notEqual(all.take(), before);
  }
});

test("nothing is counted without the plugin", () => {
  const { memories: all } = memories();
  all.configure({ prometheus: null });
  assert.equal(all.take(), null);
});
