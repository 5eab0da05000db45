import { reasonOf } from "../lib/errors.ts";
import { Outcome } from "../lib/count-outcome.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition, PluginHandlers, Reply } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitReq as facts } from "./catalogue/limits.ts";
import { compileAnswers, TABLE_FULL, waitFor } from "./limit-answers.ts";
import { compileKey, type KeyType } from "./limit-key.ts";
import { createRedisLink, type RedisLink } from "./redis-link.ts";
import type { RedisConf } from "./redis-options.ts";

interface LimitReqConf extends RedisConf {
  readonly rate: number;
  readonly burst: number;
  readonly key: string;
  readonly key_type: KeyType;
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly nodelay: boolean;
  readonly allow_degradation: boolean;
}

const SECOND = 1_000_000;
/** Longer than any gateway runs, microseconds. */
const LONGEST = 2 ** 50;
/** Shorter waits are not worth a timer, microseconds. */
const SHORTEST_WAIT = 1_000;

/** The same bucket in a Redis, by its clock. Interval and most in; microseconds to wait out, -1: refused. */
const BUCKET = `
local interval, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local empty = tonumber(redis.call("GET", KEYS[1]) or "0")
local after = math.max(math.floor(empty + interval + 0.5), now)
if after - now > most then return -1 end
local keep = math.ceil((after - now + 2 * interval) / 1000)
redis.call("SET", KEYS[1], string.format("%.0f", after), "PX", string.format("%.0f", keep))
return after - now
`;

/**
 * A leaky bucket, kept as one number: the time at which it will have leaked empty. A
 * request puts that time off by one interval; how far it lies ahead says how many
 * requests are in the bucket.
 */
export const limitReq: PluginDefinition<LimitReqConf> = {
  ...facts,
  summary: "Lets requests through at a rate; some above it wait, the others are refused. Exact over all workers.",
  schema: explained(facts.schema, {
    rate: "Requests per second.",
    burst: "Requests above the rate that wait for their turn.",
    key: "What is counted by: a variable (without `$`), or text with variables. Where no variable has a value, the client's address.",
    key_type: "How `key` is read.",
    policy: "Where is counted. `local`: in this gateway; the others: in a Redis that several gateways share.",
    rejected_code: "Status of a refusal.",
    rejected_msg: "Message of a refusal; without one the standard page is sent.",
    nodelay: "Lets what is within `burst` through at once.",
    allow_degradation: "Lets requests pass that cannot be counted; otherwise they get 500.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const keyOf = compileKey(conf.key, conf.key_type);
    // Whole, as the times that are kept: what is rounded away with each request would eat up the burst.
    const interval = Math.min(Math.max(1, Math.round(SECOND / conf.rate)), LONGEST);
    const most = Math.min(conf.burst * interval, LONGEST);
    const { counters } = env;
    const redis = createRedisLink(conf);

    function pass(wait: number): Promise<void> | undefined {
      return conf.nodelay || wait < SHORTEST_WAIT ? undefined : waitFor(wait / SECOND);
    }

    async function ask(link: RedisLink, ctx: RequestContext): Promise<Reply | void> {
      let wait: unknown;
      try {
        wait = await link.run(BUCKET, `limit-req:${counters.scope}:${keyOf(ctx)}`, interval, most);
      } catch (error) {
        return answers.failed(reasonOf(error));
      }
      return Number(wait) < 0 ? answers.rejection : await pass(Number(wait));
    }

    if (redis !== null) return { access: (ctx) => ask(redis, ctx), dispose: () => redis.close() };
    return {
      access(ctx) {
        const now = counters.now();
        const outcome = counters.update(keyOf(ctx), now, most + 2 * interval, true, (empty) => {
          const next = Math.max(Math.round(empty + interval), now);
          return next - now > most ? -1 : next;
        });
        if (outcome === Outcome.full) return answers.failed(TABLE_FULL);
        if (outcome === Outcome.kept) return answers.rejection;
        return pass(counters.value - now);
      },
    };
  },
};
