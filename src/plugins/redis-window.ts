import type { WindowCount } from "./limit-window.ts";
import type { RedisLink } from "./redis-link.ts";

/** Windows counted in a Redis, by its clock: all gateways that use it count together. */

/** Longer than any gateway runs, milliseconds. */
const LONGEST_MS = 2 ** 42;

/** Limit and window (milliseconds) in; passed, used and milliseconds to the end out. */
const FIXED = `
local used = tonumber(redis.call("GET", KEYS[1]) or "0")
local rest = redis.call("PTTL", KEYS[1])
if used >= tonumber(ARGV[1]) then return {0, used, rest} end
used = redis.call("INCR", KEYS[1])
if rest < 0 then
  rest = tonumber(ARGV[2])
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
end
return {1, used, rest}
`;

/** One field for each window; "used" is the present one and what still counts of the one before, rounded up. */
const SLIDING = `
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local index = math.floor(now / window)
local rest = (index + 1) * window - now
local name, before = string.format("%.0f", index), string.format("%.0f", index - 1)
local earlier = tonumber(redis.call("HGET", KEYS[1], before) or "0") * rest / window
local used = tonumber(redis.call("HGET", KEYS[1], name) or "0")
if earlier + used + 1 > limit then return {0, math.ceil(earlier + used), rest} end
if used == 0 then
  for _, field in ipairs(redis.call("HKEYS", KEYS[1])) do
    if field ~= before then redis.call("HDEL", KEYS[1], field) end
  end
end
used = redis.call("HINCRBY", KEYS[1], name, 1)
redis.call("PEXPIRE", KEYS[1], string.format("%.0f", rest + window))
return {1, math.ceil(earlier + used), rest}
`;

/** Requests that have passed, and window (milliseconds) in; used and milliseconds to the end out. */
const ADD_FIXED = `
local used = redis.call("INCRBY", KEYS[1], ARGV[1])
local rest = redis.call("PTTL", KEYS[1])
if rest < 0 then
  rest = tonumber(ARGV[2])
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
end
return {used, rest}
`;

const ADD_SLIDING = `
local count, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local index = math.floor(now / window)
local rest = (index + 1) * window - now
local name, before = string.format("%.0f", index), string.format("%.0f", index - 1)
local earlier = tonumber(redis.call("HGET", KEYS[1], before) or "0") * rest / window
for _, field in ipairs(redis.call("HKEYS", KEYS[1])) do
  if field ~= before and field ~= name then redis.call("HDEL", KEYS[1], field) end
end
local used = redis.call("HINCRBY", KEYS[1], name, count)
redis.call("PEXPIRE", KEYS[1], string.format("%.0f", rest + window))
return {math.ceil(earlier + used), rest}
`;

/** Adds what has passed, whatever the limit; rejects where the Redis does not answer. */
export async function addInRedis(
  redis: RedisLink,
  type: "fixed" | "sliding",
  key: string,
  count: number,
  seconds: number,
): Promise<{ readonly used: number; readonly restMs: number }> {
  const window = Math.min(seconds * 1_000, LONGEST_MS);
  const answer = await redis.run(type === "fixed" ? ADD_FIXED : ADD_SLIDING, key, count, window);
  const [used, rest] = answer as readonly [number, number];
  return { used, restMs: Math.max(0, rest) };
}

/** As `countInWindow`; rejects where the Redis does not answer. */
export async function countInRedis(
  redis: RedisLink,
  type: "fixed" | "sliding",
  key: string,
  limit: number,
  seconds: number,
): Promise<WindowCount> {
  const window = Math.min(seconds * 1_000, LONGEST_MS);
  const answer = await redis.run(type === "fixed" ? FIXED : SLIDING, key, limit, window);
  const [passed, used, rest] = answer as readonly [number, number, number];
  return {
    passed: passed === 1,
    limit,
    remaining: Math.max(0, limit - used),
    reset: Math.max(0, Math.ceil(rest / 1_000)),
  };
}
