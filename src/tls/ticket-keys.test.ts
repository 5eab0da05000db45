import assert from "node:assert/strict";
import { test } from "node:test";
import { TICKET_KEY_MS, TicketKeys } from "./ticket-keys.ts";

const seed = { epoch: 100, secret: new Uint8Array(32).fill(7) };

test("threads with one seed have one key at a time, also those that start later", () => {
  const first = new TicketKeys(seed);
  const second = new TicketKeys(seed);
  const at = 103 * TICKET_KEY_MS + 5;
  const late = new TicketKeys(first.seedAt(at));
  assert.equal(second.epochAt(at), 103);
  assert.deepEqual(second.key, first.key);
  assert.deepEqual(late.key, first.key);
  assert.equal(first.key.length, 48);
});

test("each hour has another key, and the clock does not bring one back", () => {
  const keys = new TicketKeys(seed);
  const before = keys.key;
  assert.equal(keys.epochAt(101 * TICKET_KEY_MS), 101);
  const after = keys.key;
  assert.notDeepEqual(after, before);
  assert.equal(keys.epochAt(100 * TICKET_KEY_MS), 101);
  assert.deepEqual(keys.key, after);
});
