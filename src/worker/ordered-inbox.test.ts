import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderedInbox } from "./ordered-inbox.ts";

test("messages keep their order, whatever has to be prepared", async () => {
  const handled: string[] = [];
  const ready = new Map([
    ["b", Promise.withResolvers<void>()],
    ["d", Promise.withResolvers<void>()],
  ]);
  const inbox = new OrderedInbox<string>(
    (message) => ready.get(message)?.promise ?? null,
    (message) => void handled.push(message),
  );
  inbox.push("a");
  assert.deepEqual(handled, ["a"], "at once");
  for (const message of ["b", "c", "d", "e"]) inbox.push(message);
  assert.deepEqual(handled, ["a"]);
  ready.get("d")?.resolve();
  ready.get("b")?.resolve();
  await ready.get("b")?.promise;
  while (handled.length < 5) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(handled, ["a", "b", "c", "d", "e"]);
});
