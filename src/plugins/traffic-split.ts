import { expressionFaultIn, firstOf } from "../plugin/conf-rules.ts";
import type { RequestContext, UpstreamChoice } from "../plugin/context.ts";
import { compileExpression, type Predicate } from "../plugin/expression.ts";
import { definePlugin, reply, type PluginEnv, type Reply } from "../plugin/plugin.ts";
import type { JsonSchema } from "../schema/json-schema.ts";
import { idSchema } from "../schema/metadata.ts";
import { checkUpstream } from "../schema/rules.ts";
import { upstreamSchema, type InlineUpstream } from "../schema/upstream.ts";
import { splitPart, splitUpstreams } from "./traffic-split-upstreams.ts";

export const trafficSplit = definePlugin({
  name: "traffic-split",
  summary: "Leads shares of the traffic, or what satisfies conditions, to other upstreams.",
  priority: 966,
  version: "0.1",
  subsystems: ["http", "stream"],
  schema: {
    type: "object",
    properties: {
      rules: {
        type: "array",
        $comment: "The first rule that the request satisfies decides; without one the route's upstream is used.",
        items: {
          type: "object",
          properties: {
            match: {
              type: "array",
              $comment: "Conditions, of which one must hold; without any the rule always applies.",
              items: {
                type: "object",
                properties: { vars: { type: "array", $comment: "Expression over variables, as `vars` of routes." } },
              },
            },
            weighted_upstreams: {
              type: "array",
              items: {
                type: "object",
                properties: {
                  upstream_id: { ...idSchema, $comment: "An upstream by its id." },
                  upstream: { ...(upstreamSchema as JsonSchema), $comment: "An upstream that stands here." },
                  weight: { type: "integer", minimum: 0, default: 1, description: "Share of the traffic." },
                },
              },
              minItems: 1,
              maxItems: 20,
              default: [{ weight: 1 }],
              $comment: "Where the traffic goes; an entry without an upstream stands for the route's.",
            },
          },
        },
      },
    },
  },
  checkConf(conf) {
    const { rules = [] } = conf as unknown as { readonly rules?: readonly Rule[] };
    const matches = rules.flatMap(({ match }) => match ?? []);
    const [fault] = splitUpstreams({ rules }).flatMap(([, upstream]) => checkUpstream(upstream, []));
    return firstOf(...matches.map(({ vars }) => expressionFaultIn("vars", vars)), fault?.message ?? null);
  },

  compile(conf, env) {
    const configured = (conf.rules ?? []) as unknown as readonly Rule[];
    const rules = configured.map((rule, index) => compileRule(rule, index, env));
    return {
      access(ctx: RequestContext): Reply | undefined {
        for (const { matches, turns } of rules) if (matches === null || matches(ctx)) return choose(turns, ctx);
        return undefined;
      },
    };
  },
});

interface Rule {
  readonly match?: readonly { readonly vars?: readonly unknown[] }[];
  readonly weighted_upstreams: readonly WeightedUpstream[];
}

interface WeightedUpstream {
  readonly upstream_id?: string | number;
  readonly upstream?: InlineUpstream;
  readonly weight: number;
}

/** One of the upstreams of a rule, and where it stands in the smooth weighted round robin. */
interface Turn {
  readonly weight: number;
  /** The upstream as it is now; absent: the route's. */
  readonly find?: () => UpstreamChoice | null;
  /** The answer where there is no such upstream. */
  readonly missing: Reply;
  current: number;
}

function compileRule(rule: Rule, index: number, env: PluginEnv): { matches: Predicate | null; turns: Turn[] } {
  const turns = rule.weighted_upstreams.map((entry, place) => compileTurn(entry, splitPart(index, place), env));
  return { matches: compileMatch(rule.match ?? []), turns: turns.filter(({ weight }) => weight > 0) };
}

/** The conditions of a rule; `null`: it always applies. */
function compileMatch(match: NonNullable<Rule["match"]>): Predicate | null {
  const conditions = match.map(({ vars = [] }) => compileExpression(vars));
  if (conditions.length === 0) return null;
  return (ctx) => {
    for (const holds of conditions) if (holds(ctx)) return true;
    return false;
  };
}

function compileTurn({ upstream_id: id, upstream, weight }: WeightedUpstream, part: string, env: PluginEnv): Turn {
  const missing = reply(500, `failed to fetch upstream info by upstream id: ${id}`);
  const turn = { weight, missing, current: 0 };
  if (upstream !== undefined) return { ...turn, find: env.compileUpstream(part, upstream) };
  return id === undefined ? turn : { ...turn, find: () => env.upstreamById(String(id)) };
}

/** The next of them in turn: with weights 2 and 1 the order is a, b, a. */
function choose(turns: readonly Turn[], ctx: RequestContext): Reply | undefined {
  let total = 0;
  let next: Turn | undefined;
  for (const turn of turns) {
    total += turn.weight;
    turn.current += turn.weight;
    if (next === undefined || turn.current > next.current) next = turn;
  }
  if (next === undefined) return undefined;
  next.current -= total;
  if (next.find === undefined) return undefined;
  const choice = next.find();
  if (choice === null) return next.missing;
  ctx.upstream.choice = choice;
  return undefined;
}
