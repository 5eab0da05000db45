import { CROWDED_MS, PlaceInQueue } from "./place-in-queue.ts";
import type { GoLast } from "./thread-priority.ts";

/** After how much work there is a rest, and how long it is at least, in milliseconds. */
const WORK_MS = 0.1;
const REST_MS = 0.05;
/** Work that may follow a rest then, as a multiple of how long they take. */
const SHARE = 2;
/** What the last rest counts in that average: one long wait by itself is no reason to work longer. */
const NEWEST = 1 / 8;

const nothing = new Int32Array(new SharedArrayBuffer(4));
let busy: (() => boolean) | null = null;
let place: PlaceInQueue | null = null;
let restAt = -Infinity;
/** How long rests take on average, in milliseconds. */
let usual = 0;

/**
 * From now on `giveWay` rests where `othersAreBusy` says so, in this thread. That function
 * is asked up to a few thousand times a second. With `goLast` the thread goes behind everybody
 * else meanwhile, where there is room.
 */
export function giveWayWhile(othersAreBusy: () => boolean, goLast: GoLast | null = null): void {
  busy = othersAreBusy;
  place = goLast === null ? null : new PlaceInQueue(goLast);
}

/** Whether requests would feel it now if this thread kept a core. */
export function areOthersBusy(): boolean {
  return busy?.() === true;
}

/**
 * Lets a thread that answers requests have the core, if this one has had it for a while; true
 * where it did. To be called between the pieces of long work. Linux lets a thread that runs go
 * on until its slice or the tick of the clock ends, for up to 4 ms, unless its priority is far
 * lower; one that sleeps in between, however shortly, delays others by what a piece takes. Where
 * every rest becomes a wait for the core, resting as often would leave it next to nothing.
 */
export function giveWay(): boolean {
  if (busy === null) return false;
  const now = performance.now();
  if (now < restAt) return false;
  if (!busy()) {
    restAt = now + WORK_MS;
    return false;
  }
  Atomics.wait(nothing, 0, 0, REST_MS);
  const then = performance.now();
  usual += (then - now - usual) * NEWEST;
  restAt = then + (usual > CROWDED_MS ? usual * SHARE : WORK_MS);
  place?.rested(usual, then);
  return true;
}

/**
 * Lets others have the core for `ms` milliseconds, if they are busy; true where it did. For when
 * what comes next is to be waited for anyway: nothing else of this thread goes on meanwhile.
 */
export function rest(ms: number): boolean {
  if (ms <= 0 || !areOthersBusy()) return false;
  Atomics.wait(nothing, 0, 0, ms);
  restAt = performance.now() + WORK_MS;
  return true;
}
