import { NOT_COUNTED, Outcome } from "../lib/count-outcome.ts";

/**
 * Counters that all workers of the gateway share, exact whoever counts at the same
 * time; they survive the death of a worker and a reload. Those of a plugin belong to
 * its configuration on its resource: a changed configuration begins anew. Not to be
 * used while a plugin is compiled, but for `named`.
 */
export interface Counters {
  /** What tells these counters from all others, for counting elsewhere; the same on every node with this configuration. */
  readonly scope: string;
  /** The value after the last `update` or `hold`. */
  readonly value: number;
  /** When the value of the last `update` expires, microseconds of `now`. */
  readonly expires: number;
  /** Counters that everybody shares who asks for the same name. */
  named(name: string): Counters;
  /** Microseconds of a clock that all workers share; never goes back. */
  now(): number;
  /**
   * Replaces the value of a key by `next` of it; a key that has none begins at 0 and
   * expires after `ttl` microseconds. `next` may be called several times and returns a
   * whole number from 0 to 2^53 - 1, or -1: leave it. With `extend` the time begins
   * anew with each change (the key is kept for `ttl` after it, or up to twice as long).
   */
  update(key: string, now: number, ttl: number, extend: boolean, next: (value: number) => number): Outcome;
  /** The value of a key; 0 where it has none or has expired. */
  peek(key: string, now: number): number;
  /**
   * Counts one more holder of a key unless `limit` are there, and returns what `giveBack`
   * takes; `NOT_HELD` or `NOT_COUNTED` (negative) where nothing was counted. What a
   * worker holds when it dies is given back.
   */
  hold(key: string, limit: number): number;
  /** Once for each hold. */
  giveBack(hold: number): void;
}

/** For checking configurations: counts nothing. */
export const dryCounters: Counters = {
  scope: "",
  value: 0,
  expires: 0,
  named: () => dryCounters,
  now: () => 0,
  update: () => Outcome.full,
  peek: () => 0,
  hold: () => NOT_COUNTED,
  giveBack() {},
};
