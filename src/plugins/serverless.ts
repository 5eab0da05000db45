import { definePlugin, type PluginDefinition, type PluginHandlers } from "../plugin/plugin.ts";
import { compileServerless } from "./serverless-function.ts";

const phases = ["rewrite", "access", "header_filter", "body_filter", "log", "before_proxy"] as const;

/** One of the two plugins, which differ in when they run. */
const define = (name: string, when: string, priority: number): PluginDefinition =>
  definePlugin({
    name,
    summary: `Runs functions in JavaScript ${when} the other plugins of a phase.`,
    priority,
    version: "0.1",
    schema: {
      type: "object",
      properties: {
        phase: {
          type: "string",
          enum: phases,
          default: "access",
          $comment: "When the functions run; `body_filter` is not supported.",
        },
        functions: {
          type: "array",
          items: { type: "string" },
          minItems: 1,
          $comment: "Texts of functions, in the form `function (conf, ctx) { … }`, which run one after the other.",
        },
      },
      required: ["functions"],
    },

    compile(conf, env): PluginHandlers {
      const { phase } = conf;
      if (phase === "body_filter") {
        throw new Error('property "phase": functions cannot see bodies; response-rewrite can replace them');
      }
      const before = phase === "rewrite" || phase === "access" || phase === "before_proxy";
      const functions = conf.functions.map((source, index) =>
        compileServerless(source, `functions[${index}]`, conf, before, env),
      );
      if (before) {
        return {
          [phase]: (ctx: Parameters<(typeof functions)[number]>[0]) => {
            for (const run of functions) {
              const answer = run(ctx, null);
              if (answer !== undefined) return answer;
            }
            return undefined;
          },
        };
      }
      if (phase === "log") return { log: (ctx) => functions.forEach((run) => run(ctx, null)) };
      return { header_filter: (ctx, head) => functions.forEach((run) => run(ctx, head)) };
    },
  });

export const serverlessPreFunction = define("serverless-pre-function", "before", 10000);
export const serverlessPostFunction = define("serverless-post-function", "after", -2000);
