/** Where a connection of HTTP/1.x is; `connection.ts` has the transitions. */
export const State = {
  idle: 0,
  head: 1,
  exchange: 2,
  flushing: 3,
  discarding: 4,
  tunnel: 5,
  lingering: 6,
  closed: 7,
} as const;
