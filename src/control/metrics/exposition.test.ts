import assert from "node:assert/strict";
import { test } from "node:test";
import { histogram, metric, single } from "./exposition.ts";

test("values of labels are escaped, numbers are written in full", () => {
  assert.equal(
    metric("m", "gauge", "A \\ and\nB", [
      [[["a", 'x"y\\z\n']], 1e15],
      [[], 0.5],
    ]),
    '# HELP m A \\\\ and\\nB\n# TYPE m gauge\nm{a="x\\"y\\\\z\\n"} 1000000000000000\nm 0.5\n',
  );
  assert.equal(metric("m", "gauge", "none", []), "");
  assert.match(single("m", "gauge", "x", Infinity), /m \+Inf\n$/);
});

test("buckets are cumulative and end with all", () => {
  assert.equal(
    histogram("h", [["a", "b"]], [1, 2.5], [3, 0, 4], 9.25),
    'h_bucket{a="b",le="1"} 3\nh_bucket{a="b",le="2.5"} 3\nh_bucket{a="b",le="+Inf"} 7\nh_sum{a="b"} 9.25\nh_count{a="b"} 7\n',
  );
  assert.match(histogram("h", [], [1], [0, 0], 0), /^h_bucket\{le="1"\} 0\n.*\nh_sum 0\nh_count 0\n$/);
});
