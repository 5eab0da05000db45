import type { RequestContext } from "../plugin/context.ts";
import { compileHeaderValue } from "../plugin/header-edits.ts";
import { answerHeaderName, isHeaderName } from "../plugin/header-text.ts";
import { reply, type PluginDefinition, type PluginHandlers, type Reply } from "../plugin/plugin.ts";
import { BreakerStates } from "./api-breaker-state.ts";
import { explained } from "./catalogue/fields.ts";
import { apiBreaker as facts } from "./catalogue/limits.ts";

interface ApiBreakerConf {
  readonly break_response_code: number;
  readonly break_response_body?: string;
  readonly break_response_headers?: readonly { readonly key: string; readonly value: string }[];
  readonly max_breaker_sec: number;
  readonly unhealthy: { readonly http_statuses: readonly number[]; readonly failures: number };
  readonly healthy: { readonly http_statuses: readonly number[]; readonly successes: number };
}

/** What is known of a host and path is forgotten after this time without news at the earliest, seconds. */
const SHORTEST_MEMORY = 600;

export const apiBreaker: PluginDefinition<ApiBreakerConf> = {
  ...facts,
  summary: "Stops asking the upstream for a while when it keeps failing, by host and path; counts over all workers.",
  schema: explained(facts.schema, {
    break_response_code: "Status of the answer while the upstream is not asked.",
    break_response_body: "Body of that answer; without one the standard page is sent.",
    break_response_headers:
      "Headers of that answer, only together with `break_response_body`. Values may hold variables.",
    max_breaker_sec: "Longest break, seconds; the first one is 2 seconds, each further one twice as long.",
    unhealthy: "When a break begins: so many `failures` of these `http_statuses`.",
    healthy: "When it is forgotten: so many `successes` of these `http_statuses`.",
  }),

  compile(conf, env): PluginHandlers {
    const { counters } = env;
    const { unhealthy, healthy } = conf;
    const answer = compileAnswer(conf);
    const states = new BreakerStates(unhealthy.failures, healthy.successes, conf.max_breaker_sec);
    const bad = new Set(unhealthy.http_statuses);
    const good = new Set(healthy.http_statuses);
    const memory = Math.max(2 * conf.max_breaker_sec, SHORTEST_MEMORY) * 1_000_000;
    return {
      access(ctx) {
        const now = counters.now();
        return states.isBroken(counters.peek(keyOf(ctx), now), secondOf(now)) ? answer(ctx) : undefined;
      },
      log(ctx) {
        const status = ctx.attempts.at(-1)?.status;
        if (status === undefined) return;
        const now = counters.now();
        if (bad.has(status)) {
          // Where there is no room the upstream is asked on: nobody is kept out by that.
          counters.update(keyOf(ctx), now, memory, true, (state) => states.afterFailure(state, secondOf(now)));
        } else if (good.has(status)) {
          const key = keyOf(ctx);
          if (counters.peek(key, now) === 0) return;
          counters.update(key, now, memory, true, (state) => states.afterSuccess(state, secondOf(now)));
        }
      },
    };
  },
};

const keyOf = (ctx: RequestContext): string => `${ctx.host}${ctx.uri}`;
const secondOf = (us: number): number => Math.trunc(us / 1_000_000);

function compileAnswer(conf: ApiBreakerConf): (ctx: RequestContext) => Reply {
  const { break_response_code: status, break_response_body: body, break_response_headers: headers = [] } = conf;
  for (const { key } of headers) {
    if (!isHeaderName(key)) throw new Error(`break_response_headers: ${JSON.stringify(key)} is not a header's name`);
  }
  if (body === undefined || headers.length === 0) {
    const answer = reply(status, body ?? "");
    return () => answer;
  }
  const templates = headers.map(({ key, value }) => [answerHeaderName(key), compileHeaderValue(value)] as const);
  return (ctx) =>
    reply(
      status,
      body,
      templates.map(([name, render]) => [name, render(ctx, null)] as const),
    );
}
