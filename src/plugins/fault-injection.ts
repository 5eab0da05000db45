import { setTimeout as sleep } from "node:timers/promises";
import { firstOf } from "../plugin/conf-rules.ts";
import type { RequestContext } from "../plugin/context.ts";
import { compileExpression } from "../plugin/expression.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileText } from "../plugin/variables.ts";
import { expressionFault } from "../schema/expression-syntax.ts";
import { checkStatus } from "./reply-status.ts";
import { compileAnswerHeaders } from "./templated-headers.ts";

const vars = {
  type: "array",
  maxItems: 20,
  items: { type: "array" },
  $comment: "Expressions, one of which must hold.",
} as const;
const percentage = { type: "integer", minimum: 0, maximum: 100, $comment: "Share of the requests." } as const;

export const faultInjection = definePlugin({
  name: "fault-injection",
  summary: "Answers requests with a fault, or delays them, to see how clients bear it.",
  priority: 11000,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      abort: {
        type: "object",
        $comment: "The answer.",
        properties: {
          http_status: { type: "integer", minimum: 200, $comment: "Its status." },
          body: { type: "string", minLength: 0, $comment: "Its body; may hold variables." },
          headers: {
            type: "object",
            minProperties: 1,
            patternProperties: { "^[^:]+$": { oneOf: [{ type: "string" }, { type: "number" }] } },
            $comment: "Its headers; values may hold variables.",
          },
          percentage,
          vars,
        },
        required: ["http_status"],
      },
      delay: {
        type: "object",
        $comment: "The delay.",
        properties: {
          duration: { type: "number", minimum: 0, $comment: "Seconds." },
          percentage,
          vars,
        },
        required: ["duration"],
      },
    },
    minProperties: 1,
  },
  checkConf: ({ abort, delay }) => firstOf(varsFault(abort), varsFault(delay)),

  compile({ abort, delay }): PluginHandlers {
    const isDelayed = delay === undefined ? never : compileChance(delay);
    const isAborted = abort === undefined ? never : compileChance(abort);
    const milliseconds = Math.min((delay?.duration ?? 0) * 1_000, MAX_TIMER);
    const answer = abort === undefined ? null : compileAnswer(abort);

    async function delayed(ctx: RequestContext): Promise<Reply | undefined> {
      await sleep(milliseconds);
      return answer !== null && isAborted(ctx) ? answer(ctx) : undefined;
    }

    return {
      rewrite(ctx) {
        if (isDelayed(ctx)) return delayed(ctx);
        return answer !== null && isAborted(ctx) ? answer(ctx) : undefined;
      },
    };
  },
});

/** Node's longest timer. */
const MAX_TIMER = 2_147_483_647;

const never = (): boolean => false;

interface Condition {
  readonly percentage?: number;
  readonly vars?: readonly (readonly unknown[])[];
}

/** Whether a request is among those that are meant. */
function compileChance({ percentage = 100, vars = [] }: Condition): (ctx: RequestContext) => boolean {
  const expressions = vars.map(compileExpression);
  return (ctx) =>
    (percentage === 100 || Math.random() * 100 < percentage) &&
    (expressions.length === 0 || expressions.some((holds) => holds(ctx)));
}

interface Abort {
  readonly http_status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

function compileAnswer(abort: Abort): (ctx: RequestContext) => Reply {
  const status = checkStatus("abort.http_status", abort.http_status);
  const body = compileText(abort.body ?? "");
  const headers = compileAnswerHeaders(abort.headers ?? {});
  return (ctx) => ({ status, headers: headers(ctx), body: body.render(ctx) });
}

function varsFault(fault: unknown): string | null {
  const { vars = [] } = (fault ?? {}) as { readonly vars?: readonly (readonly unknown[])[] };
  return firstOf(...vars.map(expressionFault));
}
