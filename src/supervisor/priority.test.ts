import assert from "node:assert/strict";
import { getPriority } from "node:os";
import { test } from "node:test";
import { atNormalPriority, raisePriority } from "./priority.ts";

test("threads are started at the priority of before, whatever this thread has", () => {
  const before = getPriority(0);
  raisePriority();
  const raised = getPriority(0);
  assert.ok(raised <= before, "never lower, and unchanged where it is not allowed");
  assert.equal(
    atNormalPriority(() => getPriority(0)),
    before,
  );
  assert.equal(getPriority(0), raised);
});
