import type { RequestContext } from "../plugin/context.ts";
import { firstOf, pcreFaultIn } from "../plugin/conf-rules.ts";
import { definePlugin, reply } from "../plugin/plugin.ts";
import { compileSafeRegex, MAX_SUBJECT } from "../plugin/safe-regex.ts";
import { textOfWire } from "../plugin/wire-text.ts";

const patterns = { type: "array", minItems: 1, items: { type: "string", minLength: 1 } } as const;

export const uaRestriction = definePlugin({
  name: "ua-restriction",
  summary: "Admits or turns away clients by what they call themselves in `User-Agent`.",
  priority: 2999,
  version: "0.1",
  schema: {
    type: "object",
    properties: {
      bypass_missing: {
        type: "boolean",
        default: false,
        $comment: "Whether requests without the header pass; otherwise they are refused, whatever the list.",
      },
      allowlist: { ...patterns, $comment: "Patterns, one of which must match." },
      denylist: { ...patterns, $comment: "Patterns, none of which may match." },
      message: {
        type: "string",
        minLength: 1,
        maxLength: 1024,
        default: "Not allowed",
        $comment: "Message of a refusal, which is a 403.",
      },
    },
    oneOf: [{ required: ["allowlist"] }, { required: ["denylist"] }],
  },
  checkConf: ({ allowlist, denylist }) => firstOf(pcreFaultIn(allowlist), pcreFaultIn(denylist)),

  compile(conf) {
    const listed = (conf.allowlist ?? conf.denylist ?? []).map((pattern) => compileSafeRegex(pattern));
    const allows = conf.allowlist !== undefined;
    const refusal = reply(403, { message: conf.message });

    function isAllowed(value: string): boolean {
      const agent = textOfWire(value);
      // What is too long to be judged is not let in.
      if (agent.length > MAX_SUBJECT) return false;
      for (const pattern of listed) if (pattern.test(agent)) return allows;
      return !allows;
    }

    return {
      access(ctx) {
        const agent = ctx.header("user-agent");
        if (agent === undefined) return conf.bypass_missing ? undefined : refusal;
        const allowed = agent.includes(", ") ? agents(ctx).every(isAllowed) : isAllowed(agent);
        return allowed ? undefined : refusal;
      },
    };
  },
});

/** The values of every such header: each of them is judged by itself. */
function agents(ctx: RequestContext): readonly string[] {
  return ctx.headers().flatMap(([name, value]) => (name.toLowerCase() === "user-agent" ? [value] : []));
}
