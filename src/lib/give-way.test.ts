import assert from "node:assert/strict";
import { test } from "node:test";
import { giveWay, giveWayWhile } from "./give-way.ts";

const CALLS = 10_000;

/** How many of many calls in a row rested. */
function rests(): number {
  let count = 0;
  for (let call = 0; call < CALLS; call++) if (giveWay()) count++;
  return count;
}

test("a thread rests after each piece of work while others are busy, and only then", () => {
  assert.equal(rests(), 0, "nobody has said who the others are");
  let busy = false;
  giveWayWhile(() => busy);
  assert.equal(rests(), 0);
  busy = true;
  const count = rests();
  assert.ok(count > 0 && count < CALLS, `${count} rests`);
});
