import assert from "node:assert/strict";
import { test } from "node:test";
import { type Timed, TimerWheel } from "./timer-wheel.ts";

class Alarm implements Timed {
  deadline = Infinity;
  dueTick = -1;
  readonly wheel: TimerWheel;
  readonly rang: Promise<number>;
  #resolve!: (at: number) => void;
  times = 0;

  constructor(wheel: TimerWheel) {
    this.wheel = wheel;
    this.rang = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  expired(): void {
    this.times++;
    this.#resolve(performance.now());
  }
}

/** The wheel does not keep the process alive by itself. */
function keepAlive(t: { after(end: () => void): void }): TimerWheel {
  const wheel = new TimerWheel();
  const timer = setInterval(() => {}, 1_000);
  t.after(() => {
    clearInterval(timer);
    wheel.close();
  });
  return wheel;
}

test("a deadline is never met early", async (t) => {
  const wheel = keepAlive(t);
  const alarm = new Alarm(wheel);
  const start = wheel.now;
  wheel.set(alarm, 120);
  assert.ok((await alarm.rang) >= start + 120);
});

test("a deadline that moves is met once, where it is last", async (t) => {
  const wheel = keepAlive(t);
  const alarm = new Alarm(wheel);
  const later = new Alarm(wheel);
  wheel.set(alarm, 60_000);
  wheel.set(alarm, 60);
  wheel.set(alarm, 150);
  const start = wheel.now;
  wheel.set(later, 400);
  assert.ok((await alarm.rang) >= start + 150);
  await later.rang;
  assert.equal(alarm.times, 1);
});

test("a cleared deadline is not met, and 0 means none", async (t) => {
  const wheel = keepAlive(t);
  const cleared = new Alarm(wheel);
  const none = new Alarm(wheel);
  const last = new Alarm(wheel);
  wheel.set(cleared, 60);
  wheel.clear(cleared);
  wheel.set(none, 0);
  wheel.set(last, 300);
  await last.rang;
  assert.equal(cleared.times + none.times, 0);
});

test("deadlines beyond a turn of the wheel stay", (t) => {
  const wheel = keepAlive(t);
  const alarm = new Alarm(wheel);
  wheel.set(alarm, 3_600_000);
  assert.ok(alarm.dueTick > 0);
  assert.equal(alarm.deadline, wheel.now + 3_600_000);
});

test("what is forgotten is not held, wherever it had been placed", async (t) => {
  const wheel = keepAlive(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  const registry = new FinalizationRegistry(() => resolve());
  const place = (): void => {
    const alarm = new Alarm(wheel);
    registry.register(alarm, "alarm");
    wheel.set(alarm, 40_000);
    wheel.set(alarm, 30_000);
    wheel.forget(alarm);
  };
  place();
  // Garbage is collected when there is enough of it.
  let garbage: number[][] = [];
  const timer = setInterval(() => {
    garbage = Array.from({ length: 200 }, () => Array.from({ length: 5_000 }, Math.random));
  }, 5);
  t.after(() => clearInterval(timer));
  await promise;
  assert.ok(garbage.length >= 0);
});

test("what one deadline's end sets or forgets for another counts", async (t) => {
  const wheel = keepAlive(t);
  const last = new Alarm(wheel);
  const forgotten = new Alarm(wheel);
  const first = new Alarm(wheel);
  first.expired = () => {
    wheel.forget(forgotten);
    wheel.forget(last);
    wheel.set(last, 60);
  };
  wheel.set(first, 30);
  wheel.set(forgotten, 30);
  wheel.set(last, 30);
  await last.rang;
  assert.equal(last.times, 1);
  assert.equal(forgotten.times, 0);
});
