import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryReturn } from "./memory-return.ts";

function watched(): { memory: MemoryReturn; collections: () => number } {
  let count = 0;
  return { memory: new MemoryReturn(() => count++), collections: () => count };
}

function beats(memory: MemoryReturn, count: number, connections: number, requests: number): void {
  for (let i = 0; i < count; i++) memory.beat(connections, requests);
}

test("memory is given back once a crowd has gone and nothing is asked, and only once", () => {
  const { memory, collections } = watched();
  beats(memory, 20, 5_000, 0);
  assert.equal(collections(), 0, "they are still there");
  beats(memory, 20, 100, 0);
  assert.equal(collections(), 1);
  beats(memory, 100, 0, 0);
  assert.equal(collections(), 1);
  beats(memory, 20, 2_000, 0);
  beats(memory, 20, 0, 0);
  assert.equal(collections(), 2);
});

test("a worker that is busy collects by itself", () => {
  const { memory, collections } = watched();
  beats(memory, 20, 5_000, 0);
  for (let i = 1; i <= 100; i++) memory.beat(0, i * 10);
  assert.equal(collections(), 0);
  beats(memory, 10, 0, 1_000);
  assert.equal(collections(), 1);
});

test("a few connections are no crowd", () => {
  const { memory, collections } = watched();
  beats(memory, 20, 900, 0);
  beats(memory, 20, 0, 0);
  assert.equal(collections(), 0);
});
