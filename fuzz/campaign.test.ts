import assert from "node:assert/strict";
import { test } from "node:test";
import { Campaign } from "./campaign.ts";
import { minimised } from "./minimise.ts";
import { times } from "../test/support/extent.ts";

/** Part of every `npm test`, always the same streams; `npm run fuzz` draws others for as long as wanted. */
const RUN = 1;
const BUDGET_MS = times(12_000, 4_000);

test("hostile streams, whole and in pieces: nothing leaks, nothing hangs, what arrives is what was meant", async (t) => {
  const campaign = await Campaign.start();
  t.after(() => campaign.close());
  const finding = await campaign.run(RUN, performance.now() + BUDGET_MS);
  assert.equal(finding, null, `npm run fuzz -- --seed ${finding?.seed}`);
  assert.ok(campaign.streams > 0);
  t.diagnostic(`${campaign.streams} streams`);
});

test("a finding is made shorter", async () => {
  const text = `${"a".repeat(500)}X${"b".repeat(300)}Y${"c".repeat(100)}`;
  assert.equal(await minimised(text, async (shorter) => /X.*Y/.test(shorter)), "XY");
});
