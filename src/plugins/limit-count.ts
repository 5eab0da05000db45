import { reasonOf } from "../lib/errors.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Counters } from "../plugin/counters.ts";
import { isHeaderName } from "../plugin/header-text.ts";
import { reply, type PluginDefinition, type PluginEnv, type PluginHandlers, type Reply } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitCount as facts } from "./catalogue/limits.ts";
import { compileAnswers, TABLE_FULL } from "./limit-answers.ts";
import { compileCombination, compileKey, compileNumber, type KeyType } from "./limit-key.ts";
import { countInWindow, type WindowCount } from "./limit-window.ts";
import { DelayedCounts } from "./redis-delayed.ts";
import { createRedisLink, type RedisLink } from "./redis-link.ts";
import type { RedisConf } from "./redis-options.ts";
import { countInRedis } from "./redis-window.ts";

interface Quota {
  readonly count: number | string;
  readonly time_window: number | string;
}

interface RuleConf extends Quota {
  readonly key: string;
  readonly header_prefix?: string;
}

interface LimitCountConf extends Partial<Quota>, RedisConf {
  readonly window_type: "fixed" | "sliding";
  readonly group?: string;
  readonly key: string;
  readonly key_type: KeyType;
  readonly rules?: readonly RuleConf[];
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
  readonly show_limit_quota_header: boolean;
}

