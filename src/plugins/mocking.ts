import { setTimeout as sleep } from "node:timers/promises";
import { version } from "../lib/version.ts";
import type { RequestContext } from "../plugin/context.ts";
import { isHeaderText, utf8Bytes } from "../plugin/header-text.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { PluginHandlers, Reply } from "../plugin/plugin.ts";
import { compileText } from "../plugin/variables.ts";
import { compileExample, toXml } from "./mocking-example.ts";
import { checkStatus } from "./reply-status.ts";
import { compileAnswerHeaders } from "./templated-headers.ts";

export const mocking = definePlugin({
  name: "mocking",
  summary: "Answers in place of the node, with an example or with data that fits a JSON Schema.",
  priority: 10900,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      delay: { type: "integer", default: 0, $comment: "Seconds before the answer." },
      response_status: { type: "integer", minimum: 100, default: 200, $comment: "Status of the answer." },
      content_type: {
        type: "string",
        default: "application/json;charset=utf8",
        $comment: "`Content-Type` of the answer.",
      },
      response_example: { type: "string", $comment: "Body of the answer; may hold variables." },
      response_schema: {
        type: "object",
        $comment: "JSON Schema that the body is made from where there is no example; `example` gives values.",
      },
      with_mock_header: { type: "boolean", default: true, $comment: "Whether `x-mock-by` tells who answered." },
      response_headers: {
        type: "object",
        minProperties: 1,
        patternProperties: { "^[^:]+$": { oneOf: [{ type: "string" }, { type: "number" }] } },
        $comment: "Further headers; values may hold variables.",
      },
    },
    anyOf: [{ required: ["response_example"] }, { required: ["response_schema"] }],
  },

  compile(conf): PluginHandlers {
    const status = checkStatus("response_status", conf.response_status);
    if (!isHeaderText(conf.content_type)) throw new Error("content_type holds control characters");
    const own = [
      ["Content-Type", utf8Bytes(conf.content_type)],
      ...(conf.with_mock_header ? [["x-mock-by", `Turnpike/${version}`] as const] : []),
    ] as readonly (readonly [string, string])[];
    const more = compileAnswerHeaders(conf.response_headers ?? {});
    const body = compileBody(conf.response_example, conf.response_schema ?? {}, /\bxml\b/i.test(conf.content_type));
    const answer = (ctx: RequestContext): Reply => ({ status, headers: [...own, ...more(ctx)], body: body(ctx) });
    if (conf.delay <= 0) return { access: answer };
    return {
      async access(ctx) {
        await sleep(conf.delay * 1_000);
        return answer(ctx);
      },
    };
  },
});

function compileBody(
  example: string | undefined,
  schema: Readonly<Record<string, unknown>>,
  asXml: boolean,
): (ctx: RequestContext) => string {
  if (example !== undefined) return compileText(example).render;
  const make = compileExample(schema);
  return asXml ? () => toXml("data", make()) : () => JSON.stringify(make());
}
