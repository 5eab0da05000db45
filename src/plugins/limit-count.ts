import type { RequestContext } from "../plugin/context.ts";
import type { Counters } from "../plugin/counters.ts";
import { isHeaderName } from "../plugin/header-text.ts";
import type { PluginDefinition, PluginEnv, PluginHandlers, Reply } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitCount as facts } from "./catalogue/limits.ts";
import { compileAnswers, TABLE_FULL } from "./limit-answers.ts";
import { compileCombination, compileKey, compileNumber, type KeyType } from "./limit-key.ts";
import { countInWindow, type WindowCount } from "./limit-window.ts";

interface Quota {
  readonly count: number | string;
  readonly time_window: number | string;
}

interface RuleConf extends Quota {
  readonly key: string;
  readonly header_prefix?: string;
}

interface LimitCountConf extends Partial<Quota> {
  readonly window_type: "fixed" | "sliding";
  readonly group?: string;
  readonly key: string;
  readonly key_type: KeyType;
  readonly rules?: readonly RuleConf[];
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly policy: string;
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
    policy: "Where is counted. `local`: in this gateway; the others are not available in this version.",
    allow_degradation:
      "Lets requests pass that cannot be counted, or whose limit is no number; otherwise they get 500.",
    show_limit_quota_header: "Sends `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.",
    sync_interval: "For the policies with Redis.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const limits = compileLimits(conf, env);
    const shown = conf.show_limit_quota_header ? `limit-count ${nextInstance++}` : null;
    return {
      access(ctx) {
        let headers: Quotas | null = null;
        let answer: Reply | undefined;
        for (const limit of limits) {
          const key = limit.key(ctx);
          if (key === undefined) continue;
          const result = limit.count(ctx, key);
          if (typeof result === "string") answer = answers.failed(result);
          else {
            if (shown !== null) (headers ??= []).push([limit.headers, result]);
            if (!result.passed) answer = answers.rejection;
          }
          if (answer !== undefined) break;
        }
        if (shown !== null && headers !== null) ctx.values.set(shown, headers);
        return answer;
      },
      ...(shown !== null && {
        header_filter(ctx, head) {
          for (const [names, { limit, remaining, reset }] of (ctx.values.get(shown) ?? []) as Quotas) {
            head.setHeader(names[0], String(limit));
            head.setHeader(names[1], String(remaining));
            head.setHeader(names[2], String(reset));
          }
        },
      }),
    };
  },
};

type HeaderNames = readonly [limit: string, remaining: string, reset: string];
type Quotas = (readonly [names: HeaderNames, count: WindowCount])[];

/** Tells instances on one request apart. */
let nextInstance = 0;

/** One limit; `count` says why where it cannot be counted. */
interface Limit {
  readonly headers: HeaderNames;
  /** `undefined`: the limit does not apply. */
  readonly key: (ctx: RequestContext) => string | undefined;
  readonly count: (ctx: RequestContext, key: string) => WindowCount | string;
}

function compileLimits(conf: LimitCountConf, env: PluginEnv): readonly Limit[] {
  const { count, time_window: window, rules, group } = conf;
  if (rules !== undefined) {
    return rules.map((rule, index) => ({
      headers: headerNames(rule.header_prefix ?? String(index + 1)),
      key: compileCombination(rule.key),
      count: compileCount(rule, conf.window_type, env.counters, `${index}\n`),
    }));
  }
  if (count === undefined || window === undefined) throw new Error("count and time_window are required");
  // Of a group those count together that limit alike: counts of different limits cannot be compared.
  const { window_type: type, key, key_type: keyType } = conf;
  const name = JSON.stringify([group, count, window, type, key, keyType]);
  const counters = group === undefined ? env.counters : env.counters.named(name);
  return [
    {
      headers: headerNames(""),
      key: compileKey(key, keyType),
      count: compileCount({ count, time_window: window }, type, counters, ""),
    },
  ];
}

function compileCount(
  quota: Quota,
  type: "fixed" | "sliding",
  counters: Counters,
  prefix: string,
): (ctx: RequestContext, key: string) => WindowCount | string {
  const count = compileNumber(quota.count, 1);
  const window = compileNumber(quota.time_window, 1);
  return (ctx, key) => {
    const limit = count.read(ctx);
    if (limit === undefined) return "count is no number above 0";
    const seconds = window.read(ctx);
    if (seconds === undefined) return "time_window is no number above 0";
    return countInWindow(counters, type, prefix + key, limit, seconds) ?? TABLE_FULL;
  };
}

function headerNames(prefix: string): HeaderNames {
  const start = prefix === "" ? "X-RateLimit" : `X-${prefix}-RateLimit`;
  if (!isHeaderName(start)) throw new Error(`header_prefix ${JSON.stringify(prefix)} cannot stand in a header's name`);
  return [`${start}-Limit`, `${start}-Remaining`, `${start}-Reset`];
}
