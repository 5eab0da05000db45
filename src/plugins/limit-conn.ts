import type { RequestContext } from "../plugin/context.ts";
import type { PluginDefinition, PluginHandlers, Reply } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitConn as facts } from "./catalogue/limits.ts";
import { compileAnswers, waitFor } from "./limit-answers.ts";
import { compileCombination, compileKey, compileNumber, type KeyType } from "./limit-key.ts";
import { type Entrance, localPlaces, type Places, redisPlaces } from "./limit-places.ts";
import { createRedisLink } from "./redis-link.ts";
import type { RedisConf } from "./redis-options.ts";

interface Limits {
  readonly conn: number | string;
  readonly burst: number | string;
  readonly key: string;
}

interface LimitConnConf extends Partial<Limits>, RedisConf {
  readonly key_ttl?: number;
  readonly default_conn_delay: number;
  readonly only_use_default_delay: boolean;
  readonly key_type: KeyType;
  readonly rules?: readonly Limits[];
  readonly rejected_code: number;
  readonly rejected_msg?: string;
  readonly allow_degradation: boolean;
}

export const limitConn: PluginDefinition<LimitConnConf> = {
  ...facts,
  servesStreams: true,
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
    policy: "Where is counted. `local`: in this gateway; the others: in a Redis that several gateways share.",
    rejected_code: "Status of a refusal.",
    rejected_msg: "Message of a refusal; without one the standard page is sent.",
    allow_degradation:
      "Lets requests pass that cannot be counted, or whose limit is no number; otherwise they get 500.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const redis = createRedisLink(conf);
    const limits = compileLimits(
      conf,
      redis === null ? localPlaces(env.counters) : redisPlaces(redis, env.counters, conf),
    );
    const holder = `limit-conn ${nextInstance++}`;
    const { default_conn_delay: unit, only_use_default_delay: sameForAll } = conf;

    /** Enters the limits from this one on, having to wait for `delay` seconds so far. */
    function enter(ctx: RequestContext, visit: Visit, from: number, delay: number): ReturnType<Access> {
      let wait = delay;
      for (const [index, limit] of limits.entries()) {
        const key = index < from ? undefined : limit.key(ctx);
        if (key === undefined) continue;
        const entrance = limit.enter(ctx, key);
        if (entrance instanceof Promise) {
          return entrance.then(async (found) => {
            const more = judge(visit, found);
            return typeof more === "object" ? more : await enter(ctx, visit, index + 1, wait + more);
          });
        }
        const more = judge(visit, entrance);
        if (typeof more === "object") return more;
        wait += more;
      }
      return wait > 0 ? waitFor(wait) : undefined;
    }

    /** The answer, or the seconds to wait. */
    function judge(visit: Visit, entrance: Entered): Reply | number {
      if (entrance === null) return answers.rejection;
      if (typeof entrance === "string") return answers.failed(entrance) ?? 0;
      // The client may have gone while the Redis was asked.
      if (visit.over) entrance.leave();
      else visit.entrances.push(entrance);
      if (entrance.above <= 0) return 0;
      return sameForAll ? unit : unit * entrance.above;
    }

    return {
      access(ctx) {
        const visit: Visit = { entrances: [], over: false };
        ctx.values.set(holder, visit);
        return enter(ctx, visit, 0, 0);
      },
      // Runs for every request, also for one that a client or another plugin has ended.
      log(ctx) {
        const visit = ctx.values.get(holder) as Visit | undefined;
        if (visit === undefined || visit.over) return;
        visit.over = true;
        for (const { leave } of visit.entrances) leave();
      },
      ...(redis !== null && { dispose: () => redis.close() }),
    };
  },
};

type Access = NonNullable<PluginHandlers["access"]>;

/** A request among those that are counted. */
interface Visit {
  readonly entrances: Entrance[];
  over: boolean;
}

/** Tells instances on one request apart. */
let nextInstance = 0;

interface Limit {
  /** `undefined`: the limit does not apply. */
  readonly key: (ctx: RequestContext) => string | undefined;
  /** `null`: refused; why where it cannot be counted. */
  readonly enter: (ctx: RequestContext, key: string) => Entered | Promise<Entered>;
}

type Entered = Entrance | string | null;

function compileLimits(conf: LimitConnConf, places: Places): readonly Limit[] {
  const { conn, burst, key, rules } = conf;
  if (rules !== undefined) {
    return rules.map((rule, index) => ({
      key: compileCombination(rule.key),
      enter: compileEntrance(rule, places, `${index}\n`),
    }));
  }
  if (conn === undefined || burst === undefined || key === undefined) {
    throw new Error("conn, burst and key are required");
  }
  return [{ key: compileKey(key, conf.key_type), enter: compileEntrance({ conn, burst, key }, places, "") }];
}

function compileEntrance(limits: Limits, places: Places, prefix: string): Limit["enter"] {
  const conn = compileNumber(limits.conn, 1);
  const burst = compileNumber(limits.burst, 0);
  return (ctx, key) => {
    const most = conn.read(ctx);
    if (most === undefined) return "conn is no number above 0";
    const more = burst.read(ctx);
    if (more === undefined) return "burst is no number";
    return places(prefix + key, most, more);
  };
}
