import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { PlaceInQueue } from "./place-in-queue.ts";

interface Fixture {
  readonly moves: readonly boolean[];
  /** Rests so often, `usual` milliseconds each. */
  rest(usual: number, times: number): void;
  /** Lets time pass without work. */
  pause(ms: number): void;
}

function fixture(t: TestContext): Fixture {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const moves: boolean[] = [];
  const place = new PlaceInQueue((last) => moves.push(last));
  let now = 0;
  return {
    moves,
    rest(usual, times) {
      for (let one = 0; one < times; one++) place.rested(usual, (now += usual));
    },
    pause(ms) {
      now += ms;
      t.mock.timers.tick(ms);
    },
  };
}

test("a thread goes last once short rests in a row have shown that there is room", (t) => {
  const { moves, rest } = fixture(t);
  rest(0.6, 100);
  assert.deepEqual(moves, [], "others want the core for a while after each rest");
  rest(0.1, 9);
  rest(0.6, 1);
  rest(0.1, 9);
  assert.deepEqual(moves, []);
  rest(0.1, 1);
  assert.deepEqual(moves, [true]);
  rest(1.9, 100);
  assert.deepEqual(moves, [true], "it stays until rests have become waits");
});

test("a thread that went last comes back where rests have become waits for the core, and stays for a while", (t) => {
  const { moves, rest, pause } = fixture(t);
  rest(0.1, 10);
  rest(2.1, 1);
  assert.deepEqual(moves, [true, false]);
  rest(0.1, 100);
  assert.deepEqual(moves, [true, false]);
  pause(2_000);
  rest(0.1, 10);
  assert.deepEqual(moves, [true, false, true]);
});

test("a thread that went last comes back when there is no more work", (t) => {
  const { moves, rest, pause } = fixture(t);
  rest(0.1, 10);
  for (let turn = 0; turn < 3; turn++) {
    rest(0.1, 1);
    pause(250);
    assert.deepEqual(moves, [true]);
  }
  pause(250);
  assert.deepEqual(moves, [true, false]);
  rest(0.1, 9);
  assert.deepEqual(moves, [true, false], "what comes next has to show anew that there is room");
  rest(0.1, 1);
  assert.deepEqual(moves, [true, false, true]);
});
