import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFaults } from "./faults.ts";

test("unset and on hold nothing", () => {
  assert.equal(parseFaults(undefined).size, 0);
  assert.equal(parseFaults("on").size, 0);
});

test("holds are read per worker", () => {
  assert.deepEqual(
    [...parseFaults("hold-config:9,hold-start:3,hold-config:3")],
    [
      [9, ["hold-config"]],
      [3, ["hold-start", "hold-config"]],
    ],
  );
});

test("anything else is named", () => {
  assert.throws(() => parseFaults("crash:1"), /"crash:1"/);
  assert.throws(() => parseFaults("hold-start:x"), /"hold-start:x"/);
});