export const limitCount: PluginDefinition<LimitCountConf> = {
  ...facts,
  summary: "Lets so many requests through in a time; exact over all workers.",
  schema: explained(facts.schema, {
    count: "Requests that pass in the time: a number above 0, or text with variables that gives one.",
    time_window: "The time, seconds; likewise.",
    window_type:
      "`fixed`: the time begins with the first request; `sliding`: what passed in the time before counts for the part of it that is still near.",
    group: "What has the same group and the same limit counts together, wherever it stands.",
    key: "What is counted by: a variable (without `$`), text with variables, or any text. Where no variable has a value, the client's address.",
    key_type: "How `key` is read.",
    rules: "Several limits instead of `count` and `time_window`, applied in order.",
    rejected_code: "Status of a refusal.",
    rejected_msg: "Message of a refusal; without one the standard page is sent.",
    policy: "Where is counted. `local`: in this gateway; the others: in a Redis that several gateways share.",
    allow_degradation:
      "Lets requests pass that cannot be counted, or whose limit is no number; otherwise they get 500.",
    show_limit_quota_header: "Sends `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.",
    sync_interval:
      "Seconds between two exchanges with the Redis, from 0.1; `-1`: with every request. In between is counted here, so that more than the limit may pass.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const redis = createRedisLink(conf);
    const delayed = redis === null ? null : createDelayed(conf, redis);
    const limits = compileLimits(conf, env, redisCount(redis, delayed));
    const uncounted = reply(500, { error_msg: "failed to limit count" });
    const shown = conf.show_limit_quota_header ? `limit-count ${nextInstance++}` : null;

    /** Applies the limits from this one on. */
    function apply(ctx: RequestContext, from: number): Reply | undefined | Promise<Reply | undefined> {
      for (let index = from; index < limits.length; index++) {
        const limit = limits[index]!;
        const key = limit.key(ctx);
        if (key === undefined) continue;
        const result = limit.count(ctx, key);
        if (result instanceof Promise) {
          return result.then(async (found) => judge(ctx, limit, found) ?? (await apply(ctx, index + 1)));
        }
        const answer = judge(ctx, limit, result);
        if (answer !== undefined) return answer;
      }
      return undefined;
    }

    function judge(ctx: RequestContext, { headers }: Limit, result: Counted): Reply | undefined {
      if (typeof result === "string") return answers.failed(result);
      if ("uncounted" in result) return answers.failed(result.uncounted, uncounted);
      if (shown !== null) {
        const quotas = ctx.values.get(shown) as Quotas | undefined;
        if (quotas === undefined) ctx.values.set(shown, [[headers, result]]);
        else quotas.push([headers, result]);
      }
      return result.passed ? undefined : answers.rejection;
    }

    return {
      access: (ctx) => apply(ctx, 0),
      ...(shown !== null && {
        header_filter(ctx, head) {
          for (const [names, { limit, remaining, reset }] of (ctx.values.get(shown) ?? []) as Quotas) {
            head.setHeader(names[0], String(limit));
            head.setHeader(names[1], String(remaining));
            head.setHeader(names[2], String(reset));
          }
        },
      }),
      ...(redis !== null && { dispose: () => void closeAll(redis, delayed) }),
    };
  },
};

/** Counts in a Redis; `null`: here. */
type RedisCount = (
  type: "fixed" | "sliding",
  key: string,
  limit: number,
  seconds: number,
) => WindowCount | Promise<WindowCount>;

function redisCount(redis: RedisLink | null, delayed: DelayedCounts | null): RedisCount | null {
  if (redis === null) return null;
  if (delayed !== null) return (...request) => delayed.count(...request);
  return (...request) => countInRedis(redis, ...request);
}

/** `null`: the Redis is asked with every request. */
function createDelayed({ sync_interval: seconds = -1 }: RedisConf, redis: RedisLink): DelayedCounts | null {
  if (seconds === -1) return null;
  if (seconds < 0.1 || seconds > 86_400) throw new Error("sync_interval: expected -1, or seconds from 0.1 to 86400");
  return new DelayedCounts(redis, seconds * 1_000);
}

async function closeAll(redis: RedisLink, delayed: DelayedCounts | null): Promise<void> {
  await delayed?.close();
  redis.close();
}

type HeaderNames = readonly [limit: string, remaining: string, reset: string];
type Quotas = (readonly [names: HeaderNames, count: WindowCount])[];

/** Tells instances on one request apart. */
let nextInstance = 0;

/** The count; a text: why there is no limit; or why it could not be counted. */
type Counted = WindowCount | string | { readonly uncounted: string };

interface Limit {
  readonly headers: HeaderNames;
  /** `undefined`: the limit does not apply. */
  readonly key: (ctx: RequestContext) => string | undefined;
  readonly count: (ctx: RequestContext, key: string) => Counted | Promise<Counted>;
}

function compileLimits(conf: LimitCountConf, env: PluginEnv, redis: RedisCount | null): readonly Limit[] {
  const { count, time_window: window, rules, group } = conf;
  if (rules !== undefined) {
    return rules.map((rule, index) => ({
      headers: prefixedNames(rule.header_prefix ?? String(index + 1)),
      key: compileCombination(rule.key),
      count: compileCount(rule, conf.window_type, env.counters, `${index}\n`, redis),
    }));
  }
  if (count === undefined || window === undefined) throw new Error("count and time_window are required");
  // Of a group those count together that limit alike: counts of different limits cannot be compared.
  const { window_type: type, key, key_type: keyType } = conf;
  const name = JSON.stringify([group, count, window, type, key, keyType]);
  const counters = group === undefined ? env.counters : env.counters.named(name);
  return [
    {
      headers: namesIn(env.metadata),
      key: compileKey(key, keyType),
      count: compileCount({ count, time_window: window }, type, counters, "", redis),
    },
  ];
}

function compileCount(
  quota: Quota,
  type: "fixed" | "sliding",
  counters: Counters,
  prefix: string,
  redis: RedisCount | null,
): Limit["count"] {
  const count = compileNumber(quota.count, 1);
  const window = compileNumber(quota.time_window, 1);
  return (ctx, key) => {
    const limit = count.read(ctx);
    if (limit === undefined) return "count is no number above 0";
    const seconds = window.read(ctx);
    if (seconds === undefined) return "time_window is no number above 0";
    if (redis !== null) {
      const name = `limit-count:${counters.scope}:${prefix}${key}`;
      const count = redis(type, name, limit, seconds);
      return count instanceof Promise ? count.catch((error: unknown) => ({ uncounted: reasonOf(error) })) : count;
    }
    return countInWindow(counters, type, prefix + key, limit, seconds) ?? { uncounted: TABLE_FULL };
  };
}

/** The headers of a rule. */
function prefixedNames(prefix: string): HeaderNames {
  const start = `X-${prefix}-RateLimit`;
  if (!isHeaderName(start)) throw new Error(`header_prefix ${JSON.stringify(prefix)} cannot stand in a header's name`);
  return [`${start}-Limit`, `${start}-Remaining`, `${start}-Reset`];
}

/** The headers of a limit without rules: as the metadata names them. */
function namesIn(metadata: Metadata = {}): HeaderNames {
  const { limit_header: limit, remaining_header: remaining, reset_header: reset } = metadata;
  return [limit ?? "X-RateLimit-Limit", remaining ?? "X-RateLimit-Remaining", reset ?? "X-RateLimit-Reset"];
}

interface Metadata {
  readonly limit_header?: string;
  readonly remaining_header?: string;
  readonly reset_header?: string;
}
