import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { MetricMemory, overflowCell, WorkerCell } from "./metric-memory.ts";
import { isOverflow, labelsOf, MetricWriter } from "./metric-writer.ts";
import { LABEL_BYTES, SeriesState } from "./series-table.ts";

const shape = { maxSeries: 10, buckets: 3 };
const status = (code: string, more = ""): string[] => [code, "r1", `/a${more}`, "", "", "", "", "", "", "", "upstream"];

/** The live series of a family: labels joined by commas, and their first number. */
function live(
  memory: MetricMemory,
  family: "http_status" | "batch_process_entries" = "http_status",
): [string, number][] {
  const table = memory.table(family);
  return Array.from({ length: table.used }, (_, place) => place)
    .filter((place) => table.state(place) === SeriesState.live)
    .map((place) => [labelsOf(table.text(place)).labels.join(), table.cells[place * table.shape.cells]!]);
}

function count(writer: MetricWriter, labels: readonly string[], route = "r1"): boolean {
  const { cells, at, overflow } = writer.series("http_status", route, labels);
  cells[at]!++;
  return overflow;
}

test("the next thread goes on counting in what the one before has left", () => {
  const memory = new MetricMemory(shape);
  const first = new MetricWriter(memory);
  count(first, status("200"));
  first.total(WorkerCell.requests, 7);
  first.gauge(WorkerCell.writing, 3);
  first.set("batch_process_entries", ["http-logger", "r1", "127.0.0.1"], 5);
  // Without a word the thread is gone.
  const second = new MetricWriter(new MetricMemory(shape, memory.memory));
  count(second, status("200"));
  second.total(WorkerCell.requests, 2);
  assert.deepEqual(live(memory), [[status("200").join(), 2]]);
  assert.deepEqual(live(memory, "batch_process_entries"), [["http-logger,r1,127.0.0.1", 0]]);
  assert.equal(memory.worker[WorkerCell.requests], 9);
  assert.equal(memory.worker[WorkerCell.writing], 0);
});

test("what has no place is counted together, by status, and nothing is lost", () => {
  const memory = new MetricMemory(shape);
  const writer = new MetricWriter(memory);
  const overflows = Array.from({ length: 15 }, (_, i) => count(writer, status(i % 2 === 0 ? "200" : "404", String(i))));
  assert.equal(overflows.filter(Boolean).length, 5);
  const rest = live(memory).filter(([labels]) => labels.includes("overflow"));
  assert.deepEqual(
    rest.map(([labels, value]) => [labels.split(",")[0], value]),
    [
      ["200", 3],
      ["404", 2],
    ],
  );
  assert.equal(memory.worker[overflowCell("http_status")], 5);
  // As many codes as nobody sends: the last spare place is for all that are left.
  for (let code = 100; code < 300; code++) count(writer, status(String(code), "more"));
  assert.equal(
    live(memory).reduce((sum, [, value]) => sum + value, 0),
    215,
  );
});

test("what control retires is freed, shown no more, and begins anew", () => {
  const memory = new MetricMemory(shape);
  const writer = new MetricWriter(memory);
  count(writer, status("200"));
  count(writer, status("404"));
  const { epoch } = writer;
  memory.table("http_status").retire(0);
  writer.sweep();
  assert.equal(writer.epoch, epoch, "nothing is looked at before it is announced");
  memory.announceRetirement();
  writer.sweep();
  assert.notEqual(writer.epoch, epoch);
  assert.deepEqual(live(memory), [[status("404").join(), 1]]);
  count(writer, status("200"));
  assert.deepEqual(live(memory).sort(), [
    [status("200").join(), 1],
    [status("404").join(), 1],
  ]);
});

test("labels of any text: cut where they are long, apart where they differ, never beyond their place", () => {
  const long = fc.tuple(fc.constantFrom("a", "\u00e9", "\u20ac", "\ud83d"), fc.integer({ min: 0, max: 300 }));
  const label = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.constant("a\0b"),
    long.map(([one, times]) => one.repeat(times)),
  );
  fc.assert(
    fc.property(fc.array(fc.array(label, { minLength: 1, maxLength: 6 }), { maxLength: 15 }), (requests) => {
      const memory = new MetricMemory(shape);
      const writer = new MetricWriter(memory);
      for (const labels of requests) count(writer, labels);
      const table = memory.table("http_status");
      const places = Array.from({ length: table.used }, (_, place) => place);
      for (const place of places) assert.ok(Buffer.byteLength(table.text(place)) <= LABEL_BYTES);
      assert.equal(
        places.reduce((sum, place) => sum + table.cells[place]!, 0),
        requests.length,
      );
      const own = places.map((place) => table.text(place)).filter((text) => !isOverflow(text));
      assert.equal(new Set(own).size, own.length);
      assert.ok(own.length <= shape.maxSeries);
    }),
    { numRuns: 20 },
  );
});
