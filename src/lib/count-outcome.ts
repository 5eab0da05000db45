/** What became of an update of a shared counter. */
export const Outcome = {
  /** There is no place for the key: nothing was counted. */
  full: -1,
  /** The value was left as it is. */
  kept: 0,
  changed: 1,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** A hold that was not taken: the limit is reached. */
export const NOT_HELD = -1;
/** A hold that was not taken: there is no place for the key. */
export const NOT_COUNTED = -2;
