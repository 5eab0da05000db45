import { expressionFaultIn, firstOf } from "../plugin/conf-rules.ts";
import type { RequestContext } from "../plugin/context.ts";
import { compileExpression, type Predicate } from "../plugin/expression.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import type { ConfCheck, PluginEnv, PluginHandlers } from "../plugin/plugin.ts";
import type { JsonSchema } from "../schema/json-schema.ts";

/** Actions that are plugins themselves. */
const plugged = new Set(["limit-count", "limit-conn"]);

const returnSchema: JsonSchema = {
  type: "object",
  properties: { code: { type: "integer", minimum: 100, maximum: 599 } },
  required: ["code"],
};

interface Rule {
  readonly case?: readonly unknown[];
  readonly actions: readonly (readonly [name: string, conf: unknown])[];
}

export const workflow = definePlugin({
  name: "workflow",
  summary: "Runs the action of the first rule that the request satisfies: an answer, or a limit.",
  priority: 1006,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      rules: {
        type: "array",
        $comment: "Conditions with their actions, in the order in which they are tried.",
        items: {
          type: "object",
          properties: {
            case: {
              type: "array",
              items: { anyOf: [{ type: "array" }, { type: "string" }] },
              minItems: 1,
              $comment: "Expression over variables, as `vars` of routes; without it the rule always applies.",
            },
            actions: {
              type: "array",
              items: { type: "array", minItems: 1 },
              $comment:
                'One action: `["return", {"code": 403}]`, or `limit-count` or `limit-conn` with its configuration.',
            },
          },
          required: ["actions"],
        },
      },
    },
    required: ["rules"],
  },
  checkConf(conf, check) {
    for (const { case: condition, actions } of conf["rules"] as readonly Rule[]) {
      const faults = actions.map((action) => actionFault(action, check));
      const fault = firstOf(expressionFaultIn("case", condition), ...faults);
      if (fault !== null) return fault;
    }
    return null;
  },

  compile(conf, env) {
    const configured = conf.rules as unknown as readonly Rule[];
    const rules = configured.map((rule) => compileRule(rule, env));
    const chosen = new WeakMap<RequestContext, PluginHandlers>();
    const handlers: PluginHandlers = {
      access(ctx) {
        for (const { matches, action } of rules) {
          if (matches !== null && !matches(ctx)) continue;
          chosen.set(ctx, action);
          return action.access?.(ctx);
        }
        return undefined;
      },
      dispose() {
        for (const { action } of rules) action.dispose?.();
      },
    };
    const actions = rules.map(({ action }) => action);
    if (actions.some((action) => action.header_filter !== undefined)) {
      handlers.header_filter = (ctx, head) => chosen.get(ctx)?.header_filter?.(ctx, head);
    }
    if (actions.some((action) => action.log !== undefined)) handlers.log = (ctx) => chosen.get(ctx)?.log?.(ctx);
    return handlers;
  },
});

function compileRule(rule: Rule, env: PluginEnv): { matches: Predicate | null; action: PluginHandlers } {
  const matches = rule.case === undefined ? null : compileExpression(rule.case);
  const [name, conf] = rule.actions[0] ?? ["", {}];
  // A rule without an action ends the search all the same.
  if (name === "") return { matches, action: {} };
  if (name !== "return") return { matches, action: env.compileOther(name, conf) };
  const answer = reply((conf as { readonly code: number }).code, { error_msg: "rejected by workflow" });
  return { matches, action: { access: () => answer } };
}

/** As APISIX judges an action; fills its defaults in. */
function actionFault([name, conf]: readonly [string, unknown], check: ConfCheck): string | null {
  const schema = name === "return" ? returnSchema : plugged.has(name) ? check.plugin(name)?.schema : undefined;
  if (schema === undefined) return `unsupported action: ${String(name)}`;
  const reason =
    name === "limit-count" && (conf as { readonly group?: unknown } | undefined)?.group !== undefined
      ? "group is not supported"
      : check.schemaFault(schema, conf ?? null);
  return reason === null ? null : `failed to validate the '${name}' action: ${reason}`;
}
