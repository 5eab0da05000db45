import { NOT_COUNTED, NOT_HELD } from "../lib/count-outcome.ts";
import { reasonOf } from "../lib/errors.ts";
import type { Counters } from "../plugin/counters.ts";
import { TABLE_FULL } from "./limit-answers.ts";
import type { RedisLink } from "./redis-link.ts";

/** Where limit-conn counts the requests that run. */

/** A place among the requests that run. */
export interface Entrance {
  /** By how much the request is above `conn`. */
  readonly above: number;
  /** Once. */
  readonly leave: () => void;
}

/** Takes a place for the key, where fewer than `conn + burst` are taken; `null`: refused; or why it cannot be counted. */
export type Places = (
  key: string,
  conn: number,
  burst: number,
) => Entrance | string | null | Promise<Entrance | string | null>;

/** In this gateway. */
export function localPlaces(counters: Counters): Places {
  return (key, conn, burst) => {
    const hold = counters.hold(key, conn + burst);
    if (hold === NOT_COUNTED) return TABLE_FULL;
    if (hold === NOT_HELD) return null;
    return { above: counters.value - conn, leave: () => counters.giveBack(hold) };
  };
}

/** Limit and seconds to keep the key in; how many there are now out, -1: refused. */
const ENTER = `
local now = tonumber(redis.call("GET", KEYS[1]) or "0")
if now >= tonumber(ARGV[1]) then return -1 end
now = redis.call("INCR", KEYS[1])
redis.call("EXPIRE", KEYS[1], ARGV[2])
return now
`;

const LEAVE = `
if tonumber(redis.call("GET", KEYS[1]) or "0") > 0 then return redis.call("DECR", KEYS[1]) end
return 0
`;

const DEFAULT_TTL = 3_600;

/** In a Redis. What a gateway holds that dies is forgotten when the key has not been used for its `key_ttl`. */
export function redisPlaces(redis: RedisLink, { scope }: Counters, conf: { readonly key_ttl?: number }): Places {
  return async (key, conn, burst) => {
    const name = `limit-conn:${scope}:${key}`;
    try {
      const count = Number(await redis.run(ENTER, name, conn + burst, conf.key_ttl ?? DEFAULT_TTL));
      if (count < 0) return null;
      const leave = (): void => void redis.run(LEAVE, name).catch(() => undefined);
      return { above: count - conn, leave };
    } catch (error) {
      return reasonOf(error);
    }
  };
}
