import { NOT_COUNTED, NOT_HELD } from "../lib/count-outcome.ts";
import type { RequestContext } from "../plugin/context.ts";
import type { Counters } from "../plugin/counters.ts";
import type { PluginDefinition, PluginHandlers } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitConn as facts } from "./catalogue/limits.ts";
import { compileAnswers, TABLE_FULL, waitFor } from "./limit-answers.ts";
import { compileCombination, compileKey, compileNumber, type KeyType } from "./limit-key.ts";

interface Limits {
  readonly conn: number | string;
  readonly burst: number | string;
  readonly key: string;
}

interface LimitConnConf extends Partial<Limits> {
  readonly default_conn_delay: number;
  readonly only_use_default_delay: boolean;
  readonly key_type: KeyType;
  readonly rules?: readonly Limits[];
  readonly policy: string;
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
}

export const limitConn: PluginDefinition<LimitConnConf> = {
  ...facts,
  summary: "Limits how many requests run at the same time; some above the limit wait. Exact over all workers.",
  schema: explained(facts.schema, {
    conn: "Requests that may run: a number above 0, or text with variables that gives one.",
    burst: "Requests above `conn` that are let through after a delay; likewise.",
    default_conn_delay: "Delay of one request above `conn`, seconds; the second waits twice as long, and so on.",
    only_use_default_delay: "Every request above `conn` waits for `default_conn_delay`.",
    key: "What is counted by: a variable (without `$`), or text with variables. Where no variable has a value, the client's address.",
    key_type: "How `key` is read.",
    rules:
      "Several limits instead of `conn`, `burst` and `key`, applied in order; their keys are texts with variables.",
    policy: "Where is counted. `local`: in this gateway; the others are not available in this version.",
    rejected_code: "Status of a refusal.",
    rejected_msg: "Message of a refusal; without one the standard page is sent.",
    allow_degradation:
      "Lets requests pass that cannot be counted, or whose limit is no number; otherwise they get 500.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const limits = compileLimits(conf, env.counters);
    const holder = `limit-conn ${nextInstance++}`;
    const { default_conn_delay: unit, only_use_default_delay: sameForAll } = conf;
    return {
      access(ctx) {
        let delay = 0;
        const holds: number[] = [];
        ctx.values.set(holder, holds);
        for (const limit of limits) {
          const key = limit.key(ctx);
          if (key === undefined) continue;
          const excess = limit.enter(ctx, key, holds);
          if (typeof excess === "string") {
            const answer = answers.failed(excess);
            if (answer !== undefined) return answer;
          } else if (excess === NOT_HELD) return answers.rejection;
          else if (excess > 0) delay += sameForAll ? unit : unit * excess;
        }
        return delay > 0 ? waitFor(delay) : undefined;
      },
      // Runs for every request, also for one that a client or another plugin has ended.
      log(ctx) {
        const holds = ctx.values.get(holder) as readonly number[] | undefined;
        if (holds === undefined) return;
        ctx.values.delete(holder);
        for (const hold of holds) env.counters.giveBack(hold);
      },
    };
  },
};

/** Tells instances on one request apart. */
let nextInstance = 0;

interface Limit {
  /** `undefined`: the limit does not apply. */
  readonly key: (ctx: RequestContext) => string | undefined;
  /** By how much the request is above `conn`; `NOT_HELD`: refused; why where it cannot be counted. */
  readonly enter: (ctx: RequestContext, key: string, holds: number[]) => number | string;
}

function compileLimits(conf: LimitConnConf, counters: Counters): readonly Limit[] {
  const { conn, burst, key, rules } = conf;
  if (rules !== undefined) {
    return rules.map((rule, index) => ({
      key: compileCombination(rule.key),
      enter: compileEntrance(rule, counters, `${index}\n`),
    }));
  }
  if (conn === undefined || burst === undefined || key === undefined) {
    throw new Error("conn, burst and key are required");
  }
  return [{ key: compileKey(key, conf.key_type), enter: compileEntrance({ conn, burst, key }, counters, "") }];
}

function compileEntrance(limits: Limits, counters: Counters, prefix: string): Limit["enter"] {
  const conn = compileNumber(limits.conn, 1);
  const burst = compileNumber(limits.burst, 0);
  return (ctx, key, holds) => {
    const most = conn.read(ctx);
    if (most === undefined) return "conn is no number above 0";
    const more = burst.read(ctx);
    if (more === undefined) return "burst is no number";
    const hold = counters.hold(prefix + key, most + more);
    if (hold === NOT_COUNTED) return TABLE_FULL;
    if (hold === NOT_HELD) return NOT_HELD;
    holds.push(hold);
    return Math.max(0, counters.value - most);
  };
}
