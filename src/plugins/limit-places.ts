import { randomUUID } from "node:crypto";
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

/**
 * The requests that run are the members of a sorted set, by the second in which they
 * began. Limit, seconds to keep them in, and the request's name in; how many there are
 * now out, -1: refused.
 */
const ENTER = `
local now = tonumber(redis.call("TIME")[1])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now - tonumber(ARGV[2]))
local count = redis.call("ZCARD", KEYS[1])
if count >= tonumber(ARGV[1]) then return -1 end
redis.call("ZADD", KEYS[1], now, ARGV[3])
redis.call("EXPIRE", KEYS[1], ARGV[2])
return count + 1
`;

const LEAVE = `return redis.call("ZREM", KEYS[1], ARGV[1])`;

const DEFAULT_TTL = 3_600;

/** In a Redis. What a gateway held that has died is forgotten after `key_ttl`. */
export function redisPlaces(redis: RedisLink, { scope }: Counters, conf: { readonly key_ttl?: number }): Places {
  const worker = randomUUID();
  let entered = 0;
  return async (key, conn, burst) => {
    const name = `limit-conn:${scope}:${key}`;
    const request = `${worker}:${++entered}`;
    const leave = (): void => void redis.run(LEAVE, name, request).catch(() => undefined);
    try {
      const count = Number(await redis.run(ENTER, name, conn + burst, conf.key_ttl ?? DEFAULT_TTL, request));
      return count < 0 ? null : { above: count - conn, leave };
    } catch (error) {
      // It may have been counted, and the answer is late.
      leave();
      return reasonOf(error);
    }
  };
}
