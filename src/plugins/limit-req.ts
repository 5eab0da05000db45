import { Outcome } from "../lib/count-outcome.ts";
import type { PluginDefinition, PluginHandlers } from "../plugin/plugin.ts";
import { explained } from "./catalogue/fields.ts";
import { limitReq as facts } from "./catalogue/limits.ts";
import { compileAnswers, TABLE_FULL, waitFor } from "./limit-answers.ts";
import { compileKey, type KeyType } from "./limit-key.ts";

interface LimitReqConf {
  readonly rate: number;
  readonly burst: number;
  readonly key: string;
  readonly key_type: KeyType;
  readonly policy: string;
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
    policy: "Where is counted. `local`: in this gateway; the others are not available in this version.",
    rejected_code: "Status of a refusal.",
    rejected_msg: "Message of a refusal; without one the standard page is sent.",
    nodelay: "Lets what is within `burst` through at once.",
    allow_degradation: "Lets requests pass that cannot be counted; otherwise they get 500.",
  }),

  compile(conf, env): PluginHandlers {
    const answers = compileAnswers(conf, env);
    const keyOf = compileKey(conf.key, conf.key_type);
    const interval = Math.min(SECOND / conf.rate, LONGEST);
    const most = Math.min(conf.burst * interval, LONGEST);
    const { counters } = env;
    return {
      access(ctx) {
        const now = counters.now();
        const outcome = counters.update(keyOf(ctx), now, most + 2 * interval, true, (empty) => {
          const next = Math.max(Math.round(empty + interval), now);
          return next - now > most ? -1 : next;
        });
        if (outcome === Outcome.full) return answers.failed(TABLE_FULL);
        if (outcome === Outcome.kept) return answers.rejection;
        const wait = counters.value - now;
        return conf.nodelay || wait < SHORTEST_WAIT ? undefined : waitFor(wait / SECOND);
      },
    };
  },
};
