import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { WriteGate } from "./write-gate.ts";

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
