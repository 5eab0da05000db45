import assert from "node:assert/strict";
import { test } from "node:test";
import { CounterTable } from "./counter-table.ts";
import { CounterSource } from "./scoped-counters.ts";

const oneMore = (value: number): number => value + 1;

test("counters of one configuration are the same in every thread, those of others are others", () => {
  const { memory } = new CounterTable();
  const [one, two] = [1, 2].map((holder) => new CounterSource(new CounterTable(memory, holder), () => 0));
  const first = one!.of("limit-count", "routes/1", "{}");
  const counters = [
    first,
    two!.of("limit-count", "routes/1", "{}"),
    two!.of("limit-count", "routes/2", "{}"),
    two!.of("limit-count", "routes/1", '{"count":1}'),
    two!.of("limit-req", "routes/1", "{}"),
    first.named("g"),
    two!.of("limit-count", "routes/2", "{}").named("g"),
    two!.of("limit-req", "routes/2", "{}").named("g"),
  ];
  for (const key of ["k", "k".repeat(10_000)]) {
    const values = counters.map((each) => {
      each.update(key, 0, 1_000, false, oneMore);
      return each.value;
    });
    assert.deepEqual(values, [1, 2, 1, 1, 1, 1, 2, 1]);
  }
});
