import assert from "node:assert/strict";
import { setImmediate, setTimeout } from "node:timers/promises";
import { after, before, test } from "node:test";
import { giveWayWhile } from "../../lib/give-way.ts";
import { WriteGate } from "./write-gate.ts";

let busy = true;
before(() => giveWayWhile(() => busy));
after(() => giveWayWhile(() => false));

test("a write after a pause goes on at once, with those of the same turn; what follows goes on together", async () => {
  const gate = new WriteGate();
  assert.equal(gate.enter(), null);
  assert.equal(gate.enter(), null);
  await setImmediate();
  const order: string[] = [];
  const wait = async (name: string): Promise<void> => {
    const turn = gate.enter();
    assert.notEqual(turn, null, `${name} follows the first ones closely`);
    await turn;
    order.push(name);
    await setImmediate();
    order.push("a turn later");
  };
  await Promise.all([wait("third"), wait("fourth"), wait("fifth")]);
  assert.deepEqual(order, ["third", "fourth", "fifth", "a turn later", "a turn later", "a turn later"]);
});

/** Has two writes come by themselves, one after the other, and both go on. */
async function twoByThemselves(gate: WriteGate): Promise<void> {
  assert.equal(gate.enter(), null);
  await setImmediate();
  gate.leave();
  const first = gate.enter();
  await setTimeout(10);
  await Promise.all([first, gate.enter()]);
}

test("once all have left, the thread rests until it is time for the next group", async () => {
  const gate = new WriteGate();
  await twoByThemselves(gate);
  gate.leave();
  gate.leave();
  assert.equal(gate.enter(), null);
});

test("a writer that is alone again does not wait for long", async () => {
  const gate = new WriteGate();
  await twoByThemselves(gate);
  gate.leave();
  gate.leave();
  let waits = 0;
  for (let write = 0; write < 20; write++) {
    const turn = gate.enter();
    if (turn !== null) waits++;
    await (turn ?? setImmediate());
    gate.leave();
  }
  assert.ok(waits < 4, `${waits} of 20 writes waited`);
});

test("while workers are not busy no write waits", async () => {
  busy = false;
  const gate = new WriteGate();
  for (let write = 0; write < 3; write++) {
    assert.equal(gate.enter(), null);
    await setImmediate();
    gate.leave();
  }
  busy = true;
});
