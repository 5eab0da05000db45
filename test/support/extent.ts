/** Whether tests take all of what they promise (`TURNPIKE_TEST_FULL=on`) instead of the share that fits into `npm test`. */
export const full = process.env.TURNPIKE_TEST_FULL === "on";

/** How many times something is done: `all` of it, or a share of it in `npm test`. */
export const times = (all: number, share: number): number => (full ? all : share);
