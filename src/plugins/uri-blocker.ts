import type { RequestContext } from "../plugin/context.ts";
import { pcreFaultIn } from "../plugin/conf-rules.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import { checkStatus } from "./reply-status.ts";

export const uriBlocker = definePlugin({
  name: "uri-blocker",
  summary: "Turns away requests whose path or query matches a pattern.",
  priority: 2900,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      block_rules: {
        type: "array",
        uniqueItems: true,
        items: { type: "string", minLength: 1, maxLength: 4096 },
        $comment: "Patterns, looked for anywhere in path and query, decoded.",
      },
      rejected_code: { type: "integer", minimum: 200, default: 403, $comment: "Status of a refusal." },
      rejected_msg: {
        type: "string",
        minLength: 1,
        $comment: "`error_msg` of a refusal; without it the page of the status is sent.",
      },
      case_insensitive: { type: "boolean", default: false, $comment: "Whether patterns ignore the case of letters." },
    },
    required: ["block_rules"],
  },
  checkConf: ({ block_rules: rules }) => pcreFaultIn(rules),

  compile(conf) {
    const status = checkStatus("rejected_code", conf.rejected_code);
    const refusal = conf.rejected_msg === undefined ? reply(status) : reply(status, { error_msg: conf.rejected_msg });
    const tooLong = reply(414);
    const rules = conf.block_rules.map((rule) => compileSafeRegex(rule, conf.case_insensitive ? "i" : ""));
    const blocked = (text: string): boolean => rules.some((rule) => rule.test(text));
    if (rules.length === 0) return {};
    return {
      rewrite(ctx) {
        if (ctx.target.length > MAX_SUBJECT) return tooLong;
        const decoded = decode(ctx.target);
        const normalised = normalisedTarget(ctx);
        return blocked(decoded) || (normalised !== decoded && blocked(normalised)) ? refusal : undefined;
      },
    };
  },
});

/** Path and query as the router saw the path: dots and doubled slashes hide nothing. */
function normalisedTarget(ctx: RequestContext): string {
  return ctx.query === "" ? ctx.uri : `${ctx.uri}?${decode(ctx.query)}`;
}

/** Percent-decoding of UTF-8; broken escapes stay as they are. */
function decode(text: string): string {
  if (!/[%\u0080-\u00ff]/.test(text)) return text;
  const bytes = text.replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(bytes, "latin1").toString();
}
